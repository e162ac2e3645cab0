"""Weeks of counts, judged hour by hour: what fires, what doesn't, and what a new process goes on with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from streams.control.book import fingerprint
from streams.control.lookout import Lookout
from streams.settings import ShiftSettings
from streams.storage.alerts import StoredAlert
from streams.storage.shifts import IntervalRow

PERSONAS = 6
Told = list[tuple[int, list[StoredAlert]]]


def rows_of(
    hour: int, counts: Sequence[float], ids: Sequence[int], version: int, **flows: dict[int, int]
) -> list[IntervalRow]:
    return [
        IntervalRow(hour, segment, int(n), {}, {}, flows.get(f"to_{segment}", {}), version, 0, np.empty(0))
        for segment, n in zip(ids, counts, strict=True)
    ]


def weeks(days: int, seed: int, at: int = 10**6, points: float = 0.0, long: int = 12) -> np.ndarray:
    """Hourly people per persona with season and weekends, in bursts; `points` more of the first from hour `at` on."""
    random = np.random.default_rng(seed)
    phases = random.uniform(0, 2 * np.pi, PERSONAS)
    counts = np.empty((days * 24, PERSONAS))
    for hour in range(len(counts)):
        share = 1 + 0.25 * np.sin(2 * np.pi * hour / 24 + phases)
        if hour // 24 % 7 >= 5:
            share *= np.where(np.arange(PERSONAS) % 2, 1.1, 0.9)
        share /= share.sum()
        if at <= hour < at + long:
            share[1:] -= points * share[1:] / share[1:].sum()
            share[0] += points
        n = int(1_500 * (1 + 0.5 * np.sin(2 * np.pi * hour / 24)))
        counts[hour] = random.multinomial(n, random.dirichlet(share * (n - 2)))
    return counts


def watch(counts: np.ndarray, first: int = 0, lookout: Lookout | None = None) -> tuple[Lookout, Told]:
    lookout = lookout or Lookout("interest", ShiftSettings(), lambda _: {})
    told: Told = []
    for hour in range(first, len(counts)):
        lookout.take(rows_of(hour, counts[hour], range(PERSONAS), 1), [1])
        told += [(at, alerts) for at, alerts in lookout.judge_until(hour) if alerts]
    return lookout, told


def test_a_shift_is_told_within_the_hour_and_ends_when_it_ends() -> None:
    at = 17 * 24 + 9
    _, told = watch(weeks(19, 1, at, 0.1)[: at + 24])
    names = {alert.alertname for _, alerts in told for alert in alerts}
    assert names == {"SegmentShareShift"}
    first, last = told[0], told[-1]
    assert first[0] == at
    assert (first[1][0].status, last[1][0].status) == ("firing", "resolved")
    assert last[1][0].starts_at_us == first[1][0].starts_at_us
    assert first[1][0].segments[0] == 0
    assert abs(last[1][0].ends_at_us / 3.6e9 - (at + 12)) <= 1
    assert last[1][0].version > first[1][0].version


def test_a_new_process_goes_on_with_what_was_told() -> None:
    at = 15 * 24 + 9
    counts = weeks(17, 2, at, 0.2)
    whole, told = watch(counts[: at + 20])
    assert not whole.book.firing
    before, told_before = watch(counts[: at + 5])
    stored = before.book.firing
    again = Lookout("interest", ShiftSettings(), lambda _: {})
    again.take([row for h in range(at + 5) for row in rows_of(h, counts[h], range(PERSONAS), 1)], [1])
    again.judge_until(at + 4)
    again.book.adopt(stored)
    _, told_after = watch(counts[: at + 20], at + 5, again)
    assert told_before + told_after == told


def test_a_model_fitted_anew_is_no_shift() -> None:
    """At a refit every segment gets another id and one of them takes a third of another's people."""
    counts = weeks(17, 3)
    at = 15 * 24 + 7
    lookout = Lookout("interest", ShiftSettings(), lambda _: {10 + i: 1_000 for i in range(PERSONAS)})
    told: Told = []
    moves = {i: {i: 1_000} for i in range(PERSONAS)}
    moves[1], moves[0] = {1: 1_000, 0: 333}, {0: 667}
    for hour in range(len(counts)):
        now = counts[hour].copy()
        if hour < at:
            rows = rows_of(hour, now, range(PERSONAS), 1)
        else:
            now[1], now[0] = now[1] + now[0] * 0.333, now[0] * 0.667
            flows = {f"to_{10 + i}": moves[i] for i in range(PERSONAS)} if hour == at else {}
            rows = rows_of(hour, now, range(10, 10 + PERSONAS), 2, **flows)
        lookout.take(rows, [1, 2])
        told += [(n, alerts) for n, alerts in lookout.judge_until(hour) if alerts]
    assert told == []


