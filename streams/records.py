"""What lies in a topic now: its records from given offsets to the end, then no more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from streams.errors import UnavailableError
from streams.kafka import client_config, end_offsets
from streams.settings import Settings

__all__ = ["records_until_end"]

_BATCH = 5_000
_WAIT_S = 0.5


def records_until_end(settings: Settings, topic: str, starts: Mapping[int, int] | None = None) -> Iterator[Message]:
    """Yield the committed records of `topic` from `starts` (default: the beginning) to the end it has now.

    Raises
    ------
    UnavailableError
        The broker doesn't give them.
    """
    starts = starts or {}
    unread = {p for p, end in end_offsets(settings, topic, committed=False).items() if end > starts.get(p, 0)}
    consumer = Consumer(
        {
            **client_config(settings),
            "group.id": "userprism.records",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "receive.message.max.bytes": 2_000_000_000,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, p, starts.get(p, 0)) for p in unread])
        while unread:
            for message in consumer.consume(_BATCH, _WAIT_S):
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                    unread.discard(message.partition())
                elif not error.retriable():
                    msg = f"{topic} can't be read to its end: {error.str()}"
                    raise UnavailableError(msg)
    finally:
        consumer.close()
