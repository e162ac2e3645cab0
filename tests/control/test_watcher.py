"""What is told besides shares: centres that move, people who change over, people unlike all others, new segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from streams.control.lookout import Lookout
from streams.settings import ShiftSettings
from streams.storage.alerts import StoredAlert
from streams.storage.shifts import IntervalRow
from tests.control.test_lookout import PERSONAS, weeks

DAYS = 17
AT = 15 * 24
NOISE = -1
#: hour -> (origin, target) -> people
Flows = Mapping[int, Mapping[tuple[int, int], int]]


def judged(
    counts: np.ndarray, ids: Sequence[int], centres: np.ndarray | None = None, flows: Flows | None = None
) -> list[StoredAlert]:
    lookout = Lookout("interest", ShiftSettings(), lambda _: {})
    told: list[StoredAlert] = []
    for hour in range(len(counts)):
        moved = (flows or {}).get(hour, {})
        rows = []
        for place, (segment, n) in enumerate(zip(ids, counts[hour], strict=True)):
            inflow = {origin: people for (origin, target), people in moved.items() if target == segment}
            outflow = {target: people for (origin, target), people in moved.items() if origin == segment}
            vectors = 0 if centres is None else int(n)
            total = np.empty(0) if centres is None else centres[hour, place] * n
            rows.append(IntervalRow(hour, segment, int(n), inflow, outflow, {}, 1, vectors, total))
        lookout.take(rows, [1])
        told += [alert for _, alerts in lookout.judge_until(hour) for alert in alerts]
    return told


def flows_of(told: Sequence[StoredAlert]) -> list[StoredAlert]:
    """Leave shares out: two weeks of warm-up aren't over yet."""
    return [alert for alert in told if alert.alertname in {"SegmentInflow", "SegmentOutflow"}]


def steady_centres(seed: int) -> np.ndarray:
    """Return (hours, segments, 8): each centre where it was, but for some noise."""
    random = np.random.default_rng(seed)
    return np.eye(PERSONAS, 8)[None] + random.normal(0, 0.01, (DAYS * 24, PERSONAS, 8))


@pytest.mark.parametrize("seed", [11, 12])
def test_a_centre_that_moves_is_told_of_at_the_end_of_the_day_and_one_that_does_not_is_not(seed: int) -> None:
    centres = steady_centres(seed)
    assert judged(weeks(DAYS, seed), range(PERSONAS), centres) == []

    centres[AT:, 2] += 0.5 * (np.eye(PERSONAS, 8)[3] - np.eye(PERSONAS, 8)[2])  # half of the way to a neighbour
    told = judged(weeks(DAYS, seed), range(PERSONAS), centres)

    assert {(alert.alertname, alert.segment) for alert in told} == {("SegmentDrift", 2)}
    assert told[0].starts_at_us == AT * 3_600_000_000
    assert told[0].last_at_us == (AT + 24) * 3_600_000_000
    assert told[0].size == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("seed", [13, 14])
def test_people_who_change_over_at_once_are_told_of_on_both_sides(seed: int) -> None:
    random = np.random.default_rng(seed)
    usual = {hour: {(0, 1): int(random.poisson(20)), (1, 0): int(random.poisson(20))} for hour in range(DAYS * 24)}
    counts = weeks(DAYS, seed)
    assert flows_of(judged(counts, range(PERSONAS), flows=usual)) == []

    usual[AT + 9] = {(0, 1): int(0.12 * counts[AT + 9].sum()), (1, 0): 20}
    told = flows_of(judged(counts, range(PERSONAS), flows=usual))

    assert {(a.alertname, a.segment) for a in told} == {("SegmentInflow", 1), ("SegmentOutflow", 0)}
    assert min(a.starts_at_us for a in told) == (AT + 9) * 3_600_000_000
    assert {a.status for a in told[-2:]} == {"resolved"}


def test_more_people_unlike_all_others_are_told_of() -> None:
    counts = weeks(DAYS, 15)
    counts[:, 0] *= 0.3
    counts[AT : AT + 6, 0] *= 4
    told = judged(counts, [NOISE, *range(1, PERSONAS)])

    noise = [alert for alert in told if alert.alertname == "SegmentNoise"]
    assert noise[0].starts_at_us == AT * 3_600_000_000
    assert noise[0].share_now[NOISE] > 2 * noise[0].share_before[NOISE]
    assert noise[-1].status == "resolved"


def test_a_segment_that_nobody_was_in_before() -> None:
    counts = weeks(DAYS, 16)
    counts[:AT, 4] = 0
    told = judged(counts, range(PERSONAS))

    appeared = [alert for alert in told if alert.alertname == "SegmentAppeared"]
    assert [alert.segment for alert in appeared if alert.status == "firing"][:1] == [4]
    assert appeared[0].last_at_us <= (AT + 2) * 3_600_000_000
