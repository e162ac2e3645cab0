"""Labels of one partition's people, by row, in each segmentation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from online_models import Stabiliser
from streams.settings import SegmentationSettings

__all__ = ["MERGED", "UNASSIGNED", "PartitionLabels"]

Rows = npt.NDArray[np.int32]
Times = npt.NDArray[np.int64]

#: The label of people whom no model has seen yet.
UNASSIGNED = -2
#: The label of ids that have become part of another person: they are in no segment, and leaving it was no churn.
MERGED = -3


class PartitionLabels:
    """Labels of one partition's people, by row.

    Attributes
    ----------
    committed, since_us : ndarray of int64
        The label that ClickHouse holds, and since when (event time).
    known : ndarray of float64
        Share of each person's interest whose content has a vector.
    anew : ndarray of bool
        Who begins anew when they are observed next: what they were like before says little about them now.
    others : list of PartitionLabels
        Those of the segmentations after the first.
    """

    def __init__(self, settings: SegmentationSettings, others: Sequence[SegmentationSettings] = ()) -> None:
        self.others = [PartitionLabels(other) for other in others]
        self.stabiliser = Stabiliser(alpha=settings.ewma, margin=settings.margin)
        self.committed = np.empty(0, np.int64)
        self.since_us = np.empty(0, np.int64)
        self.known = np.empty(0, np.float64)
        self.anew = np.empty(0, np.bool_)

    def resize(self, people: int) -> None:
        """Make room; newcomers are unassigned."""
        missing = people - len(self.committed)
        if missing > 0:
            room = max(missing, len(self.committed))
            self.committed = np.append(self.committed, np.full(room, UNASSIGNED, np.int64))
            self.since_us = np.append(self.since_us, np.zeros(room, np.int64))
            self.known = np.append(self.known, np.zeros(room))
            self.anew = np.append(self.anew, np.zeros(room, np.bool_))
        self.stabiliser.resize(people)
        for other in self.others:
            other.resize(people)

    def restore(self, segment: npt.NDArray[np.int64], since_us: npt.NDArray[np.int64]) -> None:
        """Start from what ClickHouse holds: rows 0..n-1."""
        self.resize(len(segment))
        self.committed[: len(segment)] = segment
        self.since_us[: len(segment)] = since_us
        self.stabiliser.seed_labels(np.arange(len(segment), dtype=np.int32), segment)

    def begin_space(self) -> None:
        """Keep labels and forget smoothed vectors: those of the next space may have another width."""
        old = self.stabiliser
        self.stabiliser = Stabiliser(alpha=old.alpha, margin=old.margin)
        self.stabiliser.resize(len(old))
        self.stabiliser.seed_labels(np.arange(len(old), dtype=np.int32), old.labels)

    def begin_anew(self, rows: Rows) -> None:
        """Let those of some people who are to begin anew do so: they are looked at now."""
        self.stabiliser.forget(rows[self.anew[rows]])
        self.anew[rows] = False

    def of(self, rows: Rows) -> npt.NDArray[np.int64]:
        """Return the current labels of `rows`."""
        return self.stabiliser.labels[rows]

    def outside(self, segment_ids: Times | None, people: int) -> Rows:
        """Return who is in a segment that is none of these: its centre was moved elsewhere under a new id."""
        self.resize(people)
        held = self.stabiliser.labels[:people]
        gone = np.zeros(people, np.bool_) if segment_ids is None else (held >= 0) & ~np.isin(held, segment_ids)
        return np.flatnonzero(gone).astype(np.int32)

    def turn(self, rows: Rows, came_at_us: Times) -> tuple[Times, Times, Times]:
        """Return (labels now, those that ClickHouse holds, since when) of people who came at these times."""
        now, held = self.of(rows), self.committed[rows]
        since = np.where(now != held, came_at_us, self.since_us[rows])
        self.since_us[rows] = since
        return now, held, since

    def leave(self, rows: Rows) -> None:
        """Take people out of their segments: they have become part of somebody else."""
        self.stabiliser.forget(rows)
        self.stabiliser.seed_labels(rows, np.full(len(rows), MERGED, np.int64))
        self.committed[rows[self.committed[rows] == UNASSIGNED]] = MERGED  # who was in none leaves none
        self.known[rows] = 0.0
        for other in self.others:
            other.leave(rows)

    def sizes(self, people: int) -> dict[int, int]:
        """Return people per segment, the unassigned included."""
        labels, counts = np.unique(self.stabiliser.labels[:people], return_counts=True)
        return {label: n for label, n in zip(labels.tolist(), counts.tolist(), strict=True) if label != MERGED}
