"""Versions of the segmentations' models: stored before any row that names them, loaded when a partition is restored."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from clickhouse_connect.driver.client import Client

from streams.profiles import Segmentation, Segmentations
from streams.storage.models import MintedSegment, StoredModel, latest_model_version, load_model, save_model
from streams.storage.restore import StoredPartition

__all__ = ["ModelVersions", "Version", "store_versions"]

log = logging.getLogger(__name__)

#: A model, and the segments that it was the first to have.
Version = tuple[StoredModel, list[MintedSegment]]


class ModelVersions:
    """Counts each segmentation's versions up.

    Parameters
    ----------
    client : Client
        Asked for the highest versions there are.
    segmentations : Segmentations
        Whose models; the first one's rows have no name if they are older than names.
    layout_id : int
        A model of another layout says nothing about today's vectors.

    Attributes
    ----------
    newest : list of int
        The version of each segmentation's model, in their order.
    """

    def __init__(self, client: Client, segmentations: Segmentations, layout_id: int) -> None:
        self._segmentations, self._layout_id = segmentations, layout_id
        self.newest = [latest_model_version(client, self._names(one)) for one in segmentations.all]

    def take(self, space_id: str) -> list[Version]:
        """Return the new versions that there are, at most one a segmentation."""
        taken = []
        for place, segmentation in enumerate(self._segmentations.all):
            cause = segmentation.take_version()
            if cause is None:
                continue
            self.newest[place] += 1
            ids = segmentation.model.segment_ids
            stored = StoredModel(
                segmentation.name,
                self.newest[place],
                cause,
                [] if ids is None else ids.tolist(),
                segmentation.model.learned,
                segmentation.model.inertia,
                space_id,
                self._layout_id,
                segmentation.snapshot(),
            )
            taken.append((stored, [MintedSegment(m.segment, m.cause, m.centre) for m in segmentation.take_minted()]))
        return taken

    def restore(self, client: Client, stored: StoredPartition, space_id: str) -> None:
        """Let segmentations that have no model yet go on from the versions that a partition's rows name."""
        others = {name: segments.model_version for name, segments in stored.others.items()}
        versions = [stored.model_version, *(others.get(one.name, 0) for one in self._segmentations.all[1:])]
        for segmentation, version in zip(self._segmentations.all, versions, strict=True):
            if version and not segmentation.fitted:
                self._load(client, segmentation, version, space_id)

    def _load(self, client: Client, segmentation: Segmentation, version: int, space_id: str) -> None:
        names = self._names(segmentation)
        snapshot = load_model(client, names, version, space_id=space_id, layout=self._layout_id)
        if snapshot is None or not segmentation.restore(snapshot):
            log.info(
                "model %d of %s was made under other features, another encoder or another model; it is fitted anew",
                version,
                segmentation.name,
            )

    def _names(self, segmentation: Segmentation) -> list[str]:
        """Return the names a segmentation's stored models may have."""
        first = segmentation is self._segmentations.all[0]
        return [segmentation.name, ""] if first else [segmentation.name]


def store_versions(client: Client, versions: Sequence[Version]) -> None:
    """Store versions and what they minted."""
    for version in versions:
        save_model(client, *version)