def test_partitions_that_are_hours_apart_at_a_fit_are_no_shift_then_or_a_week_later() -> None:
    """Of eight hours a part is counted in the segments before the fit, the rest in those after it: other ids."""
    counts = weeks(24, 9)
    at = 15 * 24 + 7
    lookout = Lookout("interest", ShiftSettings(), lambda _: {10 + i: 1_000 for i in range(PERSONAS)})
    flows = {f"to_{10 + i}": {i: 1_000} for i in range(PERSONAS)}
    told: Told = []
    for hour in range(len(counts)):
        before = 1.0 if hour < at else 0.6 if hour < at + 8 else 0.0
        rows = rows_of(hour, counts[hour] * before, range(PERSONAS), 1) if before else []
        if before < 1:
            moved = flows if hour == at else {}
            rows += rows_of(hour, counts[hour] * (1 - before), range(10, 10 + PERSONAS), 2, **moved)
        lookout.take(rows, [1, 2])
        told += [(n, alerts) for n, alerts in lookout.judge_until(hour) if alerts and hour >= at]
    assert told == []


def fits_between(told_moves: dict[str, dict[int, int]]) -> Told:
    """Judge weeks in which ids 0.. become 20.. by two fits within one hour, of which the moves are told."""
    counts = weeks(24, 10)
    at = 15 * 24 + 7
    lookout = Lookout("interest", ShiftSettings(), lambda _: {20 + i: 1_000 for i in range(PERSONAS)})
    told: Told = []
    for hour in range(len(counts)):
        ids, version = (range(PERSONAS), 1) if hour < at else (range(20, 20 + PERSONAS), 3)
        rows = rows_of(hour, counts[hour], ids, version)
        if hour == at:
            rows = rows_of(hour, counts[hour], ids, version, **told_moves)
            rows += rows_of(hour, [0] * PERSONAS, range(10, 10 + PERSONAS), version, **told_moves)
        lookout.take(rows, [1, 2, 3])
        told += [(n, alerts) for n, alerts in lookout.judge_until(hour) if alerts and hour >= at]
    return told


def test_two_fits_in_an_hour_are_followed_one_after_the_other() -> None:
    first = {f"to_{10 + i}": {i: 1_000} for i in range(PERSONAS)}
    second = {f"to_{20 + i}": {10 + i: 1_000} for i in range(PERSONAS)}
    assert fits_between(first | second) == []


def test_a_fit_of_which_not_all_is_known_is_no_shift() -> None:
    assert fits_between({f"to_{20 + i}": {10 + i: 1_000} for i in range(PERSONAS)}) == []


@pytest.mark.parametrize("at", [4 * 24 + 12, 5 * 24 + 10])
def test_a_weekend_is_no_shift_where_a_fit_that_nobody_followed_left_but_a_week(at: int) -> None:
    """All that is known begins on a Friday, or on a Saturday: a week later there are five weekdays and a piece."""
    counts = weeks(17, 6) * 6
    weekend = np.arange(len(counts)) // 24 % 7 >= 5
    counts[weekend] *= np.where(np.arange(PERSONAS) % 2, 1.15, 0.85)
    lookout = Lookout("interest", ShiftSettings(), lambda _: {10 + i: 1_000 for i in range(PERSONAS)})
    told: Told = []
    for hour in range(len(counts)):
        rows = rows_of(hour, counts[hour], range(0 if hour < at else 10, 20)[:PERSONAS], 1 if hour < at else 2)
        lookout.take(rows, [1, 2])
        told += [(n, alerts) for n, alerts in lookout.judge_until(hour) if alerts]
    assert told == []


@pytest.mark.parametrize("seed", [6, 7, 8])
def test_a_weekend_is_no_shift_where_the_last_weekends_tell_nothing(seed: int) -> None:
    """Hours in which an alert fired are no baseline: other days stand in, and a Saturday is none of them."""
    counts = weeks(24, seed) * 6
    weekend = np.arange(len(counts)) // 24 % 7 >= 5
    counts[weekend] *= np.where(np.arange(PERSONAS) % 2, 1.15, 0.85)
    saturday = range(19 * 24, 20 * 24)
    lookout = Lookout("interest", ShiftSettings(), lambda _: {})
    told: Told = []
    for hour in range(saturday[-1] + 1):
        if hour == saturday[0]:
            for same in saturday:
                lookout._watcher.history.exclude(same - 7 * 24)
        lookout.take(rows_of(hour, counts[hour], range(PERSONAS), 1), [1])
        told += [(at, alerts) for at, alerts in lookout.judge_until(hour) if alerts and hour in saturday]
    assert told == []


def test_nobody_there_is_silence_and_nothing_else() -> None:
    counts = weeks(9, 4)
    at = 8 * 24 + 12
    counts[at : at + 3] = 0
    _, told = watch(counts)
    assert {alert.alertname for _, alerts in told for alert in alerts} == {"SegmentSilence"}
    assert told[0][0] == at
    assert told[-1][1][0].status == "resolved"


def test_a_segment_that_empties() -> None:
    counts = weeks(16, 5)
    at = 15 * 24 + 6
    counts[at:, 2] = 0
    _, told = watch(counts)
    vanished = [alert for _, alerts in told for alert in alerts if alert.alertname == "SegmentVanished"]
    assert vanished[0].segment == 2
    assert vanished[0].labels["segment"] == "2"


def test_fingerprints_are_those_of_prometheus() -> None:
    """Values of prometheus/common, model."""
    assert fingerprint({}) == f"{14695981039346656037:x}"
    assert fingerprint({"name": "garland, briggs", "fear": "love is not enough"}) == f"{5799056148416392346:016x}"
