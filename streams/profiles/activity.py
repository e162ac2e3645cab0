"""Who was there: per interval of event time, segmentation and segment, how many people and where they are.

A person is active in the interval of an event that is newer than all of theirs before it, once an interval: whether an
event is such a one is a function of the person's state, so reading the log again counts the same. What is counted is
part of the partition's commit, as totals of the intervals that are still open; a later commit's totals replace them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from streams.profiles.labels import MERGED, PartitionLabels

__all__ = ["Activity", "ActivityRow", "Arrivals"]

Rows = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]

#: Intervals before the newest one that still take people in; an event of an older one makes nobody active.
OPEN = 2
#: Intervals that one commit may speak of: history in no order at all would otherwise hold years open.
_MOST = 4_000
_NEVER_US = -(2**62)


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The events of a block that made somebody active: whose, when (us UTC), and whether nobody knew them before."""

    rows: Rows
    at_us: Int64s
    new: npt.NDArray[np.bool_]


@dataclass(slots=True)
class ActivityRow:
    """One segment in one interval.

    Attributes
    ----------
    at_us : int
        Begin of the interval.
    active, newcomers : int
        People; newcomers are those nobody knew before.
    inflow, outflow : dict
        Segment that people came from or went to -> people, -2 for unassigned.
    by_model : dict
        Segment that people were in before a model was fitted anew -> people; they didn't move, the segments did.
    vectors : int
        Of how many of the active `total` is the sum of vectors.
    changed : bool
        Whether the last commit said something else.
    """

    segmentation: str
    at_us: int
    segment: int
    active: int = 0
    newcomers: int = 0
    inflow: dict[int, int] = field(default_factory=dict)
    outflow: dict[int, int] = field(default_factory=dict)
    by_model: dict[int, int] = field(default_factory=dict)
    vectors: int = 0
    total: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    changed: bool = True

    def add(self, active: int, newcomers: int, total: npt.NDArray[np.float64], vectors: int) -> None:
        """Take some people in."""
        self.active += active
        self.newcomers += newcomers
        if len(total) != len(self.total):  # vectors of another space say nothing together with these
            self.total, self.vectors = np.zeros(len(total)), 0
        self.total += total
        self.vectors += vectors
        self.changed = True


