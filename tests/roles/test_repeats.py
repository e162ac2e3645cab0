"""Repeats within and across the window, under the same key and others; a partition that sees nothing else for hours."""

from __future__ import annotations

import json
import time

import numpy as np
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.contract import Contract, Incoming, Limits, decode_block
from streams.contract.frames import closed
from streams.kafka import client_config, produce, producer_config
from streams.profiles import Layout, PartitionState
from streams.roles._partition import Partition
from streams.settings import SegmentationSettings, Settings
from streams.storage import connect, initialise
from streams.storage.commit import commit_batches, insert_commit
from streams.storage.restore import restore_partition
from tests.faults.known_log import KnownLog
from tests.roles.test_profiler import blocks_of, work

#: An hour ago: what is much older a broker deletes at once.
START_MS = int(time.time() * 1000) - 3_600_000
MINUTE_MS = 60_000
WINDOW_MINUTES = 10


def block(message_ids: list[str], keys: list[bytes] | None = None) -> bytes:
    """Return ann's events as one block; Kafka keys are whatever the producer chose."""
    values = [
        json.dumps({"type": "page", "userId": "ann", "messageId": m, "timestamp": "2026-01-01T00:00:00Z"}).encode()
        for m in message_ids
    ]
    chosen = keys or [b""] * len(values)
    contract = Contract(1, Limits(), 0)
    result = contract.apply(values, [START_MS] * len(values), lambda i: Incoming("events", 0, i, chosen[i], []))
    return closed(result.blocks[0][1])


def state() -> PartitionState:
    layout = Layout.from_settings([], SegmentationSettings())
    return PartitionState(layout, dedup_window_us=WINDOW_MINUTES * 60_000_000, dedup_max_ids=10_000)


def read(people: PartitionState, data: bytes, offset: int, minute: float) -> None:
    at_us = int((START_MS + minute * MINUTE_MS) * 1000)
    people.apply(decode_block(data), offset=offset, record_time_us=at_us)


def test_a_repeat_counts_once_inside_the_window_and_again_beyond_it() -> None:
    people = state()
    read(people, block(["a", "b", "a"], [b"k1", b"k2", b"k3"]), 0, 0)
    read(people, block(["b", "c"]), 1, WINDOW_MINUTES)
    assert (people.accepted, people.duplicates) == (3, 2)

    read(people, block(["a"]), 2, WINDOW_MINUTES + 0.1)  # 10 minutes and 6 s after the last a
    read(people, block(["b"]), 3, 2 * WINDOW_MINUTES)  # 10 minutes after the repeat of b: each occurrence opens it anew

    assert (people.accepted, people.duplicates) == (4, 3)


def test_the_brokers_clock_going_back_closes_no_window() -> None:
    people = state()
    read(people, block(["a"]), 0, 60)
    read(people, block(["b"]), 1, 0)  # an hour earlier
    read(people, block(["a", "b"]), 2, 5)

    assert (people.accepted, people.duplicates) == (2, 2)


def test_hours_of_nothing_but_repeats_move_the_position_and_fill_no_memory() -> None:
    people = state()
    ids = [f"m{i}" for i in range(100)]
    for number in range(400):  # every minute for more than six hours
        read(people, block(ids), number, float(number))

    assert (people.accepted, people.duplicates) == (100, 100 * 399)
    assert people.next_offset == 400
    assert people.position().dedup_start >= 400 - WINDOW_MINUTES - 1
    assert len(people._dedup) <= 100 * (WINDOW_MINUTES + 1)
    assert len(people._dedup._blocks) <= 2 * 1024 + WINDOW_MINUTES


def test_a_restart_amid_repeats_decides_as_if_there_was_none(settings: Settings) -> None:
    admin = AdminClient(client_config(settings))
    topic = settings.kafka.topics.clicks
    # The topic takes the times that this test writes, as no topic of `init` does.
    for future in admin.create_topics([NewTopic(topic, 4, 1)]).values():
        future.result()
    initialise(settings)
    minutes = [0, 3, 6, 9, 12, 15, 26, 27]
    parts = [block(["a", f"n{number}"]) for number in range(len(minutes))]
    undisturbed = state()
    for number, (data, minute) in enumerate(zip(parts, minutes, strict=True)):
        read(undisturbed, data, number, minute)
        producer = Producer(producer_config(settings))
        produce(producer, topic, data, partition=2, timestamp=START_MS + minute * MINUTE_MS)
        assert producer.flush(10) == 0
        if number % 2:
            work(settings, [])  # a profiler of its own each time

    with connect(settings) as client:
        found = client.query("SELECT accepted, duplicates FROM positions WHERE kafka_partition = 2").result_rows
    assert found == [(undisturbed.accepted, undisturbed.duplicates)] == [(10, 6)]
    everybody = np.arange(undisturbed.people, dtype=np.int32)
    with connect(settings) as client:
        stored = client.query("SELECT hex(state) FROM profiles FINAL WHERE profile_id = 'ann'").result_rows
    assert bytes.fromhex(stored[0][0]) == undisturbed.pack(everybody).to_pylist()[0]


def test_a_commit_before_the_window_is_read_again_does_not_close_it(ready: Settings) -> None:
    """A label that changes right after a restart is committed before any block has been read."""
    blocks = blocks_of(ready, KnownLog(31, 1_500))
    half = len(blocks) // 2
    work(ready, [blocks[:half]])
    number = blocks[0][0]
    layout = Layout.from_settings(ready.features, ready.segmentation)
    with connect(ready) as client:
        stored = restore_partition(client, number)
        assert stored.position.dedup_start < stored.position.next_offset
        partition = Partition(number, layout, ready, stored)
        partition.mark(np.zeros(1, np.int32))
        part = partition.prepare([stored.model_version]).part
        insert_commit(client, commit_batches([part], 4_000_000_000_000_000))
        again = restore_partition(client, number)

    assert again.position == stored.position
    assert again.version == stored.version + 1
    work(ready, [blocks[:half], blocks[half:]])  # everything of the first half comes again
    with connect(ready) as client:
        found = dict(client.query("SELECT profile_id, event_count FROM current_profiles").result_rows)
    assert found == {name: person.events for name, person in KnownLog(31, 1_500).people.items()}
