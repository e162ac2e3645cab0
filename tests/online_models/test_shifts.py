"""Shift statistics: the formulas, and false alarms and finds on simulated segment shares."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from online_models import shifts
from online_models.errors import NotFiniteError, ShapeError
from online_models.shifts import (
    baseline_windows,
    centre_drift,
    measured_dispersion,
    shift_test,
    typical_dispersion,
)  # fmt: skip

EVENTS, PHI, SEGMENTS = 12_000, 8.0, 16


def shares(days: int, seed: int, points: float = 0.0, at: int | None = None) -> np.ndarray:
    """Hourly counts of the reference set `shares`, daily season and weekends included; a shift from hour `at` on."""
    random = np.random.default_rng(seed)
    base = np.arange(1, SEGMENTS + 1) ** -0.7
    phases = random.uniform(0, 2 * np.pi, SEGMENTS)
    counts = np.empty((days * 24, SEGMENTS))
    for hour in range(len(counts)):
        share = base * (1 + 0.25 * np.sin(2 * np.pi * hour / 24 + phases))
        if hour // 24 % 7 >= 5:
            share *= np.where(np.arange(SEGMENTS) % 2, 1.1, 0.9)
        share /= share.sum()
        if at is not None and hour >= at:
            share[:4] -= points * share[:4] / share[:4].sum()
            share[7:9] += points / 2
        # Dirichlet with a total of (N - phi) / (phi - 1): variance phi times that of a multinomial
        counts[hour] = random.multinomial(EVENTS, random.dirichlet(share * (EVENTS - PHI) / (PHI - 1)))
    return counts


def alarms(counts: np.ndarray, first: int) -> list[int]:
    """Hours with an alarm, dispersion measured on the comparisons of the 168 hours before."""
    verdicts: dict[int, shifts.Shift] = {}
    found = []
    for hour in range(7 * 24, len(counts)):
        past = [verdicts[h] for h in range(hour - 168, hour) if h in verdicts]
        dispersion, windows = (typical_dispersion(past), len(past)) if len(past) >= 48 else (None, None)
        verdict = shift_test(
            counts[hour], counts[baseline_windows(hour, 0)], dispersion=dispersion, dispersion_windows=windows
        )
        verdicts[hour] = verdict
        if verdict.alarm and hour >= first:
            found.append(hour)
    return found


@pytest.mark.parametrize("seed", [0, 1])
def test_quiet_weeks_stay_quiet(seed: int) -> None:
    assert len(alarms(shares(28, seed), 9 * 24)) <= 1  # 456 tests at p < 1e-4


@pytest.mark.parametrize(("points", "hours"), [(0.05, 24), (0.1, 3), (0.2, 1)])
def test_a_shift_is_found(points: float, hours: int) -> None:
    at = 16 * 24 + 5
    for seed in range(3):
        found = alarms(shares(18, 50 + seed, points, at), at)
        assert found
        assert found[0] < at + hours


def test_an_ordinary_g_test_would_cry_all_day() -> None:
    counts = shares(9, 3)
    plain = [
        shift_test(counts[h], counts[baseline_windows(h, 0)], dispersion=1.0, dispersion_windows=10**6)
        for h in range(168, 216)
    ]
    assert sum(verdict.p_value < 1e-4 for verdict in plain) > 40
    assert typical_dispersion(plain) > 4


def test_g_is_its_formula_and_dispersion_1_is_a_multinomial() -> None:
    random = np.random.default_rng(0)
    window, baseline = random.integers(50, 500, 6), random.integers(50, 500, (5, 6))
    expected = chi2_contingency([window, baseline.sum(axis=0)], lambda_="log-likelihood", correction=False)
    verdict = shift_test(window, baseline, dispersion=1.0, dispersion_windows=10**9)
    assert verdict.g == pytest.approx(expected.statistic, rel=1e-9)
    assert verdict.p_value == pytest.approx(expected.pvalue, rel=1e-3, abs=1e-12)
    assert verdict.differences.sum() == pytest.approx(0.0, abs=1e-12)
    assert measured_dispersion(random.multinomial(10_000, np.full(8, 1 / 8), size=200)) == pytest.approx(1.0, abs=0.1)


def test_a_shift_too_small_to_matter_is_no_alarm() -> None:
    baseline = np.full((7, 4), 1_000_000)
    verdict = shift_test([1_020_000, 980_000, 1_000_000, 1_000_000], baseline)
    assert verdict.p_value < 1e-4
    assert verdict.total_variation == pytest.approx(0.005)
    assert not verdict.alarm
    assert shift_test([1_200_000, 800_000, 1_000_000, 1_000_000], baseline).alarm


def test_segments_that_are_new_or_rare() -> None:
    baseline = np.column_stack([np.full((7, 2), 5_000), np.zeros((7, 1)), np.ones((7, 2))])
    assert shift_test([4_000, 4_000, 2_000, 1, 1], baseline).alarm
    quiet = shift_test([5_000, 5_000, 0, 2, 1], baseline)
    assert not quiet.alarm
    assert quiet.degrees == 2  # the rare ones are tested together
    assert shift_test([10.0], np.full((3, 1), 10.0)).p_value == 1.0


def test_baselines() -> None:
    assert baseline_windows(1_000, 1_000 - 335).tolist() == [1_000 - 24 * day for day in range(1, 8)]
    assert baseline_windows(1_000, 1_000 - 336).tolist() == [832, 664]
    assert baseline_windows(30, 0).tolist() == [6]
    assert baseline_windows(5, 0).tolist() == []


def test_a_centre_that_moves_further_than_days_differ() -> None:
    random = np.random.default_rng(1)
    days = random.normal(size=(7, 3)) * 0.1
    assert not centre_drift(random.normal(size=3) * 0.1, days).alarm
    moved = centre_drift([2.0, 0.0, 0.0], days)
    assert moved.alarm
    assert moved.distance == pytest.approx(2.0, abs=0.2)
    still = centre_drift([1.0], [[1.0], [1.0]])
    assert (still.robust_z, still.alarm) == (0.0, False)
    assert centre_drift([2.0], [[1.0], [1.0]]).robust_z == math.inf


def test_bad_counts_are_refused() -> None:
    good = np.full((7, 3), 10)
    for window, baseline in (
        ([1, 2], good),
        ([0, 0, 0], good),
        ([1, 2, 3], good * 0),
        (good, good),
        ([1, 2, 3], good[:1]),
    ):
        with pytest.raises(ShapeError):
            shift_test(window, baseline)
    for value in (-1.0, math.nan, math.inf):
        with pytest.raises(NotFiniteError):
            shift_test([1.0, 2.0, value], good)
    with pytest.raises(ShapeError):
        centre_drift([1.0], [[1.0]])
    with pytest.raises(NotFiniteError):
        centre_drift([math.nan], [[1.0], [2.0]])
