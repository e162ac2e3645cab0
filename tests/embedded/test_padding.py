from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from streams.embedded.padding import pad_partitions, settle_transactions, stored_positions
from streams.embedded.supervisor import Supervisor
from streams.errors import StateError
from streams.identity import Remind, decode_envelope
from streams.kafka import client_config, consumer_config, end_offsets, producer_config
from streams.settings import Settings
from streams.storage.client import connect
from streams.storage.schema import initialise
from tests.embedded.common import commands, wait_for


def _store_position(settings: Settings, partition: int, next_offset: int) -> None:
    with connect(settings) as client:
        client.command(
            "INSERT INTO profiles (profile_id, kind, version, kafka_partition, next_offset, lease_until) VALUES "
            f"('\\0position/{partition}', 'position', {next_offset << 16}, {partition}, {next_offset}, now64(3) + 60)"
        )


def _commit_offsets(settings: Settings, group: str, topic: str, offsets: dict[int, int]) -> None:
    consumer = Consumer({**client_config(settings), "group.id": group, "enable.auto.commit": False})
    consumer.commit(offsets=[TopicPartition(topic, p, offset) for p, offset in offsets.items()], asynchronous=False)
    consumer.close()


def _produce(settings: Settings, topic: str, partition: int, count: int) -> None:
    producer = Producer(producer_config(settings))
    for number in range(count):
        producer.produce(topic, f"record {number}".encode(), partition=partition)
    assert producer.flush(30) == 0


def _read(settings: Settings, topic: str, partition: int, count: int) -> list[bytes | None]:
    consumer = Consumer(consumer_config(settings, f"{settings.kafka.prefix}.reader", "reader"))
    consumer.assign([TopicPartition(topic, partition, 0)])
    values: list[bytes | None] = []
    wait_for(lambda: values.extend(m.value() for m in consumer.consume(count, 0.2)) or len(values) >= count, "records")
    consumer.close()
    return values


def test_logs_are_filled_up_to_what_was_read_of_them(settings: Settings) -> None:
    initialise(settings)
    topics, prefix = settings.kafka.topics, settings.kafka.prefix
    _produce(settings, topics.clicks, 0, 3)
    _produce(settings, topics.clicks, 1, 3)
    _produce(settings, topics.events, 3, 1)
    _store_position(settings, 0, 3)  # whole
    _store_position(settings, 1, 8)  # lost 5
    _store_position(settings, 2, 2)  # lost all
    _commit_offsets(settings, f"{prefix}.intake", topics.events, {3: 4})
    _commit_offsets(settings, f"{prefix}.encoder", topics.content, {0: 1})

    assert stored_positions(settings) == {0: 3, 1: 8, 2: 2}
    assert pad_partitions(settings) == {topics.clicks: {1: 5, 2: 2}, topics.events: {3: 3}, topics.content: {0: 1}}
    assert end_offsets(settings, topics.clicks) == {0: 3, 1: 8, 2: 2, 3: 0}
    assert end_offsets(settings, topics.events) == {0: 0, 1: 0, 2: 0, 3: 4}
    read = _read(settings, topics.clicks, 1, 8)
    assert read[:3] == [b"record 0", b"record 1", b"record 2"]
    assert not any(read[3:])
    assert pad_partitions(settings) == {}


def test_a_position_of_an_unknown_partition_is_refused(settings: Settings) -> None:
    initialise(settings)
    _store_position(settings, 9, 8)
    with pytest.raises(StateError, match=r"partitions \[9\], the topic has 4"):
        pad_partitions(settings)


