"""Model versions: the snapshot that a row's `model_version` names, and the registry of segment ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from clickhouse_connect.driver.client import Client

from online_models import Quality

__all__ = [
    "LEARNED",
    "MintedSegment",
    "StoredModel",
    "highest_segment",
    "latest_model_version",
    "newest_model",
    "save_model",
    "stored_names",
]

#: Causes of versions in which segments are still the same ones, a little further on.
LEARNED = ("learned", "merged")


@dataclass(frozen=True, slots=True)
class StoredModel:
    """One row of `model_versions`."""

    segmentation: str
    model_version: int
    cause: str
    segments: Sequence[int]
    learned: int
    quality: Quality
    space_id: str
    layout: int
    snapshot: bytes


@dataclass(frozen=True, slots=True)
class MintedSegment:
    """A segment id, why it was minted, and where its centre was."""

    segment: int
    cause: str
    centre: npt.NDArray[np.float64]
    retired: Sequence[int] = ()


def save_model(client: Client, model: StoredModel, minted: Sequence[MintedSegment]) -> None:
    """Store a version before any row that names it is committed; repeating it replaces it."""
    client.insert(
        "model_versions",
        [
            [
                model.segmentation,
                model.model_version,
                model.cause,
                list(model.segments),
                model.learned,
                model.quality.inertia,
                model.space_id,
                model.layout,
                model.snapshot,
                model.quality.vectors,
                model.quality.silhouette,
                model.quality.noise,
                model.quality.moved,
                [(entry.segment, entry.cause, list(entry.retired)) for entry in minted],
                list(model.quality.overlap),
            ]
        ],
        column_names=[
            "segmentation", "model_version", "cause", "segments", "learned", "inertia", "space_id", "layout",
            "snapshot", "vectors", "silhouette", "noise", "moved", "changes", "overlap",
        ],
    )  # fmt: skip
    if minted:
        client.insert(
            "segments",
            [[model.segmentation, e.segment, model.model_version, e.cause, e.centre.tolist()] for e in minted],
            column_names=["segmentation", "segment", "model_version", "cause", "centre"],
        )


def latest_model_version(client: Client, names: Sequence[str], *, basis: bool = False) -> int:
    """Return the highest version ever stored of a segmentation, 0 when there is none; new versions count up from it.

    With `basis` it is the highest that did more than learn. `names` are those its rows may have: rows from before there
    were several segmentations have none, ''.
    """
    return int(
        client.query(
            "SELECT max(model_version) FROM model_versions WHERE has({names:Array(String)}, segmentation) "
            "AND NOT has({without:Array(String)}, cause)",
            parameters={"names": list(names), "without": list(LEARNED) if basis else []},
        ).result_rows[0][0]
    )


def newest_model(client: Client, names: Sequence[str], *, after: int = 0) -> StoredModel | None:
    """Return the newest version of a segmentation if it is above `after`; `names` as in `latest_model_version`."""
    found = client.query(
        "SELECT segmentation, model_version, cause, segments, learned, vectors, inertia, silhouette, noise, moved, "
        "overlap, space_id, layout, snapshot "
        "FROM model_versions FINAL WHERE has({names:Array(String)}, segmentation) AND model_version > {after:UInt64} "
        "ORDER BY model_version DESC LIMIT 1",
        parameters={"names": list(names), "after": after},
        column_formats={"snapshot": "bytes"},
    )
    rows = found.result_rows
    if not rows:
        return None
    row = dict(zip(found.column_names, rows[0], strict=True))
    quality = Quality(
        **{name: row.pop(name) for name in ("vectors", "inertia", "silhouette", "noise", "moved")},
        overlap=tuple(tuple(cell) for cell in row.pop("overlap")),
    )
    return StoredModel(quality=quality, **row)


def highest_segment(client: Client, names: Sequence[str]) -> int:
    """Return the highest segment id ever minted in a segmentation, -1 for none."""
    return int(
        client.query(
            "SELECT greatest(-1, if(count() = 0, -1, max(segment))) FROM segments "
            "WHERE has({names:Array(String)}, segmentation)",
            parameters={"names": list(names)},
        ).result_rows[0][0]
    )


def stored_names(place: int, name: str) -> list[str]:
    """Return the names that the stored models of the segmentation at `place` may have: the first had none once."""
    return [name] if place else [name, ""]
