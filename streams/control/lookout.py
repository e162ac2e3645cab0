"""One segmentation watched: intervals in, in order; alerts out. The same for stream, new process and backtest."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from streams.control.book import Book
from streams.control.watcher import Watcher
from streams.control.windows import KEPT_DAYS, Interval
from streams.settings import ShiftSettings
from streams.storage.alerts import StoredAlert
from streams.storage.shifts import IntervalRow

__all__ = ["Lookout"]

#: Intervals before the newest one that may still change: see `streams.profiles.activity.OPEN`.
_OPEN = 3


class Lookout:
    """Watches one segmentation.

    Parameters
    ----------
    segmentation : str
        Its name, part of every alert's labels.
    settings : ShiftSettings
        The knobs.
    sizes : callable
        Gives people per segment as the first commits under a model version found them.
    """

    def __init__(self, segmentation: str, settings: ShiftSettings, sizes: Callable[[int], Mapping[int, int]]) -> None:
        self.segmentation, self._settings, self._sizes = segmentation, settings, sizes
        self._watcher = Watcher(settings)
        self.book = Book(segmentation, settings.interval_s)
        self._rows: dict[int, list[IntervalRow]] = {}
        self._bases: list[int] = []
        self._told: dict[int, dict[tuple[int, int], int]] = {}
        self.judged: int | None = None

    @property
    def first_needed(self) -> int:
        """The interval from which on rows are to be given again."""
        return 0 if self.judged is None else self.judged - _OPEN

    @staticmethod
    def first_of_history(judged: int, interval_s: int) -> int:
        """Return where a process that starts again has to begin to read."""
        return judged - KEPT_DAYS * 86_400 // interval_s

    def take(self, rows: Sequence[IntervalRow], bases: Sequence[int]) -> None:
        """Take in what is known of some intervals, all of each; `bases` are versions that did more than learn."""
        self._bases = list(bases)
        for number in {row.number for row in rows}:
            self._rows[number] = []
        for row in rows:
            self._rows[row.number].append(row)
        if self.judged is not None:
            for number in sorted(n for n in self._rows if n <= self.judged):
                self._watcher.history.put(number, self._interval(self._rows.pop(number)))

    def judge_until(self, last: int, known: int | None = None) -> list[tuple[int, list[StoredAlert]]]:
        """Judge intervals up to `last`; return what is told, by interval.

        `known` is the model version that every partition has come to, None for the newest: where a fit is newer than
        that, not all of those whom it moved are known, and its first interval waits for them.
        """
        if not self._rows and self.judged is None:
            return []
        first = min(self._rows) if self.judged is None else self.judged + 1
        told = []
        for number in range(first, last + 1):
            newest = max((row.model_version for row in self._rows.get(number, [])), default=0)
            if known is not None and self._basis(newest) > self._basis(known):
                break
            told.append((number, self._judge(number)))
        return told

    def _judge(self, number: int) -> list[StoredAlert]:
        history = self._watcher.history
        interval = self._interval(self._rows.pop(number, []))
        if history.basis and interval.basis > history.basis:
            history.carry(number, interval.basis, self._moves(interval), self._sizes(interval.basis))
        if interval.active or self.judged is not None:
            history.put(number, interval)
        self.judged = number
        if not interval.basis:
            return []  # there were no segments yet
        found = self._watcher.judge(number, firing=self.book.shares_fire)
        told = self.book.close(number, found, interval.model_version)
        for alert in told:
            if alert.annotations.get("ended") == "it is what is usual now":
                history.accept(alert.starts_at_us // (self._settings.interval_s * 1_000_000))
        if self.book.shares_fire:
            history.exclude(number)
        return told

    def _basis(self, model_version: int) -> int:
        place = bisect_right(self._bases, model_version)
        return self._bases[place - 1] if place else 0

    def _moves(self, interval: Interval) -> dict[tuple[int, int], int]:
        """Return whom a fit has moved; its commit told of it in the newest interval that it knew."""
        moves: dict[tuple[int, int], int] = dict(self._told.get(interval.basis, {}))
        for rows in self._rows.values():
            for row in rows:
                if self._basis(row.model_version) == interval.basis:
                    for origin, people in row.by_model.items():
                        moves[origin, row.segment] = moves.get((origin, row.segment), 0) + people
        return moves

    def _interval(self, rows: Sequence[IntervalRow]) -> Interval:
        version = max((row.model_version for row in rows), default=0)
        basis = self._basis(version) if rows else self._watcher.history.basis
        self._told = {basis: {(o, row.segment): n for row in rows for o, n in row.by_model.items()}}
        return Interval(
            active={row.segment: float(row.active) for row in rows if row.active},
            inflow={r.segment: sum(n for o, n in r.inflow.items() if o != -2) for r in rows if r.inflow},
            outflow={r.segment: sum(r.outflow.values()) for r in rows if r.outflow and r.segment != -2},
            basis=basis,
            model_version=version,
            centroids={r.segment: (r.vectors, r.total / r.vectors) for r in rows if r.vectors and np.size(r.total)},
            mixed=any(row.active and self._basis(row.model_version) != basis for row in rows),
        )
