"""People per interval and segment, as the control plane looks at them: what is known, and what it is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from online_models import baseline_windows

__all__ = ["History", "Interval"]

Floats = npt.NDArray[np.float64]
Centroids = Mapping[int, tuple[int, Floats]]

HOURS_A_DAY = 24
#: Nothing older is looked at: four same hours of the week, and a week of comparisons among them.
KEPT_DAYS = 35
#: Intervals that hold people counted under the model before a fit and under the one after it.
MIXED = 2
#: Fits between two intervals that are followed from segment to segment.
_MOST_FITS = 4


@dataclass(slots=True)
class Interval:
    """What is known of one interval.

    Attributes
    ----------
    active : dict
        Segment -> people.
    inflow, outflow : dict
        Segment -> people who came or went while the model was the same.
    basis, model_version : int
        The version since which the model has but learned, and the newest one.
    centroids : mapping
        Segment -> (people, mean vector).
    mixed : bool
        Some of the active are counted in segments of the model before a fit, others in those of the one after it:
        partitions that are read fast are hours apart.
    """

    active: dict[int, float] = field(default_factory=dict)
    inflow: dict[int, int] = field(default_factory=dict)
    outflow: dict[int, int] = field(default_factory=dict)
    basis: int = 0
    model_version: int = 0
    centroids: Centroids = field(default_factory=dict)
    mixed: bool = False


class History:
    """Intervals by number, in the segments of today's model.

    Where a model is fitted anew, what was counted before is carried over: of each old segment's people as many are
    counted for each new one as went there. That isn't exact (the active differ from all), so `carried` says how much of
    a window has been carried how far.

    Parameters
    ----------
    interval_s : int
        Length of an interval.
    """

    def __init__(self, interval_s: int) -> None:
        self._a_day = 86_400 // interval_s
        self._intervals: dict[int, Interval] = {}
        self._carried: dict[int, float] = {}
        self._excluded: set[int] = set()
        self.basis = 0
        self.fitted_at = -(10**9)
        self.first = 0
        self._since = -(10**9)

    def __contains__(self, number: int) -> bool:
        return number in self._intervals

    def put(self, number: int, interval: Interval) -> None:
        """Take in an interval, again if it has changed since.

        One whose basis is a newer one has been `carry`-ed to first; one of an older basis stays as it is.
        """
        if not self._intervals:
            self.first, self.basis = number, interval.basis
        if interval.basis < self.basis:
            return
        self._intervals[number] = interval
        if interval.mixed:
            self.exclude(number)
        oldest = number - KEPT_DAYS * self._a_day
        if self.first < oldest:
            for gone in range(self.first, oldest):
                self._intervals.pop(gone, None)
                self._carried.pop(gone, None)
                self._excluded.discard(gone)
            self.first = oldest

    @property
    def since(self) -> int:
        """The first interval that can be compared with: before it people were counted in segments nobody can follow."""
        return max(self.first, self._since)

    def get(self, number: int) -> Interval:
        """Return an interval; nobody was there in one that nothing is known of."""
        return self._intervals.get(number) or Interval(basis=self.basis)

    def mixed(self, number: int) -> bool:
        """Whether an interval was counted under two models."""
        return self.fitted_at <= number < self.fitted_at + MIXED or self.get(number).mixed

    def exclude(self, number: int) -> None:
        """Compare nothing with this interval: an alert fired."""
        self._excluded.add(number)

    def accept(self, since: int) -> None:
        """Compare with the intervals from `since` on after all: what they show has become usual."""
        self._excluded = {number for number in self._excluded if number < since}

    def baseline(self, number: int, width: int) -> list[int]:
        """Return last intervals of the windows that one of `width` intervals ending with `number` is compared with.

        The same time of the last 7 days; from two weeks of history on the same time of the week twice. Windows with an
        alert in them are passed over for older ones, and where those don't suffice for other days, if a week of them is
        known.
        """
        day = self._a_day
        if number - self.since < 7 * day:
            return []  # half a week says nothing about the other half
        hours = baseline_windows(number * HOURS_A_DAY // day, -(-(self.since + width - 1) * HOURS_A_DAY // day))
        steps = (number * HOURS_A_DAY // day - hours) // HOURS_A_DAY  # whole days, whatever an interval is
        usable = self._usable(number, width, steps.tolist())
        if len(steps) != 2 and number - 7 * day not in usable:
            return []  # nor does half a week and a piece
        if len(usable) >= min(2, len(steps)):
            return usable
        weekly = len(steps) == 2
        usable += self._usable(number, width, list(range(21, KEPT_DAYS, 7)) if weekly else [])
        others = [end for end in self._usable(number, width, list(range(1, 15))) if end not in usable]
        if weekly and len(usable) < 2 and len(usable) + len(others) < 7:
            return []  # so few days say nothing about those of the other kind
        return (usable + others)[: 2 if weekly else 7]

    def _usable(self, number: int, width: int, days: list[int]) -> list[int]:
        ends = [number - step * self._a_day for step in days]
        return [
            end
            for end in ends
            if end - width + 1 >= self.first
            and not any(i in self._excluded for i in range(end - width + 1, end + 1))
            and any(i in self._intervals for i in range(end - width + 1, end + 1))
        ]

    def counts(self, ends: list[int], width: int) -> tuple[list[int], Floats]:
        """Return (segments (k,), people per window and segment (m, k)) of windows that end with these intervals."""
        found = [[self.get(i).active for i in range(end - width + 1, end + 1)] for end in ends]
        segments = sorted({segment for window in found for active in window for segment in active if segment != -2})
        table = np.array([[sum(active.get(s, 0.0) for active in window) for s in segments] for window in found])
        return segments, table.reshape(len(ends), len(segments))

    def carried(self, ends: list[int], width: int) -> float:
        """Return the mean share of people whose segment a fit has changed since these windows."""
        numbers = [i for end in ends for i in range(end - width + 1, end + 1)]
        return float(np.mean([self._carried.get(i, 0.0) for i in numbers])) if numbers else 0.0

    def carry(self, number: int, basis: int, moves: Mapping[tuple[int, int], int], sizes: Mapping[int, int]) -> None:
        """Count what is known under the model of another basis, from interval `number` on.

        Parameters
        ----------
        moves : mapping
            (from, to) -> people whose segment the fit has changed.
        sizes : mapping
            Segment -> people under the new model.
        """
        self.basis, self.fitted_at = basis, number
        for mixed in range(number, number + MIXED):  # people were counted in them under both models
            self.exclude(mixed)
        went: dict[int, dict[int, float]] = {}
        arrived = dict.fromkeys(sizes, 0.0)
        for (origin, target), people in moves.items():
            went.setdefault(origin, {})[target] = float(people)
            arrived[target] = arrived.get(target, 0.0) + people
        for segment, people in sizes.items():
            stayed = people - arrived[segment]
            if stayed > 0:
                went.setdefault(segment, {})[segment] = stayed
        total = sum(sum(targets.values()) for targets in went.values())
        moved = sum(people for (origin, _), people in moves.items() if origin != -2) / max(total, 1.0)
        followed = [number]
        for at, known in self._intervals.items():
            active: dict[int, float] = {}
            for segment, count in known.active.items():
                for target, part in _whereto(segment, went, sizes).items():
                    active[target] = active.get(target, 0.0) + count * part
            known.active = active
            self._carried[at] = min(1.0, self._carried.get(at, 0.0) + moved)
            if sizes and any(count and segment >= 0 and segment not in sizes for segment, count in active.items()):
                self.exclude(at)  # of some nobody said where they went: they would all be missing now
            else:
                followed.append(at)
        self._since = min(followed)


def _whereto(segment: int, went: Mapping[int, Mapping[int, float]], sizes: Mapping[int, int]) -> dict[int, float]:
    """Return the parts of a segment's people by where fits took them; several, where a few followed upon each other."""
    parts = {segment: 1.0}
    for step in range(_MOST_FITS):
        on: dict[int, float] = {}
        for here, part in parts.items():
            targets = went.get(here) if step == 0 or here not in sizes else None
            whole = sum((targets or {here: 1.0}).values())
            for target, people in (targets or {here: 1.0}).items():
                on[target] = on.get(target, 0.0) + part * people / whole
        if on == parts:
            break
        parts = on
    return parts
