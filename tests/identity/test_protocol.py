"""Any interleaving, repetition, crash and stall leaves the people and counts that a naive single thread finds."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.contract import partition_of
from streams.contract.frames import closed, opened
from streams.identity import OPERATOR, EnvelopeError, Split, Undo, decode_envelope, envelopes
from streams.identity.records import Absorb, Claim, Refuse
from streams.settings import IdentitySettings
from tests.identity.machine import NO_LIMITS, PARTITIONS, Merging
from tests.identity.world import DAY_US, Event, PlainShell, World, said

TestMerging = Merging.TestCase
TestMerging.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def world(limits: IdentitySettings = NO_LIMITS) -> World:
    return World(PARTITIONS, lambda partition, stored: PlainShell(partition, PARTITIONS, limits, stored))


def play(events: list[Event], limits: IdentitySettings = NO_LIMITS) -> World:
    """Send one event after the other, each when all is done about the one before."""
    played = world(limits)
    for event in events:
        played.produce([event])
        played.settle()
    return played


def order(played: World, item: Split | Undo) -> None:
    for envelope in envelopes(OPERATOR, 0, "", [item]):
        played.order(partition_of(item.anonymous, PARTITIONS), envelope)
    played.settle()


def links(played: World) -> list[tuple[str, str, str, str]]:
    rows = [row for place in played.places for row in place.shell.links]  # type: ignore[attr-defined]
    return sorted((row.profile_id, row.anonymous, row.what, row.reason) for row in rows)


def test_what_was_done_before_amid_and_after_the_login_is_one_persons() -> None:
    events = [
        Event(1, None, "a"),
        Event(2, None, "a"),
        Event(3, "ann", "a"),
        Event(4, None, "a"),
        Event(5, "ann", None),
    ]

    played = play(events)

    assert played.counts() == {"ann": 5}
    assert links(played) == [("ann", "anon:a", "merged", "")]


def test_the_second_user_of_a_device_is_refused_and_its_later_events_are_nobodys() -> None:
    events = [Event(1, None, "a"), Event(2, "ann", "a"), Event(3, None, "a"), Event(4, "bo", "a"), Event(5, None, "a")]

    played = play(events)

    assert played.counts() == {"ann": 3, "bo": 1, "anon:a": 1}
    assert links(played) == [("ann", "anon:a", "merged", ""), ("bo", "anon:a", "refused", "taken")]


@pytest.mark.parametrize("gone", ["split", "undone"])
def test_what_was_split_is_a_person_of_its_own_and_stays_one(gone: str) -> None:
    played = play([Event(1, None, "a"), Event(2, "ann", "a"), Event(3, None, "a")])

    order(played, Split("anon:a", 9) if gone == "split" else Undo("anon:a", 9))
    order(played, Split("anon:a", 9))
    for event in (Event(4, None, "a"), Event(5, "ann", "a")):
        played.produce([event])
        played.settle()

    assert played.counts() == ({"ann": 4, "anon:a": 1} if gone == "split" else {"ann": 3, "anon:a": 2})
    assert links(played) == [("ann", "anon:a", "merged", ""), ("ann", "anon:a", gone, "")]
    played.produce([Event(6, "bo", "a")])
    played.settle()
    assert ("bo", "anon:a", "merged", "") in links(played)


def test_limits_hold_and_what_is_beyond_them_is_refused_with_a_reason() -> None:
    limits = IdentitySettings(max_merges=4, max_ids=8, max_new_ids_a_week=2)
    week = 7 * DAY_US
    events = [Event(i, "ann", f"a{i}", at_us=i // 3 * week) for i in range(20)]

    played = play(events, limits)

    reasons = Counter(reason for _, _, _, reason in links(played))
    assert reasons == {"": 4, "too_many_new_ids": 1, "too_many_merges": 3, "too_many_ids": 1}
    assert played.counts() == {"ann": 20}


def test_an_id_that_came_too_early_is_asked_again_in_another_week() -> None:
    limits = IdentitySettings(max_new_ids_a_week=1)
    events = [Event(1, "ann", "a"), Event(2, None, "b"), Event(3, "ann", "b"), Event(4, "ann", "b", at_us=8 * DAY_US)]

    played = play(events, limits)

    assert played.counts() == {"ann": 4}
    whats = [(name, what, reason) for _, name, what, reason in links(played)]
    assert whats == [("anon:a", "merged", ""), ("anon:b", "merged", ""), ("anon:b", "refused", "too_many_new_ids")]


@pytest.mark.parametrize("blocked", ["null", "Undefined", "0", "00000000-0000-0000-0000-000000000000"])
def test_what_broken_tracking_code_sends_links_nobody(blocked: str) -> None:
    played = play([Event(1, "ann", blocked), Event(2, "bo", blocked), Event(3, "bo", blocked)])

    assert links(played) == [(user, f"anon:{blocked}", "refused", "blocked") for user in ("ann", "bo")]
    assert said(played, Claim) == []


def test_aliases_make_no_chains_and_no_cycles() -> None:
    alias = [("b", "a"), ("c", "b"), ("a", "c"), ("b", "b")]
    events = [
        *(Event(i, name, None) for i, name in enumerate("abc")),
        *(Event(10 + i, user, previous, alias=True) for i, (user, previous) in enumerate(alias)),
    ]

    played = play(events)

    assert {reason for _, _, _, reason in links(played)} == {"identified"}
    assert played.counts() == {"a": 2, "b": 3, "c": 2}
    assert said(played, Absorb) == []


def test_an_alias_of_an_anonymous_id_merges_it() -> None:
    played = play([Event(1, None, "a"), Event(2, "ann", "a", alias=True)])

    assert played.counts() == {"ann": 2}


def test_a_storm_on_one_user_stays_within_the_limits() -> None:
    played = world(IdentitySettings())
    played.produce([Event(i, "ann", f"a{i}") for i in range(10_000)])
    for _ in range(1_000):
        played.produce([Event(10_000, "bo", "shared")])
    played.settle()

    reasons = Counter((user, what, reason) for user, _, what, reason in links(played))
    assert reasons == {
        ("ann", "merged", ""): 5,
        ("ann", "refused", "too_many_new_ids"): 995,
        ("ann", "refused", "too_many_ids"): 1,
        ("bo", "merged", ""): 1,
    }
    assert max(map(len, played.places[partition_of("ann", PARTITIONS)].shell.owner.stored.values())) < 50_000  # type: ignore[attr-defined]
    assert len(said(played, Claim)) == 6


@given(st.lists(st.binary(min_size=1, max_size=300_000), max_size=12))
def test_envelopes_stay_below_the_size_of_a_message(states: list[bytes]) -> None:
    items = [Absorb(f"u{i}", "anon:a", 1, 2, (state,), False) for i, state in enumerate(states * 3)]

    cut = list(envelopes(1, 7, "layout", items))

    assert all(len(data) < 1_000_000 for data in cut)
    found = [decode_envelope(data) for data in cut]
    assert [item for envelope in found for item in envelope.items] == items
    assert [envelope.mark for envelope in found] == [7 << 16 | index for index in range(len(found))]


def test_envelopes_are_sent_compressed() -> None:
    (data,) = envelopes(1, 7, "layout", [Absorb("ann", "anon:a", 1, 2, (bytes(10_000),), False)])

    assert len(data) < 1_000
    assert closed(opened(data)) == data


@given(st.binary(max_size=200))
def test_what_is_no_envelope_is_refused(data: bytes) -> None:
    with pytest.raises(EnvelopeError):
        decode_envelope(data)


def test_a_refusal_names_nobody_else() -> None:
    played = play([Event(1, "ann", "a"), Event(2, "bo", "a")])

    assert said(played, Refuse) == [Refuse("bo", "anon:a", 0, 2, "taken")]


@pytest.mark.parametrize("lost", ["claim", "absorb", "refuse"])
def test_what_a_killed_broker_lost_is_asked_again(lost: str) -> None:
    played = world(NO_LIMITS)
    ann, device = (partition_of(name, PARTITIONS) for name in ("ann", "anon:a"))
    assert ann != device
    if lost == "refuse":
        played.produce([Event(0, "bo", "a")])
        played.settle()
    for event in (Event(1, None, "a"), Event(2, "ann", "a")):
        played.produce([event])
        home = partition_of(event.person, PARTITIONS)
        played.step(played.places[home], home)
        played.commit(played.places[home], home)
    if lost != "claim":
        played.step(played.places[device], device)
        played.commit(played.places[device], device)
    played.lose_last(device if lost == "claim" else ann)
    for partition in range(PARTITIONS):
        played.crash(partition)
    played.settle()
    before = played.counts()

    for _ in range(2):
        played.remind()
        played.settle()

    merged = {"bo": 2, "ann": 1} if lost == "refuse" else {"ann": 2}
    assert played.counts() == merged
    assert before == {"claim": {"anon:a": 1, "ann": 1}, "absorb": {"ann": 1}, "refuse": merged}[lost]
    held = {user: what for user, _, what, _ in links(played)}
    assert held["ann"] == ("refused" if lost == "refuse" else "merged")
    assert len([link for link in links(played) if link[0] == "ann"]) == 1


def test_a_question_asked_again_doesnt_bring_back_what_an_erased_user_had() -> None:
    played = world(NO_LIMITS)
    for event in (Event(1, None, "a"), Event(2, "ann", "a")):
        played.produce([event])
        played.settle()
    home = partition_of("ann", PARTITIONS)
    owner = played.places[home].shell.owner  # type: ignore[attr-defined]
    owner.forget("ann")
    owner.end()
    played.places[home].shell.events.pop("ann")  # type: ignore[attr-defined]
    played.commit(played.places[home], home)

    played.produce([Event(3, "ann", "a")])
    for _ in range(2):
        played.settle()
        played.remind()

    assert played.counts() == {"ann": 1}
