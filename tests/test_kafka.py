"""What others count on: refused records are noticed, lag is what is left, a lost place ends a member."""

from __future__ import annotations

import os

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from streams.errors import AlreadyRunningError, UnavailableError
from streams.kafka import client_config, refuse_lost_place, topic_settings
from streams.lag import GroupLag
from streams.outbox import Outbox
from streams.records import records_until_end
from streams.settings import Settings
from streams.storage import initialise


@pytest.fixture
def ready(settings: Settings) -> Settings:
    initialise(settings)
    return settings


def test_topics_that_come_uncompressed_are_compressed_by_brokers_that_can(ready: Settings) -> None:
    topics = ready.kafka.topics

    said = topic_settings(ready, [topics.clicks, topics.content, topics.dead_letters], "compression.type")

    assert (said[topics.content], said[topics.dead_letters]) == ("zstd", "zstd")
    assert said[topics.clicks] in {None, "producer"}  # its records are: docs/adr/0023


@pytest.mark.parametrize("only_failures", [False, True])
def test_a_record_that_the_broker_refuses_is_noticed(ready: Settings, only_failures: bool) -> None:
    outbox = Outbox(ready, **{"delivery.report.only.error": only_failures})
    outbox.send(ready.kafka.topics.vectors, b"small enough")
    outbox.flush(10)
    outbox.send(ready.kafka.topics.vectors, os.urandom(4_000_000))

    with pytest.raises(UnavailableError, match="hasn't taken what was sent"):
        outbox.flush(10)
    outbox.send(ready.kafka.topics.vectors, b"small enough")
    outbox.flush(10)
    outbox.close()


@pytest.mark.parametrize("only_failures", [False, True])
def test_many_at_once_arrive_in_their_order_however_short_the_queue(ready: Settings, only_failures: bool) -> None:
    topic = ready.kafka.topics.vectors
    outbox = Outbox(ready, **{"delivery.report.only.error": only_failures, "queue.buffering.max.messages": 700})
    wanted = [b"%d" % number for number in range(5_000)]
    outbox.send_all(topic, wanted, [b"one", None] * 2_500)
    outbox.flush(10)
    outbox.close()

    found = [(message.partition(), int(message.value() or b"")) for message in records_until_end(ready, topic)]
    assert sorted(number for _, number in found) == list(range(5_000))
    keyed = [number for _, number in found if number % 2 == 0]
    assert keyed == sorted(keyed)


@pytest.mark.parametrize("only_failures", [False, True])
@pytest.mark.parametrize("others", [0, 3])
def test_a_record_too_large_for_the_client_is_noticed_at_once_and_others_go(
    ready: Settings, others: int, only_failures: bool
) -> None:
    topic = ready.kafka.topics.vectors
    outbox = Outbox(ready, **{"delivery.report.only.error": only_failures, "message.max.bytes": 1_000_000})
    outbox.send_all(topic, [os.urandom(1_100_000), *[b"small"] * others], [None] * (others + 1))

    with pytest.raises(UnavailableError, match="too large"):
        outbox.flush(10)
    outbox.flush(0.1)
    assert len(list(records_until_end(ready, topic))) == others
    outbox.close()


def test_lag_is_what_a_group_has_not_committed(ready: Settings) -> None:
    topic = ready.kafka.topics.events
    outbox = Outbox(ready)
    for number in range(10):
        outbox.send(topic, b"{}", str(number).encode())
    outbox.flush(10)
    outbox.close()
    lag = GroupLag(ready, "intake", topic)
    assert lag.records() == 10

    member = Consumer({**client_config(ready), "group.id": f"{ready.kafka.prefix}.intake", "enable.auto.commit": False})
    ends = {p: member.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1] for p in range(4)}
    member.commit(offsets=[TopicPartition(topic, p, end) for p, end in ends.items()], asynchronous=False)
    member.close()

    assert sum(ends.values()) == 10
    assert lag.records() == 0
    lag.close()


def test_a_lost_place_ends_a_member_and_other_errors_do_not() -> None:
    refuse_lost_place(KafkaError(KafkaError._TRANSPORT))

    with pytest.raises(AlreadyRunningError, match="place in its group is lost"):
        refuse_lost_place(KafkaError(KafkaError.FENCED_INSTANCE_ID))
