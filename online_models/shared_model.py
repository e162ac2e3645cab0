"""What learners and merger tell each other: versions of a model, and what was learned since one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

from . import _snapshots
from .errors import OnlineModelError, ShapeError, SnapshotError

__all__ = ["SharedModel", "Update"]

FORMAT_VERSION = 1

Centres = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Record = TypeVar("Record")


@dataclass(frozen=True, slots=True, eq=False)
class SharedModel:
    """A version of the model.

    Attributes
    ----------
    version
        Whole number, higher is newer.
    centers, counts, ids
        Centres (k, d) float64, vectors each has learned (k,), segment id of each (k,).
    rate
        Part of the way a centre moves at the least, as in KMeans.
    applied
        Highest seq of each worker that is in it.
    next_id
        Lowest segment id that was never given; 0 stands for one above the highest of `ids`.
    """

    version: int
    centers: Centres
    counts: Ints
    ids: Ints
    rate: float
    applied: dict[str, int] = field(default_factory=dict)
    next_id: int = 0

    def __post_init__(self) -> None:
        shapes = self.centers.shape[:1], self.counts.shape, self.ids.shape
        if self.centers.ndim != 2 or len(set(shapes)) != 1 or not np.isfinite(self.centers).all():
            msg = (
                f"a model needs finite centres (k, d), counts (k,) and ids (k,), got {self.centers.shape}, {shapes[1:]}"
            )
            raise ShapeError(msg)

    def encode(self) -> bytes:
        """Pack it, in a versioned format without pickle."""
        return _snapshots.encode("shared-model", FORMAT_VERSION, _values(self))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Unpack it; raises SnapshotError."""
        return _decoded(cls, "shared-model", data)


@dataclass(frozen=True, slots=True, eq=False)
class Update:
    """What one learner has learned since a version.

    Attributes
    ----------
    worker
        Name of one life of one process.
    base_version
        Version it started from.
    seq
        Number among the worker's updates, ascending.
    counts
        Vectors each centre took since the base, (k,).
    centers
        Where the learner's centres are, (k, d).
    sample
        Some of the vectors, (m, d) float32, for the merger to decide swaps on.
    """

    worker: str
    base_version: int
    seq: int
    counts: Ints
    centers: Centres
    sample: npt.NDArray[np.float32]

    def encode(self) -> bytes:
        """Pack it, in a versioned format without pickle."""
        return _snapshots.encode("model-update", FORMAT_VERSION, _values(self))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Unpack it; raises SnapshotError."""
        return _decoded(cls, "model-update", data)


def _values(record: SharedModel | Update) -> dict[str, Any]:
    return {name: getattr(record, name) for name in type(record).__slots__}


def _decoded(record: type[Record], kind: str, data: bytes) -> Record:
    _, values = _snapshots.decode(kind, range(1, FORMAT_VERSION + 1), data)
    try:
        return record(**values)
    except (AttributeError, TypeError, OnlineModelError) as error:
        msg = f"this {kind} is damaged: {error!r}"
        raise SnapshotError(msg) from error
