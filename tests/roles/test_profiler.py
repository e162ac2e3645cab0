"""The profiler dies wherever it can, and what ClickHouse holds is what an undisturbed one would have written."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from confluent_kafka import Producer

from streams.contract import Contract, Incoming, Limits, decode_block
from streams.contract.frames import closed
from streams.errors import LeaseLostError
from streams.kafka import end_offsets, produce, producer_config
from streams.outbox import Outbox
from streams.profiles import Layout, PartitionState
from streams.records import records_until_end
from streams.roles.profiler import CRASH_POINTS, Profiler
from streams.settings import Settings
from streams.storage import connect
from streams.storage.commit import commit_batches, insert_commit
from tests.faults.known_log import KnownLog

RECORD_MS = 1_790_000_000_000
BATCH = 400
#: Long enough for any of these logs on a busy machine.
PATIENCE_S = 240.0

Block = tuple[int, bytes]


def blocks_of(settings: Settings, log: KnownLog) -> list[Block]:
    contract = Contract(settings.kafka.partitions, Limits(), 600_000_000)
    made: list[Block] = []
    for at in range(0, len(log.messages), BATCH):
        values = [value for _, value in log.messages[at : at + BATCH]]

        def source(i: int, at: int = at) -> Incoming:
            return Incoming("events", 0, at + i, None, [])

        blocks = contract.apply(values, [RECORD_MS] * len(values), source).blocks
        made += [(partition, closed(block)) for partition, block in blocks]
    return made


def send(settings: Settings, blocks: list[Block]) -> None:
    producer = Producer(producer_config(settings))
    for partition, block in blocks:
        produce(producer, settings.kafka.topics.clicks, block, partition=partition)
    assert producer.flush(10) == 0


def crash_at(point: str, passes: int) -> Callable[[str], None]:
    """Return a hook that dies when `point` is reached for the `passes`-th time."""
    seen: Counter[str] = Counter()

    def hook(reached: str) -> None:
        seen[reached] += 1
        if (reached, seen[reached]) == (point, passes):
            raise KeyboardInterrupt

    return hook


def work(settings: Settings, parts: list[list[Block]], at: Callable[[str], None] = lambda point: None) -> None:
    """Send one part after the other, each when ClickHouse holds the one before; a part that was sent is taken out."""
    profiler = Profiler(settings, at=at)
    deadline = time.monotonic() + PATIENCE_S
    try:
        while True:
            ends = end_offsets(settings, settings.kafka.topics.clicks)
            while positions(settings) != {p: end for p, end in ends.items() if end}:
                profiler.step()
                assert time.monotonic() < deadline
            profiler.commit()  # the block may be there before the profiler knows
            if not parts:
                return
            send(settings, parts.pop(0))
    finally:
        profiler.close()


def step_often(profiler: Profiler) -> None:
    for _ in range(1_000):
        profiler.step()


def positions(settings: Settings) -> dict[int, int]:
    with connect(settings) as client:
        return dict(client.query("SELECT kafka_partition, next_offset FROM positions").result_rows)


def stored_states(settings: Settings) -> dict[str, bytes]:
    with connect(settings) as client:
        rows = client.query("SELECT profile_id, hex(state) FROM profiles FINAL WHERE kind = 'person'").result_rows
    return {profile_id: bytes.fromhex(state) for profile_id, state in rows}


def stored_changes(settings: Settings) -> set[str]:
    """Return the ids that the notifications of all changes carry."""
    with connect(settings) as client:
        found = client.query("SELECT profile_id, version, segmentation FROM segment_changes FINAL").result_rows
    return {f"{person}:{version}:{name}" for person, version, name in found}


def undisturbed_states(settings: Settings, blocks: list[Block]) -> dict[str, bytes]:
    """Apply each block once, in order, without any of what surrounds a profiler."""
    layout = Layout.from_settings(settings.features, settings.segmentation)
    states = [
        PartitionState(layout, dedup_window_us=600_000_000, dedup_max_ids=1_000_000)
        for _ in range(settings.kafka.partitions)
    ]
    found: dict[str, bytes] = {}
    for partition, block in blocks:
        state = states[partition]
        state.apply(decode_block(block), offset=state.next_offset, record_time_us=RECORD_MS * 1000)
    for state in states:
        everybody = np.arange(state.people, dtype=np.int32)
        found |= dict(zip(state.ids(everybody).to_pylist(), state.pack(everybody).to_pylist(), strict=True))
    return found


def stored_activity(settings: Settings) -> dict[int, tuple[int, int]]:
    with connect(settings) as client:
        rows = client.query(
            "SELECT toUnixTimestamp(at), sum(active) AS people, sum(newcomers) FROM segment_activity "
            "GROUP BY at HAVING people > 0"
        ).result_rows
    return {at: (active, new) for at, active, new in rows}


def undisturbed_activity(settings: Settings, blocks: list[Block]) -> dict[int, tuple[int, int]]:
    """Count, event by event, whom an hour sees that no later hour has seen, unless it was over two hours before."""
    found: dict[int, tuple[int, int]] = {}
    newest: dict[int, int] = {}
    last: dict[str, int] = {}
    seen: set[int] = set()
    for partition, raw in blocks:
        block = decode_block(raw)
        names = block.person.values.to_pylist()
        floor = newest.get(partition, 0) - 2
        for code, at_us, message in zip(
            block.person.codes, block.at_us.tolist(), block.message_hash.tolist(), strict=True
        ):
            if message in seen:
                continue
            seen.add(message)
            person, hour = names[code], at_us // 3_600_000_000
            if hour > last.get(person, -1) and hour >= floor:
                active, new = found.get(hour * 3_600, (0, 0))
                found[hour * 3_600] = (active + 1, new + (person not in last))
            last[person] = max(hour, last.get(person, -1))
            newest[partition] = max(newest.get(partition, 0), hour)
    return found


@pytest.mark.parametrize("passes", [1, 2])
@pytest.mark.parametrize("point", CRASH_POINTS)
def test_a_crash_anywhere_leaves_what_an_undisturbed_profiler_writes(ready: Settings, point: str, passes: int) -> None:
    log = KnownLog(5, 4_000)
    blocks = blocks_of(ready, log)
    parts = [blocks[: len(blocks) // 2], blocks[len(blocks) // 2 :]]
    with pytest.raises(KeyboardInterrupt):
        work(ready, parts, crash_at(point, passes))

    work(ready, parts)

    assert stored_states(ready) == undisturbed_states(ready, blocks)
    assert stored_activity(ready) == undisturbed_activity(ready, blocks)
    with connect(ready) as client:
        accepted, duplicates = client.query("SELECT sum(accepted), sum(duplicates) FROM positions").result_rows[0]
    assert (accepted, duplicates) == (log.accepted, log.duplicates)


def test_what_is_told_again_is_told_before_the_next_commit(ready: Settings) -> None:
    """A third profiler would repeat only the second one's commit."""
    blocks = blocks_of(ready, KnownLog(7, 4_000))
    topic = ready.kafka.topics.segment_changes

    def crash_with_changes(point: str) -> None:
        if point == "after insert" and stored_changes(ready):
            raise KeyboardInterrupt

    send(ready, blocks[: len(blocks) // 2])
    first = Profiler(ready, at=crash_with_changes)
    with pytest.raises(KeyboardInterrupt):
        step_often(first)
    first.close()
    untold = stored_changes(ready)
    assert untold
    assert not list(records_until_end(ready, topic))

    send(ready, blocks[len(blocks) // 2 :])
    second = Profiler(ready, at=crash_at("after insert", 1))
    slow = Outbox(ready, **{"linger.ms": 60_000})  # nothing goes before somebody waits for it
    second._committing._notifier._outbox = slow
    with pytest.raises(KeyboardInterrupt):
        step_often(second)
    second.close()

    told = {msgspec.json.decode(message.value() or b"")["id"] for message in records_until_end(ready, topic)}
    assert told >= untold


def test_a_late_block_of_a_stalled_owner_says_what_the_new_owner_says(ready: Settings) -> None:
    log = KnownLog(6, 4_000)
    blocks = blocks_of(ready, log)
    send(ready, blocks[: len(blocks) // 2])
    stalled = Profiler(ready, at=crash_at("before insert", 1))
    with pytest.raises(KeyboardInterrupt):
        step_often(stalled)
    late = [prepared.part for _, prepared in stalled._committing.prepared]
    stalled.close()
    work(ready, [blocks[len(blocks) // 2 :]])
    before = stored_states(ready)

    with connect(ready) as client:
        insert_commit(client, commit_batches(late, 4_000_000_000_000_000))  # as with the lease switched off
        assert stored_states(ready) == before == undisturbed_states(ready, blocks)
        with pytest.raises(LeaseLostError):
            insert_commit(client, commit_batches(late, 1_000_000))
    assert stored_states(ready) == before


def test_a_profiler_without_a_lease_counts_the_same(ready: Settings) -> None:
    log = KnownLog(7, 2_000)
    unleased = msgspec.structs.replace(ready, profiler=msgspec.structs.replace(ready.profiler, lease=False))
    work(unleased, [blocks_of(ready, log)])

    with connect(ready) as client:
        found = dict(client.query("SELECT profile_id, event_count FROM current_profiles").result_rows)
    assert found == {name: person.events for name, person in log.people.items()}
