"""Have segments shifted? One segmentation, interval by interval of event time: what is found, window by window.

A pure function of the history: fed with the same intervals it finds the same, so a process that starts again, or a
backtest with other settings, needs nothing but the table `segment_stats`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import special

from online_models import Shift, centre_drift, measured_dispersion, shift_test
from streams.control.windows import History, Interval
from streams.profiles.features import microseconds
from streams.settings import ShiftSettings

__all__ = ["EVERYTHING", "Finding", "Watcher"]

#: `segment` of what is found about a whole segmentation.
EVERYTHING = -9
NOISE, UNASSIGNED = -1, -2

#: Windows that are tested, in hours: a large shift shows in one, a small one in four (measured: ADR 17).
_WIDTHS_H = (1, 4)
#: Comparisons that tell how much windows scatter: of a week, and the fewest that are believed.
_SCATTER_H, _SCATTER_LEAST = 168, 48
#: What keeps an alert going is less than what begins it.
_STILL_P = 0.05
#: Median of a squared standard normal.
_CHI_MEDIAN = 0.4549
#: A flow is sudden when it is so many times the usual, and so large a part of all who are active.
_FLOW_TIMES, _FLOW_PART = 3.0, 0.05
#: Fewer people than this part of the usual are silence; fewer than so many usual ones can't fall silent.
_SILENT_PART, _SILENT_LEAST = 0.05, 20.0
#: A segment is new, or gone, whose part of the active was below this before, or is now.
_NOBODY = 0.002
#: A centre has moved when it went this part of the way to its nearest neighbour, besides what days differ by.
_DRIFT_PART, _DRIFT_DAYS_LEAST = 0.25, 5
#: What a fit has moved is known for all people, not for the active: this part of it may look like a shift.
_CARRIED_PART = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that holds in one window.

    Attributes
    ----------
    kind : str
        The alert's name.
    fires : bool
        Whether it is enough to begin an alert, or only to keep one going.
    first : int
        The first interval of the window.
    size : float
        Total variation of shares, or the part of people, or the distance over that to the nearest neighbour.
    by : str
        "wall" for silence that the wall's clock tells, a label of its own.
    """

    kind: str
    segment: int
    fires: bool
    first: int
    p_value: float
    size: float
    segments: Sequence[int] = ()
    before: Mapping[int, float] = field(default_factory=dict)
    now: Mapping[int, float] = field(default_factory=dict)
    by: str = ""


class _Scatter:
    """How much comparisons scatter when nothing happens."""

    def __init__(self, kept: int) -> None:
        self._ratios: deque[float] = deque(maxlen=kept)

    def note(self, shift: Shift) -> None:
        """Take in a comparison in which nothing was found."""
        if shift.degrees:
            self._ratios.append(shift.g / float(special.chdtri(shift.degrees, 0.5)))

    @property
    def measured(self) -> tuple[float, int] | tuple[None, None]:
        """Over-dispersion and comparisons it rests on; none while there are too few."""
        if len(self._ratios) < _SCATTER_LEAST:
            return None, None
        return max(1.0, float(np.median(self._ratios))), len(self._ratios)


