"""Records that are applied at once make the same people, to the bit, and say the same, as one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.contract.control import IDENTITY
from streams.roles._clicks import Record as ClicksRecord
from streams.roles._partition import Partition
from streams.settings import IdentitySettings, KafkaSettings, Settings
from tests.identity.real import LAYOUT, RECORD_US, SEGMENTATION, RealShell, block_of, stored_partition
from tests.identity.world import Event, Record, World

PARTITIONS = 2
LIMITS = IdentitySettings()
SETTINGS = Settings(kafka=KafkaSettings(partitions=PARTITIONS), segmentation=SEGMENTATION, identity=LIMITS)

#: (user, anonymous id) of an event; most name but one.
ids = st.one_of(
    st.tuples(st.none(), st.sampled_from([f"a{i}" for i in range(8)])),
    st.tuples(st.sampled_from(["u1", "u2"]), st.none()),
    st.tuples(st.sampled_from(["u1", "u2"]), st.sampled_from([f"a{i}" for i in range(8)])),
)
Ids = tuple[str | None, str | None]


def logs_of(events: list[Ids], block: int, blocks: int) -> list[list[Record]]:
    """Return the logs of a world that produces events in blocks, and settles after every few."""
    world = World(PARTITIONS, lambda p, stored: RealShell(p, PARTITIONS, LIMITS, stored))
    for first in range(0, len(events), block):
        some = enumerate(events[first : first + block], first)
        world.produce([Event(number, user, one, at_us=number * 10**9) for number, (user, one) in some])
        if first // block % blocks == 0:
            world.settle()
    world.settle()
    return world.logs


def fresh(number: int) -> Partition:
    return Partition(number, LAYOUT, SETTINGS, stored_partition({}))


def shown(partition: Partition) -> dict[str, Any]:
    """Return everything of a partition that must not depend on how many records were applied at once."""
    state = partition.state
    rows = state.everybody()
    ids = state.ids(rows).to_pylist()
    done, (behaviour, categories) = state.finalize(rows), state.behaviour(rows)
    people = {
        one: (features, traits, touched, count, numbers.tobytes(), hashed.tobytes())
        for one, features, traits, touched, count, numbers, hashed in zip(
            ids, done.features.to_pylist(), done.traits.to_pylist(), done.touched.to_pylist(),
            done.event_count.tolist(), np.ascontiguousarray(behaviour), np.ascontiguousarray(categories), strict=True,
        )
    }  # fmt: skip
    prepared = partition.prepare([0])
    part = prepared.part
    stored = zip(part.people.ids.to_pylist(), part.people.identity.to_pylist(), strict=True)
    numbers = state.accepted, state.duplicates, state.late, state.suppressed, state.next_offset
    ages = np.sort(np.concatenate(prepared.source_ms)).tolist() if prepared.source_ms else []
    return {
        "people": people, "identity": dict(stored), "links": part.links, "marks": part.marks, "numbers": numbers,
        "ages": ages, "read": prepared.first_read_at_us > 0,
    }  # fmt: skip


@given(
    events=st.lists(ids, min_size=30, max_size=90), block=st.integers(1, 4), blocks=st.integers(1, 6),
    cuts=st.lists(st.integers(1, 20), min_size=1),
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_at_once_is_one_after_the_other(events: list[Ids], block: int, blocks: int, cuts: list[int]) -> None:
    for number, log in enumerate(logs_of(events, block, blocks)):
        records = [
            ClicksRecord(number, at, RECORD_US, one.envelope, IDENTITY)
            if one.envelope
            else ClicksRecord(number, at, RECORD_US, block_of(one.events, PARTITIONS))
            for at, one in enumerate(log)
        ]
        slow, quick = fresh(number), fresh(number)

        said = [slow.apply(record) for record in records]
        at, said_at_once, turn = 0, [], 0
        while at < len(records):
            size = cuts[turn % len(cuts)]
            said_at_once += [answer for _, answer in quick.apply_all(records[at : at + size])]
            at, turn = at + size, turn + 1

        assert said_at_once == said
        assert shown(quick) == shown(slow)
