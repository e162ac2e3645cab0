"""The poller hands over everything, in time, and doesn't let one busy partition starve the others."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, Message, Producer

from streams.kafka import consumer_config, ensure_topics, produce, producer_config
from streams.polling import Poller
from streams.settings import Settings

#: Without the poke a resumed consumer sleeps for a second; slow machines get the rest.
PATIENCE_S = 30.0


@pytest.fixture
def poller(settings: Settings) -> Iterator[Poller]:
    ensure_topics(settings)
    extra = {"auto.offset.reset": "earliest", "enable.partition.eof": True}
    consumer = Consumer(consumer_config(settings, f"{settings.kafka.prefix}.polling", "polling-0", **extra))
    consumer.subscribe([settings.kafka.topics.clicks])
    poller = Poller(consumer)
    deadline = time.monotonic() + PATIENCE_S
    while len(consumer.assignment()) < settings.kafka.partitions and time.monotonic() < deadline:
        poller.consume(10, 0.05)
    yield poller
    consumer.close()


def records(poller: Poller, wanted: int) -> list[Message]:
    found: list[Message] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(found) < wanted and time.monotonic() < deadline:
        found += [message for message in poller.consume(10, 0.05) if message.error() is None]
    return found


def send(producer: Producer, settings: Settings, text: str, partitions: range) -> None:
    for partition in partitions:
        produce(producer, settings.kafka.topics.clicks, text.encode(), partition=partition)
    assert producer.flush(10.0) == 0


def test_everything_comes_once_after_every_rest(poller: Poller, settings: Settings) -> None:
    producer = Producer(producer_config(settings))
    everywhere = range(settings.kafka.partitions)
    for turn in range(4):
        send(producer, settings, f"turn {turn}", everywhere)
        found = records(poller, len(everywhere))

        assert sorted(message.partition() for message in found) == list(everywhere)
        assert {message.value() for message in found} == {f"turn {turn}".encode()}
        for _ in range(4):
            assert all(message.error() is not None for message in poller.consume(10, 0.05))


def test_a_partition_at_its_end_is_looked_at_while_another_is_busy(poller: Poller, settings: Settings) -> None:
    producer = Producer(producer_config(settings))
    send(producer, settings, "first", range(settings.kafka.partitions))
    records(poller, settings.kafka.partitions)
    send(producer, settings, "late", range(1, 2))
    seen: set[bytes | None] = set()
    deadline = time.monotonic() + PATIENCE_S
    while b"late" not in seen and time.monotonic() < deadline:
        send(producer, settings, "busy", range(1))  # partition 0 never ends
        seen |= {message.value() for message in poller.consume(10, 0.05) if message.error() is None}

    assert b"late" in seen
    assert b"busy" in seen