_ORPHAN = """
import os, signal, sys
from confluent_kafka import Producer
ids = {"transactional.id": "intake-0", "transaction.timeout.ms": 10_000}
producer = Producer({"bootstrap.servers": sys.argv[1], **ids})
producer.init_transactions(30)
producer.begin_transaction()
producer.produce(sys.argv[2], b"half done", partition=0)
producer.flush(30)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_orphaned_transaction_is_settled(settings: Settings) -> None:
    initialise(settings)
    topic = settings.kafka.topics.clicks
    orphan = subprocess.run([sys.executable, "-c", _ORPHAN, settings.kafka.bootstrap, topic], check=False)
    assert orphan.returncode == -signal.SIGKILL
    _produce(settings, topic, 0, 1)
    assert end_offsets(settings, topic)[0] == 0  # held back
    settle_transactions(settings, ["never-used", "intake-0"])
    assert end_offsets(settings, topic)[0] == end_offsets(settings, topic, committed=False)[0]
    assert _read(settings, topic, 0, 1) == [b"record 0"]


def test_a_killed_broker_is_padded_before_roles_start_again(tmp_path: Path) -> None:
    home = Settings(data_dir=str(tmp_path / "home"))
    with Supervisor(home, ("intake",), role_command=commands(home)) as stack:
        clicks = stack.settings.kafka.topics.clicks
        stack.start_roles()
        stack.wait_ready(60)
        _produce(stack.settings, clicks, 2, 5)
        _store_position(stack.settings, 2, 9)  # what a profiler would have read had the broker not lost it
        assert stack.broker is not None
        child = stack.broker.child
        assert child is not None
        os.kill(child.pid, signal.SIGKILL)
        wait_for(lambda: not child.alive, "its end")
        stack.check()
        assert end_offsets(stack.settings, clicks)[2] == 10
        order = decode_envelope(_read(stack.settings, clicks, 2, 10)[-1] or b"")  # owners ask again for what was lost
        assert [type(item) for item in order.items] == [Remind]
        stack.wait_ready(60)
        _produce(stack.settings, clicks, 2, 1)
        assert end_offsets(stack.settings, clicks)[2] == 11
    _check_next_start(home, clicks)


def _check_next_start(home: Settings, clicks: str) -> None:
    assert not (home.data / "padding-due").exists()
    with Supervisor(home) as stack:  # a clean stop needs no padding
        assert stack.broker is not None
        assert not stack.broker.unclean
        assert end_offsets(stack.settings, clicks)[2] == 11


def test_padding_stays_due_until_it_is_done(tmp_path: Path) -> None:
    home = Settings(data_dir=str(tmp_path / "home"))
    with Supervisor(home) as stack:
        _store_position(stack.settings, 0, 4)
    (home.data / "padding-due").touch()  # a start that was cut short between broker and padding
    with Supervisor(home) as stack:
        assert end_offsets(stack.settings, stack.settings.kafka.topics.clicks)[0] == 5  # the last one reminds owners
    assert not (home.data / "padding-due").exists()


def test_what_is_committed_after_an_abort_reaches_live_readers_under_another_id(settings: Settings) -> None:
    initialise(settings)
    topic = settings.kafka.topics.clicks
    reader = Consumer(consumer_config(settings, "readers", "reader-0", **{"auto.offset.reset": "earliest"}))
    reader.assign([TopicPartition(topic, 0, 0)])
    orphan = _transactional(settings, "intake-0.1")
    orphan.begin_transaction()
    orphan.produce(topic, b"aborted", partition=0)
    orphan.flush(10)
    reader.consume(1, 0.1)

    settle_transactions(settings, ["intake-0.1"])
    successor = _transactional(settings, "intake-0.2")
    seen: list[bytes | None] = []
    for number in range(4):  # one by one: the reader is past the abort when the last ones come
        successor.begin_transaction()
        successor.produce(topic, str(number).encode(), partition=0)
        successor.commit_transaction(10)
        deadline = time.monotonic() + 10
        while len(seen) <= number and time.monotonic() < deadline:
            seen += [message.value() for message in reader.consume(10, 0.05) if message.error() is None]
    reader.close()

    assert seen == [b"0", b"1", b"2", b"3"]


def _transactional(settings: Settings, name: str) -> Producer:
    producer = Producer(producer_config(settings, **{"transactional.id": name, "transaction.timeout.ms": 10_000}))
    producer.init_transactions(10)
    return producer