class Activity:
    """What one partition counts, in each of its segmentations.

    Parameters
    ----------
    names : sequence of str
        The segmentations, in the order of their labels.
    interval_us : int
        How long an interval is.
    """

    def __init__(self, names: Sequence[str], interval_us: int) -> None:
        self._names, self._interval_us = list(names), interval_us
        self._rows: dict[tuple[str, int, int], ActivityRow] = {}
        self._arrived: list[Arrivals] = []
        self._said_us = _NEVER_US
        self.newest_us = 0

    def note(self, arrived: Arrivals, newest_us: int) -> None:
        """Remember who came in a block, and the newest time in it.

        Who comes in an interval that is over by then makes nobody active: over is a matter of the log, not of commits.
        """
        at = arrived.at_us // self._interval_us * self._interval_us
        kept = at >= self._oldest_open_us
        if kept.any():
            self._arrived.append(Arrivals(arrived.rows[kept], at[kept], arrived.new[kept]))
        self.newest_us = max(self.newest_us, newest_us)

    def count(self, labels: PartitionLabels) -> None:
        """Count those who came since the last commit for the segments they are in now: those of the commit's model."""
        if not self._arrived:
            return
        rows = np.concatenate([one.rows for one in self._arrived])
        at = np.concatenate([one.at_us for one in self._arrived])
        new = np.concatenate([one.new for one in self._arrived])
        self._arrived.clear()
        for name, of_it in zip(self._names, [labels, *labels.others], strict=True):
            self._count(name, of_it, rows, at, new)

    def moved(self, name: str, held: Int64s, now: Int64s, since_us: Int64s, *, by_model: bool) -> None:
        """Count changes of segment of the people of a commit, each at its time; a model's all at once, now."""
        changed = (held != now) & (held != MERGED) & (now != MERGED)
        at = np.full(changed.sum(), self.newest_us) if by_model else since_us[changed]
        at = at // self._interval_us * self._interval_us
        kept = at >= self._said_us
        at, origins, targets = at[kept], held[changed][kept], now[changed][kept]
        order, starts = _groups(at, origins, targets)
        people = np.diff(starts, append=len(order))
        columns = [column[order][starts].tolist() for column in (at, origins, targets)]
        for at_us, origin, target, n in zip(*columns, people.tolist(), strict=True):
            into, out = self._row(name, at_us, target), self._row(name, at_us, origin)
            into.changed = out.changed = True
            if by_model:
                into.by_model[origin] = into.by_model.get(origin, 0) + n
            else:
                into.inflow[origin] = into.inflow.get(origin, 0) + n
                out.outflow[target] = out.outflow.get(target, 0) + n

    def take(self) -> list[ActivityRow]:
        """Return what a commit says, and close the intervals that are over."""
        oldest = self._oldest_open_us - _MOST * self._interval_us
        said = [row for row in self._rows.values() if row.at_us >= oldest]
        self._said_us = self._oldest_open_us  # what is older can't be added to any more: its totals are gone from here
        # what was said stays as it is, it is on its way
        self._rows = {key: _again(row) for key, row in self._rows.items() if row.at_us >= self._said_us}
        return said

    def restore(self, rows: Sequence[ActivityRow], newest_us: int) -> None:
        """Go on from what a commit said."""
        self.newest_us = newest_us
        self._said_us = self._oldest_open_us
        for row in rows:
            if row.segmentation in self._names and row.at_us >= self._said_us and row.at_us % self._interval_us == 0:
                self._rows[row.segmentation, row.at_us, row.segment] = _again(row)

    @property
    def _oldest_open_us(self) -> int:
        if not self.newest_us:
            return _NEVER_US
        return (self.newest_us // self._interval_us - OPEN) * self._interval_us

    def _row(self, name: str, at_us: int, segment: int) -> ActivityRow:
        found = self._rows.get((name, at_us, segment))
        if found is None:
            found = self._rows[name, at_us, segment] = ActivityRow(name, at_us, segment)
        return found

    def _count(self, name: str, labels: PartitionLabels, rows: Rows, at: Int64s, new: npt.NDArray[np.bool_]) -> None:
        segments = labels.of(rows)
        here = segments != MERGED
        rows, at, new, segments = rows[here], at[here], new[here], segments[here]
        if not len(rows):
            return
        order, starts = _groups(at, segments)
        rows, at, new, segments = rows[order], at[order], new[order], segments[order]
        totals, counted = labels.stabiliser.totals(rows, starts)
        active = np.diff(starts, append=len(rows))
        newcomers = np.add.reduceat(new.astype(np.int64), starts)
        columns = [column.tolist() for column in (at[starts], segments[starts], active, newcomers, counted)]
        for at_us, segment, people, unknown, known, total in zip(*columns, totals, strict=True):
            row = self._rows.get((name, at_us, segment))
            if row is None:  # history that comes in at once has thousands of them
                self._rows[name, at_us, segment] = ActivityRow(
                    name, at_us, segment, people, unknown, vectors=known, total=total
                )
            else:
                row.add(people, unknown, total, known)


def _groups(*keys: Int64s) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the order by the first key, then by the next ones, and where in it each combination of them begins."""
    order = np.lexsort(keys[::-1])
    begins = np.zeros(len(order), np.bool_)
    begins[:1] = True
    for key in keys:
        begins[1:] |= key[order][1:] != key[order][:-1]
    return order, np.flatnonzero(begins)


def _again(row: ActivityRow) -> ActivityRow:
    """Return a row of its own that a commit holds already."""
    copies: Mapping[str, dict[int, int]] = {
        "inflow": dict(row.inflow), "outflow": dict(row.outflow), "by_model": dict(row.by_model)
    }  # fmt: skip
    return ActivityRow(
        row.segmentation, row.at_us, row.segment, row.active, row.newcomers,
        vectors=row.vectors, total=row.total.copy(), changed=False, **copies,
    )  # fmt: skip
