"""Weeks of the simulated shop: who comes is who was to come, shifts included."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

from streams.errors import InputError
from streams.shop import Shop, Truth, Weeks, parse_shift, weeks_people

PER_HOUR = 2_000
END_US = 1_785_715_200_000_000  # a Monday, 00:00 UTC


def made(days: int, *shifts: str, people: int = weeks_people(PER_HOUR), per_hour: int = PER_HOUR) -> Weeks:
    asked = [parse_shift(shift) for shift in shifts]
    return Weeks(Shop(4, people=people), days=days, people_per_hour=per_hour, end_us=END_US, shifts=asked, seed=4)


def outdoor_share(weeks: Weeks, hours: range) -> np.ndarray:
    """Return the part of those who came, each hour, whose taste is outdoor."""
    random = np.random.default_rng(1)
    theme = parse_shift("outdoor+1% at 1h").theme
    return np.array([np.mean(weeks.personas_of(weeks.people(random, hour)) // 2 == theme) for hour in hours])


@pytest.mark.parametrize("points", [5, 20])
def test_a_shift_is_as_large_as_it_was_asked_while_it_lasts(points: int) -> None:
    hours = range(60)
    plain = outdoor_share(made(3), hours)
    shifted = outdoor_share(made(3, f"sports+{points}% at 30h for 12h"), hours)

    assert np.mean(shifted[30:42] - plain[30:42]) == pytest.approx(points / 100, abs=0.012)
    assert np.abs(shifted[:30] - plain[:30]).max() < 0.04
    assert np.mean(shifted[42:] - plain[42:]) == pytest.approx(0.0, abs=0.012)


def test_a_gradual_shift_grows() -> None:
    weeks, plain = made(3, "sports-10% at 24h over 1d"), made(3)
    lost = outdoor_share(plain, range(24, 60)) - outdoor_share(weeks, range(24, 60))
    assert np.mean(lost[9:15]) == pytest.approx(0.052, abs=0.02)
    assert np.mean(lost[24:]) == pytest.approx(0.10, abs=0.012)


def test_events_are_in_order_and_the_truth_counts_them() -> None:
    truth = Truth()
    chunks = list(made(2, per_hour=100).events(truth))
    events = [json.loads(value) for chunk in chunks for _, value in chunk]
    times = [event["timestamp"] for event in events]

    assert len(chunks) == 48
    assert times == sorted(times)
    assert truth.counts()["accepted"] == len(events)
    people = Counter(event.get("userId") or event["anonymousId"] for event in events)
    assert len(people) == truth.profiles


def test_a_shop_that_is_too_small_is_refused_and_not_thinned_out() -> None:
    weeks = made(3, "sports+20% at 24h", people=10_500, per_hour=4_000)
    with pytest.raises(InputError, match=r"too many for a shop of 10,500.*people=40,000"):
        outdoor_share(weeks, range(48))


@pytest.mark.parametrize("text", ["sports+10%", "cars+10% at 2h", "sports+10% at soon", "sports10% at 2h"])
def test_a_shift_that_is_not_written_as_one_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--shift"):
        parse_shift(text)