class Watcher:
    """Judges intervals one after the other.

    Parameters
    ----------
    settings : ShiftSettings
        How often somebody wants to be alarmed for nothing, and what is too small to matter.
    """

    def __init__(self, settings: ShiftSettings) -> None:
        self._settings = settings
        self.history = History(settings.interval_s)
        an_hour = max(1, 3_600 // settings.interval_s)
        self._widths = [hours * an_hour for hours in _WIDTHS_H]
        self._a_day = 86_400 // settings.interval_s
        tests = settings.interval_s * 1e6 / microseconds(settings.false_alarm_every, "shifts.false_alarm_every")
        self._p_shares = tests / 2 / len(self._widths)
        self._p_others = tests / 2
        self._scatter = {width: _Scatter(_SCATTER_H * an_hour) for width in self._widths}
        self._noise = _Scatter(_SCATTER_H * an_hour)
        self._flows: dict[tuple[str, int], deque[float]] = {}

    def judge(self, number: int, *, firing: bool = False) -> list[Finding]:
        """Return what holds in the windows that end with this interval; it has been put into `history`.

        `firing` says that an alert on shares goes on: the comparison then tells nothing about the usual scatter.
        """
        now = self.history.get(number)
        found = list(self._silence(number, now))
        if found or self.history.mixed(number):
            return found  # nobody there is no shift among those who are
        for width in self._widths:
            found += self._shares(number, width, firing=firing)
        found += self._come_and_gone(number)
        found += self._noise_share(number)
        found += self._sudden_flows(number, now)
        if number % self._a_day == self._a_day - 1:
            found += self._drift(number)
        return found

    def _compare(self, number: int, width: int) -> tuple[list[int], list[int], np.ndarray, np.ndarray] | None:
        if any(self.history.mixed(i) for i in range(number - width + 1, number + 1)):
            return None
        ends = self.history.baseline(number, width)
        segments, table = self.history.counts([number, *ends], width)
        if len(ends) < 2 or len(segments) < 2 or not table[0].sum() or not table[1:].sum():
            return None
        return ends, segments, table[0], table[1:]

    def _shares(self, number: int, width: int, *, firing: bool) -> Iterator[Finding]:
        compared = self._compare(number, width)
        if compared is None:
            return
        ends, segments, window, past = compared
        dispersion, windows = self._scatter[width].measured
        floor = self._settings.floor + _CARRIED_PART * self.history.carried(ends, width)
        same = np.array([(number - end) % (7 * self._a_day) == 0 for end in ends])
        least = floor
        if not same.all():  # other days: a weekend differs from them as much as those among them do
            floor = max(floor, _furthest(past))
        shift = shift_test(
            window, past, dispersion=dispersion, dispersion_windows=windows, p_limit=self._p_shares, floor=floor
        )
        if not (firing or shift.alarm):
            self._scatter[width].note(shift)
        alarm, holds = shift.alarm, shift.p_value < _STILL_P and shift.total_variation > floor
        if same.any() and not same.all() and past[same].sum():  # what the same hour of a week ago had too is the week's
            week = shift_test(
                window, past[same], dispersion=dispersion or measured_dispersion(past),
                dispersion_windows=windows or len(past), p_limit=self._p_shares, floor=least,
            )  # fmt: skip
            alarm, holds = alarm and week.alarm, holds and week.p_value < _STILL_P and week.total_variation > least
        if not (alarm or holds):
            return
        before, now = past.sum(axis=0) / past.sum(), window / window.sum()
        order = np.argsort(-np.abs(shift.differences))
        moved = [segments[i] for i in order if abs(shift.differences[i]) > self._settings.floor / 4]
        yield Finding(
            kind="SegmentShareShift",
            segment=EVERYTHING,
            fires=alarm,
            first=number - width + 1,
            p_value=shift.p_value,
            size=shift.total_variation,
            segments=moved or [segments[int(order[0])]],
            before=dict(zip(segments, before.tolist(), strict=True)),
            now=dict(zip(segments, now.tolist(), strict=True)),
        )

    def _silence(self, number: int, now: Interval) -> Iterator[Finding]:
        ends = self.history.baseline(number, 1)
        _, table = self.history.counts([number, *ends], 1)
        if len(ends) < 2 or not table.size:
            return
        usual, here = float(table[1:].sum(axis=1).mean()), float(sum(now.active.values()))
        if usual >= _SILENT_LEAST and here < _SILENT_PART * usual:
            yield Finding(
                kind="SegmentSilence", segment=EVERYTHING, fires=True, first=number,
                p_value=float(special.pdtr(here, usual)), size=1 - here / usual,
            )  # fmt: skip

    def _come_and_gone(self, number: int) -> Iterator[Finding]:
        """Segments that nobody was in before, or that nobody is in any more, for two intervals."""
        width = 2 * self._widths[0]
        compared = self._compare(number, width)
        if compared is None:
            return
        ends, segments, window, past = compared
        floor = self._settings.floor + _CARRIED_PART * self.history.carried(ends, width)
        before, now = past.sum(axis=0) / past.sum(), window / window.sum()
        for segment, was, is_now in zip(segments, before.tolist(), now.tolist(), strict=True):
            kind = "SegmentAppeared" if was < _NOBODY and is_now > floor else ""
            kind = "SegmentVanished" if is_now < _NOBODY and was > floor else kind
            people = is_now * window.sum() if kind == "SegmentAppeared" else was * window.sum()
            p_value = float(np.exp(-people / (self._scatter[self._widths[0]].measured[0] or np.inf)))
            if kind and segment != NOISE and p_value < self._p_others / 3 / len(segments):
                yield Finding(
                    kind=kind, segment=segment, fires=True, first=number - width + 1, p_value=p_value,
                    size=abs(is_now - was), segments=[segment], before={segment: was}, now={segment: is_now},
                )  # fmt: skip

    def _noise_share(self, number: int) -> Iterator[Finding]:
        compared = self._compare(number, self._widths[0])
        if compared is None or NOISE not in compared[1]:
            return
        _, segments, window, past = compared
        at = segments.index(NOISE)
        window = np.array([window[at], window.sum() - window[at]])
        past = np.column_stack([past[:, at], past.sum(axis=1) - past[:, at]])
        dispersion, windows = self._noise.measured
        shift = shift_test(
            window, past, dispersion=dispersion, dispersion_windows=windows, p_limit=self._p_others / 3,
            floor=self._settings.floor,
        )  # fmt: skip
        if not shift.alarm:
            self._noise.note(shift)
        if shift.alarm or (shift.p_value < _STILL_P and shift.total_variation > self._settings.floor):
            before, now = past.sum(axis=0)[0] / past.sum(), window[0] / window.sum()
            yield Finding(
                kind="SegmentNoise", segment=NOISE, fires=shift.alarm, first=number, p_value=shift.p_value,
                size=shift.total_variation, segments=[NOISE], before={NOISE: float(before)}, now={NOISE: float(now)},
            )  # fmt: skip

    def _sudden_flows(self, number: int, now: Interval) -> Iterator[Finding]:
        """People who change over to a segment, or leave it, in numbers that the week hasn't seen."""
        if number - self.history.fitted_at < self._a_day:
            return
        ends = self.history.baseline(number, 1)
        people = float(sum(now.active.values()))
        for kind, flows in (("SegmentInflow", now.inflow), ("SegmentOutflow", now.outflow)):
            for segment, count in flows.items():
                if segment == UNASSIGNED or len(ends) < 2:
                    continue
                past = [self._flow(kind, end).get(segment, 0) for end in ends]
                usual = max(float(np.mean(past)), 1.0)
                ratios = self._flows.setdefault((kind, segment), deque(maxlen=_SCATTER_H))
                deviation = 2 * (np.sqrt(count) - np.sqrt(usual))
                enough = len(ratios) >= _SCATTER_LEAST
                scatter = max(1.0, float(np.median(np.square(ratios))) / _CHI_MEDIAN) if enough else 0.0
                ratios.append(float(deviation))
                if not scatter:
                    continue
                p_value = float(special.ndtr(-deviation / np.sqrt(scatter * (1 + 1 / len(ends)))))
                large = count > _FLOW_TIMES * usual and count > _FLOW_PART * people
                if large and p_value < self._p_others / 3 / max(len(now.active), 1):
                    yield Finding(
                        kind=kind, segment=segment, fires=True, first=number, p_value=p_value, size=count / people,
                        segments=[segment], before={segment: usual}, now={segment: float(count)},
                    )  # fmt: skip

    def _flow(self, kind: str, number: int) -> Mapping[int, int]:
        interval = self.history.get(number)
        return interval.inflow if kind == "SegmentInflow" else interval.outflow

    def _drift(self, number: int) -> Iterator[Finding]:
        """Yield segments whose centre lies elsewhere today than in the week before, under the same model."""
        today = self._day_means(number)
        days = [self._day_means(number - back * self._a_day) for back in range(1, 8)]
        for segment, centre in today.items():
            past = [day[segment] for day in days if segment in day and len(day[segment]) == len(centre)]
            others = [c for s, c in today.items() if s not in {segment, UNASSIGNED} and len(c) == len(centre)]
            if segment == UNASSIGNED or len(past) < _DRIFT_DAYS_LEAST or not others:
                continue
            drift = centre_drift(centre, np.array(past))
            nearest = min(float(np.linalg.norm(np.mean(past, axis=0) - other)) for other in others)
            part = drift.distance / nearest if nearest else 0.0
            if drift.alarm and part > _DRIFT_PART:
                yield Finding(
                    kind="SegmentDrift", segment=segment, fires=True, first=number - self._a_day + 1,
                    p_value=float(special.ndtr(-drift.robust_z)), size=part, segments=[segment],
                    before={segment: 0.0}, now={segment: drift.distance},
                )  # fmt: skip

    def _day_means(self, last: int) -> dict[int, np.ndarray]:
        """Return the mean vector of each segment's active over the day that ends with an interval."""
        totals: dict[int, tuple[int, np.ndarray]] = {}
        for number in range(last - self._a_day + 1, last + 1):
            interval = self.history.get(number)
            if interval.basis != self.history.basis:
                continue
            for segment, (people, centre) in interval.centroids.items():
                n, total = totals.get(segment, (0, np.zeros(len(centre))))
                if people and len(total) == len(centre):
                    totals[segment] = n + people, total + people * centre
        return {segment: total / n for segment, (n, total) in totals.items()}


def _furthest(past: np.ndarray) -> float:
    """Return the largest total variation of one window from the others together."""
    others = past.sum(axis=0) - past
    known = (past.sum(axis=1) > 0) & (others.sum(axis=1) > 0)
    shares, of_others = (table[known] / table[known].sum(axis=1, keepdims=True) for table in (past, others))
    return float(np.abs(shares - of_others).sum(axis=1).max() / 2) if known.any() else 0.0
