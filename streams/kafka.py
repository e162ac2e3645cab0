"""The few librdkafka settings that everything shares, each with its reason, and the topics that `init` creates."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]
from confluent_kafka.cimpl import NewTopic

from streams.errors import AlreadyRunningError, StateError, UnavailableError
from streams.settings import Settings

__all__ = [
    "PADDING_HEADER",
    "QUEUE_FULL_S",
    "Place",
    "client_config",
    "consumer_config",
    "end_offsets",
    "ensure_topics",
    "headers_of",
    "place_of",
    "produce",
    "producer_config",
    "refuse_lost_place",
    "topic_settings",
    "wait_for_broker",
]

log = logging.getLogger(__name__)

_METADATA_TIMEOUT_S = 10.0
#: When a producer's queue is full, it is looked at again after so long.
QUEUE_FULL_S = 0.05
#: Errors that a message carries; `fatal()` is false there.
_PLACE_LOST = {KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID}  # noqa: SLF001
#: Header of the empty records that fill a log which lost its end; they are no events.
PADDING_HEADER = "userprism-padding"


def client_config(settings: Settings) -> dict[str, Any]:
    """Return what every client needs: the address, and whatever security settings the operator gave."""
    return {"bootstrap.servers": settings.require_kafka(), "log_level": 3, **settings.kafka.client}


def consumer_config(settings: Settings, group: str, instance_id: str, **extra: Any) -> dict[str, Any]:
    """Return a consumer's configuration; `extra` wins.

    Notes
    -----
    `fetch.queue.backoff.ms`: the default of 1 s stalls a consumer that empties its queue faster than that.
    `receive.message.max.bytes`: the embedded broker ignores `fetch.max.bytes`.
    `group.instance.id`: dead members of the embedded broker never expire, a static member takes its own place again.
    """
    return {
        **client_config(settings),
        "group.id": group,
        "group.instance.id": instance_id,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "session.timeout.ms": settings.kafka.session_timeout_ms,
        "heartbeat.interval.ms": max(settings.kafka.session_timeout_ms // 10, 100),
        "fetch.queue.backoff.ms": 5,
        "fetch.wait.max.ms": 50,
        "queued.min.messages": 1,
        "queued.max.messages.kbytes": 131_072,
        "receive.message.max.bytes": 2_000_000_000,
        **extra,
    }


def producer_config(settings: Settings, **extra: Any) -> dict[str, Any]:
    """Return a producer's configuration: acknowledged by all replicas, idempotent, in order; `extra` wins.

    Notes
    -----
    `compression.type`: the embedded broker writes everything it holds to disk again about each second, as JSON. With
    200,000 shop events that is 246 MB and two thirds of a core as they come, 39 MB and a sixth with zstd (measured).
    """
    return {
        **client_config(settings),
        "compression.type": "zstd",
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": 5,
        "message.max.bytes": 10_000_000,
        **extra,
    }


def produce(producer: Producer, topic: str, value: bytes, key: bytes | None = None, **record: Any) -> None:
    """Queue a record; when the producer's queue is full, wait until the broker has taken some of it."""
    while True:
        try:
            producer.produce(topic, value, key, **record)
        except BufferError:
            producer.poll(QUEUE_FULL_S)
        else:
            return


class Place(NamedTuple):
    """Where a record is."""

    topic: str
    partition: int
    offset: int


def place_of(message: Message) -> Place:
    """Return where a record (or the end of a partition, reported as an error) is."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if topic is None or partition is None or offset is None:
        msg = f"librdkafka reports something without a place: {message.error()}"
        raise UnavailableError(msg)
    return Place(topic, partition, offset)


def refuse_lost_place(error: KafkaError) -> None:
    """Let other errors of a consumer pass, librdkafka tries again by itself.

    Raises
    ------
    AlreadyRunningError
        The group has given our place to another process with our instance id (or to nobody, when we slept too long):
        this consumer is of no more use, and a new process takes the place again.
    """
    if error.fatal() or error.code() in _PLACE_LOST:
        msg = f"this member's place in its group is lost, to another process with its instance id? ({error.str()})"
        raise AlreadyRunningError(msg)


def headers_of(message: Message) -> list[tuple[str, bytes | None]]:
    """Return a record's headers, in their order."""
    given = message.headers() or []
    pairs = given.items() if isinstance(given, dict) else given
    return [(name, value.encode() if isinstance(value, str) else value) for name, value in pairs]


