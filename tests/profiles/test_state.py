"""The columnar state says what a slow, obviously right oracle says, however the log is cut into blocks."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.contract import Block, Contract, Incoming, Limits, decode_block
from streams.errors import ConfigurationError, StateError
from streams.profiles import Layout, PartitionState, Position
from streams.profiles.packing import cut_state
from streams.settings import FeatureSettings, SegmentationSettings

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
START_US = 1_767_225_600_000_000  # 2026-01-01
RECORD_US = 1_790_000_000_000_000
LAYOUT = Layout.from_settings([], SegmentationSettings())

events = st.lists(
    st.fixed_dictionaries(
        {
            "userId": st.sampled_from(["ann", "bo", "陈"]),
            "event": st.sampled_from(["Product Viewed", "Order Completed", "Read"]),
            "hours": st.integers(0, 500),
            "id": st.integers(0, 40),
            "category": st.sampled_from(["books", "garden", None]),
            "price": st.one_of(st.none(), st.floats(0.01, 1_000)),
        }
    ),
    min_size=1,
    max_size=60,
)


def value_of(event: dict[str, object]) -> bytes:
    stamp = datetime.fromtimestamp(START_US / 1e6 + int(str(event["hours"])) * 3600, UTC).isoformat()
    properties = {
        "category": event["category"],
        "price": event["price"],
        "revenue": event["price"],
        "product_id": event["id"],
    }
    return json.dumps(
        {"type": "track", "event": event["event"], "userId": event["userId"], "messageId": f"m{event['id']}",
         "timestamp": stamp,
         "properties": properties, "context": {"traits": {"plan": f"p{event['id']}"}}}
    ).encode()  # fmt: skip


def blocks(log: list[dict[str, object]], cuts: list[int]) -> list[Block]:
    contract = Contract(1, Limits(), 0)
    edges = [0, *sorted({cut % len(log) for cut in cuts} - {0}), len(log)]
    made = []
    for first, last in pairwise(edges):
        values = [value_of(event) for event in log[first:last]]
        result = contract.apply(values, [RECORD_US // 1000] * len(values), lambda i: Incoming("e", 0, i, None, []))
        made += [decode_block(block) for _, block in result.blocks]
    return made


def new_state(layout: Layout = LAYOUT) -> PartitionState:
    return PartitionState(layout, dedup_window_us=600_000_000, dedup_max_ids=1_000)


def state_of(log: list[dict[str, object]], cuts: list[int]) -> PartitionState:
    state = new_state()
    for offset, block in enumerate(blocks(log, cuts)):
        state.apply(block, offset=offset, record_time_us=RECORD_US)
    return state


@dataclass
class Person:
    """The oracle: plain Python, one event at a time."""

    times: list[int] = field(default_factory=list)
    named: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    prices: list[float] = field(default_factory=list)
    sessions: int = 0
    session: tuple[int, int] = (0, 0)
    plan: tuple[int, str] = (-1, "")

    def see(self, event: dict[str, object], at: int) -> None:
        self.times.append(at)
        self.named[f"event/{event['event']}"].append(at)
        if event["category"]:
            self.named[f"category/{event['category']}"].append(at)
        if event["price"] is not None:
            self.prices.append(float(str(event["price"])))
        if at >= self.plan[0]:
            self.plan = (at, f"p{event['id']}")
        start, end = self.session
        gap = HOUR_US // 2
        if not self.sessions or at > end + gap:
            self.sessions, self.session = self.sessions + 1, (at, at)
        elif at >= start - gap:
            self.session = (min(start, at), max(end, at))


def oracle(log: list[dict[str, object]]) -> tuple[dict[str, Person], int, int]:
    people: dict[str, Person] = defaultdict(Person)
    seen: set[object] = set()
    duplicates = late = 0
    for event in log:
        if event["id"] in seen:
            duplicates += 1
            continue
        seen.add(event["id"])
        person = people[str(event["userId"])]
        at = START_US + int(str(event["hours"])) * HOUR_US
        late += bool(person.times) and at < max(person.times) - DAY_US
        person.see(event, at)
    return people, duplicates, late


@settings(max_examples=60, deadline=None)
@given(events, st.lists(st.integers(0, 59), max_size=5))
def test_the_state_is_what_the_oracle_says(log: list[dict[str, object]], cuts: list[int]) -> None:
    state = state_of(log, cuts)
    expected, duplicates, late = oracle(log)

    assert (state.people, state.duplicates, state.late) == (len(expected), duplicates, late)
    rows = np.arange(state.people, dtype=np.int32)
    done = state.finalize(rows)
    for row, name in enumerate(state.ids(rows).to_pylist()):
        person = expected[name]
        assert done.event_count[row] == len(person.times)
        assert (done.first_seen_us[row], done.last_seen_us[row]) == (min(person.times), max(person.times))
        shown = dict(done.features[row].as_py())
        for key, times in person.named.items():
            decayed = sum(2.0 ** (-(max(person.times) - at) / (14 * DAY_US)) for at in times)
            assert shown[key] == pytest.approx(decayed, rel=1e-9)
        assert shown["sessions"] == person.sessions
        if person.prices:
            assert shown["price/mean"] == pytest.approx(np.mean(person.prices), rel=1e-9)
            assert shown.get("price/std", 0.0) == pytest.approx(np.std(person.prices), rel=1e-6, abs=1e-6)
        assert dict(done.traits[row].as_py())["plan"] == person.plan[1]


@settings(max_examples=30, deadline=None)
@given(events, st.lists(st.integers(0, 59), max_size=5))
def test_what_is_packed_is_restored_to_the_same_bytes(log: list[dict[str, object]], cuts: list[int]) -> None:
    state = state_of(log, cuts)
    rows = np.arange(state.people, dtype=np.int32)
    packed = state.pack(rows)

    again = restored(state, LAYOUT)

    assert again.pack(rows).equals(packed)
    assert again.finalize(rows).features.to_pylist() == state.finalize(rows).features.to_pylist()
    for ours, theirs in zip(again.behaviour(rows), state.behaviour(rows), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@settings(max_examples=30, deadline=None)
@given(events, st.integers(1, 59))
def test_two_halves_merged_are_the_whole(log: list[dict[str, object]], cut: int) -> None:
    unique = list({event["id"]: event | {"userId": "ann"} for event in log}.values())
    first, second = unique[: cut % len(unique)], unique[cut % len(unique) :]
    whole = state_of(unique, [])
    if not first:
        return
    merged = state_of(first, [])
    other = state_of(second, [])
    theirs = other.pack(np.array([other.row_of("ann")], np.int32))
    merged.merge(np.array([merged.row_for("ann")], np.int32), theirs, LAYOUT.descriptor)

    row = np.zeros(1, np.int32)
    ours, theirs = merged.finalize(row), whole.finalize(row)
    assert ours.event_count == theirs.event_count
    found, expected = dict(ours.features[0].as_py()), dict(theirs.features[0].as_py())
    for key in expected.keys() - {"sessions"}:  # deterministic in log order, not a sum
        assert found[key] == pytest.approx(expected[key], rel=1e-9, abs=1e-6), key


def test_a_state_of_an_older_declaration_still_loads() -> None:
    log = [{"userId": "ann", "event": "Read", "hours": h, "id": h, "category": "books", "price": 2.0} for h in range(5)]
    state = state_of(log, [])  # type: ignore[arg-type]
    newer = Layout.from_settings(
        [
            FeatureSettings(name="moment", kind="hours"),
            FeatureSettings(name="event", kind="decayed_count", by=["event"], half_lives=["1d", "14d"]),
        ],
        SegmentationSettings(),
    )

    again = restored(state, newer)

    row = np.zeros(1, np.int32)
    assert again.finalize(row).event_count.tolist() == [5]
    shown = dict(again.finalize(row).features[0].as_py())
    assert shown["event/Read"] == dict(state.finalize(row).features[0].as_py())["event/Read"]
    assert "category/books" not in shown


def test_damaged_states_are_refused() -> None:
    state = state_of([{"userId": "ann", "event": "Read", "hours": 1, "id": 1, "category": None, "price": None}], [])
    packed = state.pack(np.zeros(1, np.int32))

    with pytest.raises(StateError, match="is no state of its layout"):
        load(new_state(), state, [packed[0].as_py()[:-3]], LAYOUT)


@pytest.mark.parametrize(
    ("feature", "said"),
    [
        (FeatureSettings(name="x", kind="nonsense"), "must be one of"),
        (FeatureSettings(name="x", kind="decayed_count", by=["event"], half_lives=["soon"]), "is no duration"),
        (FeatureSettings(name="x", kind="moments", of="height"), "must be one of price"),
        (FeatureSettings(name="x", kind="cross", by=["event"]), "two keys"),
    ],
)
def test_a_declaration_that_means_nothing_is_refused(feature: FeatureSettings, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Layout.from_settings([feature], SegmentationSettings())


def restored(state: PartitionState, layout: Layout) -> PartitionState:
    rows = np.arange(state.people, dtype=np.int32)
    again = new_state(layout)
    load(again, state, state.pack(rows).to_pylist(), state.layout)
    return again


def load(into: PartitionState, source: PartitionState, states: list[bytes], layout: Layout) -> None:
    rows = np.arange(source.people, dtype=np.int32)
    layouts = np.full(len(states), layout.layout_id, np.uint64)
    into.restore(
        source.ids(rows), pa.array(states, pa.binary()), layouts, {layout.layout_id: layout.descriptor}, Position()
    )


@settings(max_examples=20, deadline=None)
@given(events, st.integers(100, 2_000))
def test_a_state_cut_into_pieces_is_itself_when_they_are_merged(log: list[dict[str, object]], most: int) -> None:
    state = state_of([event | {"userId": "ann"} for event in log], [])
    (packed,) = state.pack(np.zeros(1, np.int32)).to_pylist()

    pieces = cut_state(packed, LAYOUT, most)

    assert len(pieces) > 1 or len(packed) <= most
    again = new_state()
    rows = again.rows_for(["ann"] * len(pieces))
    again.merge(rows, pa.array(pieces, pa.binary()), LAYOUT.descriptor)
    assert again.pack(rows[:1]).to_pylist() == [packed]


@settings(max_examples=20, deadline=None)
@given(events, st.integers(1, 59))
def test_what_was_merged_can_be_taken_out_again(log: list[dict[str, object]], cut: int) -> None:
    unique = list({event["id"]: event | {"userId": "ann"} for event in log}.values())
    first, second = unique[: cut % len(unique)], unique[cut % len(unique) :]
    if not first:
        return
    before, other = state_of(first, []), state_of(second, [])
    merged, row = state_of(first, []), np.zeros(1, np.int32)

    for out in (False, True):
        merged.merge(row, other.pack(row), LAYOUT.descriptor, out=out)

    ours, theirs = merged.finalize(row), before.finalize(row)
    assert ours.event_count == theirs.event_count
    found, expected = dict(ours.features[0].as_py()), dict(theirs.features[0].as_py())
    newest = (merged.finalize(row).last_seen_us - before.finalize(row).last_seen_us) / DAY_US
    assert found["price/mean"] == pytest.approx(expected["price/mean"], rel=1e-6) if "price/mean" in expected else True
    assert newest >= 0
