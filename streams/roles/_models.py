"""Versions of the segmentations' models: stored before any row that names them, loaded when a partition is restored."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from clickhouse_connect.driver.client import Client

from streams.profiles import Segmentation, Segmentations
from streams.storage.models import (
    LEARNED,
    MintedSegment,
    StoredModel,
    highest_segment,
    latest_model_version,
    newest_model,
    save_model,
    stored_names,
)

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
    bases : list of int
        The version since which each has but learned: nothing was fitted anew, no segment has come or gone.
    """

    def __init__(self, client: Client, segmentations: Segmentations, layout_id: int) -> None:
        self._segmentations, self._layout_id = segmentations, layout_id
        self.newest = [latest_model_version(client, self._names(one)) for one in segmentations.all]
        self.bases = [latest_model_version(client, self._names(one), basis=True) for one in segmentations.all]

    @property
    def layout_id(self) -> int:
        """The layout that models are made under."""
        return self._layout_id

    def take(self, space_id: str) -> list[Version]:
        """Return the new versions that there are, at most one a segmentation."""
        taken = []
        for place, segmentation in enumerate(self._segmentations.all):
            cause = segmentation.take_version(time.monotonic())
            if cause is None:
                continue
            self.newest[place] += 1
            if cause not in LEARNED:
                self.bases[place] = self.newest[place]
            ids = segmentation.model.segment_ids
            stored = StoredModel(
                segmentation.name,
                self.newest[place],
                cause,
                [] if ids is None else ids.tolist(),
                segmentation.model.learned,
                segmentation.take_quality(),
                space_id,
                self._layout_id,
                segmentation.snapshot(),
            )
            taken.append(
                (stored, [MintedSegment(m.segment, m.cause, m.centre, m.retired) for m in segmentation.take_minted()])
            )
        return taken

    def look_for_basis(self, client: Client, place: int) -> None:
        """Ask for the newest version that did more than learn: one that was passed over, perhaps."""
        self.bases[place] = latest_model_version(client, self._names(self._segmentations.all[place]), basis=True)

    def restore(self, client: Client, space_id: str) -> None:
        """Let segmentations that have no model go on from the newest version, if it is of this space and layout.

        Rows may name an older one. A partition that nobody touched for long does, and going back to its version would
        give segments ids that others have had since.
        """
        for place, segmentation in enumerate(self._segmentations.all):
            if segmentation.fitted:
                continue
            names = self._names(segmentation)
            segmentation.reserve_ids(highest_segment(client, names) + 1)
            self.newest[place] = latest_model_version(client, names)
            self.look_for_basis(client, place)
            stored = self.newer(client, place, 0, space_id)
            if stored is not None and segmentation.restore(stored.snapshot):
                segmentation.reserve_ids(highest_segment(client, names) + 1)
            elif self.newest[place]:
                log.info(
                    "model %d of %s was made under other features, another encoder or another model; it is fitted anew",
                    self.newest[place],
                    segmentation.name,
                )

    def newer(self, client: Client, place: int, after: int, space_id: str) -> StoredModel | None:
        """Return a segmentation's newest version if it is above `after` and of this space and layout."""
        stored = newest_model(client, self._names(self._segmentations.all[place]), after=after)
        fits = stored is not None and (stored.space_id, stored.layout) == (space_id, self._layout_id)
        return stored if fits else None

    def _names(self, segmentation: Segmentation) -> list[str]:
        """Return the names a segmentation's stored models may have."""
        return stored_names(self._segmentations.all.index(segmentation), segmentation.name)


def store_versions(client: Client, versions: Sequence[Version]) -> None:
    """Store versions and what they minted."""
    for version in versions:
        save_model(client, *version)