def topic_settings(settings: Settings, topics: Iterable[str], key: str) -> dict[str, str | None]:
    """Return one setting of each topic, e.g. ``retention.ms``; None where the broker doesn't say."""
    admin = AdminClient(client_config(settings))  # a name, or it would be gone before it answers
    found: dict[str, str | None] = {}
    for asked, future in admin.describe_configs(
        [ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in topics]
    ).items():
        found[asked.name] = None
        with contextlib.suppress(KafkaException):
            entry = future.result(_METADATA_TIMEOUT_S).get(key)
            found[asked.name] = entry.value or None if entry is not None else None
    return found


def end_offsets(settings: Settings, topic: str, *, committed: bool = True) -> dict[int, int]:
    """Return the next offset of each partition: the last stable one, or (`committed=False`) the log's end."""
    isolation = "read_committed" if committed else "read_uncommitted"
    consumer = Consumer({**client_config(settings), "group.id": "userprism.offsets", "isolation.level": isolation})
    try:
        metadata = consumer.list_topics(topic, timeout=_METADATA_TIMEOUT_S)
        partitions = metadata.topics[topic].partitions
        return {
            p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=_METADATA_TIMEOUT_S)[1]
            for p in partitions
        }
    except KafkaException as error:
        raise UnavailableError(_unreachable(settings, error)) from error
    finally:
        consumer.close()


def ensure_topics(settings: Settings, *, partitions: int | None = None) -> None:
    """Create every topic that is missing; refuse one whose partition count differs from the settings.

    Raises
    ------
    StateError
        `userprism.clicks` exists with another partition count: people would change their owner.
    UnavailableError
        The broker can't be reached.
    """
    topics = settings.kafka.topics
    count = settings.kafka.partitions if partitions is None else partitions
    admin = AdminClient(client_config(settings))
    try:
        existing = admin.list_topics(timeout=_METADATA_TIMEOUT_S).topics
    except KafkaException as error:
        raise UnavailableError(_unreachable(settings, error)) from error
    if topics.clicks in existing and len(existing[topics.clicks].partitions) != count:
        msg = (
            f"topic {topics.clicks} has {len(existing[topics.clicks].partitions)} partitions, the settings say "
            f"kafka.partitions = {count}. A person's partition is fixed by this number: set it back, or start afresh "
            "with another kafka.prefix and clickhouse.database"
        )
        raise StateError(msg)
    # The broker's clock, not intake's: how old a repeat is mustn't depend on a worker whose clock jumps.
    clicks = {"retention.ms": str(settings.kafka.clicks_retention_s * 1000), "message.timestamp.type": "LogAppendTime"}
    beside = {"compression.type": "zstd"}  # the producer that writes clicks compresses nothing (docs/adr/0023)
    configs = {topics.clicks: clicks, topics.content: beside, topics.dead_letters: beside}
    new = [
        NewTopic(
            name,
            num_partitions=1 if name in topics.of_control() else count,
            replication_factor=settings.kafka.replication,
            config=configs.get(name, {}),
        )
        for name in (topics.events, *topics.owned())
        if name not in existing
    ]
    if new:
        for future in admin.create_topics(new).values():
            future.result()


def wait_for_broker(settings: Settings, timeout_s: float, *, alive: Callable[[], bool] = lambda: True) -> None:
    """Return once the broker answers a metadata request; `alive` lets the caller give up early."""
    deadline = time.monotonic() + timeout_s
    admin = AdminClient({**client_config(settings), "log_level": 0})
    while True:
        try:
            admin.list_topics(timeout=1.0)
        except KafkaException as error:
            if time.monotonic() > deadline or not alive():
                raise UnavailableError(_unreachable(settings, error)) from error
        else:
            return


def _unreachable(settings: Settings, error: Exception) -> str:
    at = settings.kafka.bootstrap
    return f"the Kafka broker at {at} doesn't answer ({error}); is it running and reachable from here?"
