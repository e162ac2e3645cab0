"""What others count on: refused records are noticed, lag is what is left, a lost place ends a member."""

from __future__ import annotations

import os

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from streams.errors import AlreadyRunningError, UnavailableError
from streams.kafka import Outbox, client_config, refuse_lost_place
from streams.lag import GroupLag
from streams.settings import Settings
from streams.storage import initialise


@pytest.fixture
def ready(settings: Settings) -> Settings:
    initialise(settings)
    return settings


def test_a_record_that_the_broker_refuses_is_noticed(ready: Settings) -> None:
    outbox = Outbox(ready)
    outbox.send(ready.kafka.topics.vectors, b"small enough")
    outbox.flush(10)
    outbox.send(ready.kafka.topics.vectors, os.urandom(4_000_000))

    with pytest.raises(UnavailableError, match="hasn't taken what was sent"):
        outbox.flush(10)
    outbox.send(ready.kafka.topics.vectors, b"small enough")
    outbox.flush(10)
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
