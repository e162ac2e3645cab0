"""Bandits: they choose among what is declared, find what works in each segment, and are judged by orders in time."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import given
from hypothesis import strategies as st

from streams.rules import POLICIES, ExperienceSettings
from streams.settings import Settings
from streams.storage import connect
from streams.web import decide
from streams.web.decide import Arm
from streams.web.decide.bandits import choose

HERO = ExperienceSettings(name="hero", slot="home", variants=["tent", "city", "sea"], segmentation="value")
PLAIN = ExperienceSettings(name="plain", slot="banner", variant="red")
COLUMNS = (
    "profile_id", "experience", "shown_at", "variant", "segmentation", "segment", "policy", "reward", "until", "judged",
    "judged_at",
)  # fmt: skip


@pytest.fixture
def choosing(shop: Settings) -> Settings:
    return msgspec.structs.replace(shop, experiences=[HERO, PLAIN])


@pytest.fixture
def writer(shop: Settings) -> Iterator[Client]:
    with connect(shop) as client:
        client.command("TRUNCATE TABLE exposures")
        yield client
        client.command("TRUNCATE TABLE exposures")


def show(client: Client, who: str, shown_at: datetime, until: datetime, variant: str = "tent", **other: Any) -> None:
    row = {
        "profile_id": who, "experience": "hero", "shown_at": shown_at, "variant": variant, "segmentation": "value",
        "segment": 0, "policy": "thompson", "reward": "orders", "until": until, "judged": 0, "judged_at": shown_at,
    } | other  # fmt: skip
    client.insert("exposures", [[row[name] for name in COLUMNS]], column_names=list(COLUMNS))


ARMS = st.lists(
    st.builds(
        lambda variant, judged, share, shown: Arm(variant, judged + shown, judged, int(judged * share)),
        st.sampled_from(["a", "b", "c", "gone"]), st.integers(0, 30_000), st.floats(0, 1), st.integers(0, 5),
    ),
    unique_by=lambda arm: arm.variant, max_size=4,
)  # fmt: skip


@given(ARMS, st.sampled_from(POLICIES), st.integers(0, 1000))
def test_only_what_is_declared_is_chosen_whatever_is_known(arms: list[Arm], policy: str, seed: int) -> None:
    assert choose(policy, ["a", "b", "c"], arms, seed) in {"a", "b", "c"}


@pytest.mark.parametrize("policy", POLICIES)
def test_each_segment_finds_the_variant_that_works_there(policy: str) -> None:
    chance = {0: {"a": 0.05, "b": 0.30}, 1: {"a": 0.30, "b": 0.05}}
    world = random.Random(7)
    for segment, truth in chance.items():
        judged, rewarded = Counter[str](), Counter[str]()
        chosen = []
        for turn in range(600):
            arms = [Arm(name, judged[name], judged[name], rewarded[name]) for name in truth]
            chosen.append(choose(policy, list(truth), arms, seed=turn))
            judged[chosen[-1]] += 1
            rewarded[chosen[-1]] += world.random() < truth[chosen[-1]]
        best = max(truth, key=lambda name: truth[name])
        assert chosen[-200:].count(best) > 140, (policy, segment)


def test_what_was_shown_is_judged_by_orders_in_time_under_todays_person(writer: Client) -> None:
    query = (
        "SELECT profile_id, toUnixTimestamp64Micro(last_seen) - features['orders/recency_days'] * 86400e6 "
        "FROM current_profiles WHERE profile_id IN ('user-0000001', 'user-0000003')"
    )
    ordered = {who: datetime.fromtimestamp(at / 1e6, UTC) for who, at in writer.query(query).result_rows}
    one, three = ordered["user-0000001"], ordered["user-0000003"]
    hour, now = timedelta(hours=1), datetime.now(UTC)
    cases = [
        ("user-0000001", one - hour, one + hour, 2),  # ordered in time
        ("user-0000001", one - 3 * hour, one - 2 * hour, 1),  # too late
        ("user-0000001", one + hour, now - hour, 1),  # it had ordered before
        ("user-0000001", one + 2 * hour, now + hour, 0),  # may still order
        ("user-0000001", one + 3 * hour, now - timedelta(seconds=5), 0),  # an order may be on its way
        ("anon:d0", three - hour, three + hour, 2),  # logged in, then ordered
        ("anon:d2", three - hour, three + hour, 1),  # the link was refused: it is another person
        ("nobody", now - 2 * hour, now - hour, 1),
    ]
    for who, shown_at, until, _ in cases:
        show(writer, who, shown_at, until)
    wanted = {(who, at.replace(microsecond=at.microsecond // 1000 * 1000)): judged for who, at, _, judged in cases}

    for _ in range(2):
        decide.judge_exposures(writer, open_days=400)
        found = writer.query("SELECT profile_id, shown_at, judged FROM exposures FINAL").result_rows
        assert {(who, at.replace(tzinfo=UTC)): judged for who, at, judged in found} == wanted


def test_who_was_shown_a_variant_keeps_it_as_long_as_an_order_counts(writer: Client, choosing: Settings) -> None:
    first = decide.record_experiences(writer, choosing, "user-0000004")
    assert first is not None
    shown = {one.slot: one for one in first.experiences}
    assert (shown["banner"].variant, shown["banner"].by) == ("red", "rule")
    assert (shown["home"].by, shown["home"].segment) == ("bandit", 4 % 3)
    for _ in range(5):
        again = decide.record_experiences(writer, choosing, "user-0000004")
        assert again is not None
        (home,) = [one for one in again.experiences if one.slot == "home"]
        assert (home.variant, home.by) == (shown["home"].variant, "kept")
    assert writer.query("SELECT count() FROM exposures").result_rows == [(1,)]

    past = datetime.now(UTC) - timedelta(hours=1)
    show(writer, "anon:d1", past, past + timedelta(hours=2), "sea")
    show(writer, "user-0000003", past - timedelta(hours=5), past, "city")
    kept = decide.experiences_of(writer, choosing, "user-0000003")
    assert kept is not None
    assert [(one.variant, one.by) for one in kept.experiences if one.slot == "home"] == [("sea", "kept")]


def test_a_bandit_knows_what_came_of_its_own_segment(writer: Client, choosing: Settings) -> None:
    past = datetime.now(UTC) - timedelta(days=2)
    for number in range(120):
        for segment, good in ((0, "city"), (1, "sea")):
            variant = ("tent", "city", "sea")[number % 3]
            at = past + timedelta(seconds=number)
            judged = 2 if variant == good and number % 2 else 1
            show(writer, f"u{segment}{number}", at, at, variant, segment=segment, judged=judged)
    known = decide.outcomes(writer)

    assert {one.segment: {arm.variant: (arm.shown, arm.judged, arm.rewarded) for arm in one.arms} for one in known} == {
        0: {"tent": (40, 40, 0), "city": (40, 40, 20), "sea": (40, 40, 0)},
        1: {"tent": (40, 40, 0), "city": (40, 40, 0), "sea": (40, 40, 20)},
    }
    chosen = Counter[tuple[str, str]]()
    for seed in range(30):
        for who in ("user-0000006", "user-0000007"):  # 6 % 3 = 0, 7 % 3 = 1
            made = decide.experiences_of(writer, choosing, who, known, seed)
            assert made is not None
            (home,) = [one for one in made.experiences if one.slot == "home"]
            chosen[who, home.variant] += 1
    assert chosen["user-0000006", "city"] > 25
    assert chosen["user-0000007", "sea"] > 25
    (results,) = decide.results_of(choosing, known)
    assert [(one.segment, [arm.rewarded for arm in one.arms]) for one in results.segments] == [
        (0, [0, 20, 0]), (1, [0, 0, 20]),
    ]  # fmt: skip


def test_older_than_anybody_decided_is_left_as_it_is(writer: Client) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=30)
    show(writer, "user-0000001", long_ago, long_ago + timedelta(days=1))
    decide.judge_exposures(writer)
    assert writer.query("SELECT judged FROM exposures FINAL").result_rows == [(0,)]
