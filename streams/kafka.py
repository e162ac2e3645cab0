"""The few librdkafka settings that everything shares, each with its reason, and the topics that `init` creates."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]
from confluent_kafka.cimpl import NewTopic

from streams.errors import AlreadyRunningError, StateError, UnavailableError
from streams.settings import Settings

__all__ = [
    "PADDING_HEADER",
    "Outbox",
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
_QUEUE_FULL_S = 0.05
#: Delivery reports are taken after so many records: asking costs as much as sending one.
_REPORTS_EVERY = 64
#: Records that are queued in one call.
_AT_ONCE = 1_000
#: librdkafka's default of `queue.buffering.max.messages`.
_QUEUED_BY_DEFAULT = 100_000
#: Errors that a message carries; `fatal()` is false there.
_PLACE_LOST = {KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID}  # noqa: SLF001
#: What an idempotent producer's records come back with once it is of no more use.
_PRODUCER_LOST = {
    KafkaError._FATAL,  # noqa: SLF001
    KafkaError._PURGE_QUEUE,  # noqa: SLF001
    KafkaError._PURGE_INFLIGHT,  # noqa: SLF001
    KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER,
    KafkaError.UNKNOWN_PRODUCER_ID,
    KafkaError.INVALID_PRODUCER_ID_MAPPING,
}
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
            producer.poll(_QUEUE_FULL_S)
        else:
            return


@dataclass(slots=True)
class _Waiting:
    """Records of one topic that the broker hasn't acknowledged, and how many of them."""

    topic: str
    values: Sequence[bytes]
    keys: Sequence[bytes | None]
    options: dict[str, Any]
    left: int = 0


class Outbox:
    """Records that somebody counts on: `flush` returns when the broker has all of them, and says so when it hasn't.

    Parameters
    ----------
    settings : Settings
        The broker.
    extra
        Configuration of the producer.

    Notes
    -----
    An idempotent producer ends for good when the broker has forgotten what it acknowledged to it (the embedded one
    after a kill -9: OUT_OF_ORDER_SEQUENCE). What wasn't acknowledged then goes out again, in its order, through a new
    producer. What was on its way may be there already: at least once, as the embedded broker's own promise is.
    """

    def __init__(self, settings: Settings, **extra: Any) -> None:
        self._config = producer_config(settings, **extra)
        self._room = int(self._config.get("queue.buffering.max.messages", _QUEUED_BY_DEFAULT))
        self._producer = Producer(self._config)
        self._waiting: dict[int, _Waiting] = {}
        self._sent = 0
        self._lost: KafkaError | None = None
        self._failure: KafkaError | None = None

    @property
    def failed(self) -> bool:
        """Whether `flush` would raise by what is known already."""
        return self._failure is not None

    def send(self, topic: str, value: bytes, key: bytes | None = None, **record: Any) -> None:
        """Queue a record."""
        self._take(_Waiting(topic, [value], [key], record))
        if self._sent % _REPORTS_EVERY == 0:
            self._served(lambda: self._producer.poll(0))

    def send_all(self, topic: str, values: Sequence[bytes], keys: Sequence[bytes | None]) -> None:
        """Queue many records of one topic: half of the processor time that `send` takes for them.

        When a producer is lost, records go out again by the thousand, those as well that had arrived.
        """
        step = min(_AT_ONCE, self._room)
        for first in range(0, len(values), step):
            some = slice(first, first + step)
            self._take(_Waiting(topic, values[some], keys[some], {}))
            self._served(lambda: self._producer.poll(0))

    def flush(self, timeout_s: float) -> None:
        """Wait for the broker.

        Raises
        ------
        UnavailableError
            It refused a record, or didn't take them all in time.
        """
        deadline = time.monotonic() + timeout_s
        left = self._served(lambda: self._producer.flush(timeout_s))
        while self._lost is not None and time.monotonic() < deadline:
            self._begin_again()
            left = self._served(lambda: self._producer.flush(max(deadline - time.monotonic(), 0.0)))
        failure, self._failure = self._failure or self._lost, None
        if failure is not None or left:
            self._waiting.clear()
            why = failure.str() if failure is not None else f"{left} records wait after {timeout_s:.0f} s"
            msg = f"the broker hasn't taken what was sent: {why}"
            raise UnavailableError(msg)

    def close(self) -> None:
        """Let go of the broker; what wasn't flushed is given up."""
        self._producer.purge()
        self._served(lambda: self._producer.flush(0.0))
        self._producer.close()

    def _take(self, records: _Waiting) -> None:
        self._sent += 1
        self._waiting[self._sent] = records
        self._queue(self._sent)
        if self._lost is not None:
            self._begin_again()

    def _queue(self, number: int) -> None:
        waiting = self._waiting[number]
        waiting.left = len(waiting.values)
        report = partial(self._delivered, number)
        if len(waiting.values) > 1:
            self._queue_all(waiting, report)
            return
        try:
            produce(
                self._producer, waiting.topic, waiting.values[0], waiting.keys[0], on_delivery=report, **waiting.options
            )
        except KafkaException as error:
            report(error.args[0], None)

    def _queue_all(self, waiting: _Waiting, report: Callable[[KafkaError | None, Message | None], None]) -> None:
        """Queue several records in their order."""
        records: list[dict[str, Any]] = [
            {"value": value, "key": key} for value, key in zip(waiting.values, waiting.keys, strict=True)
        ]
        while records and self._lost is None:
            while len(self._producer) > self._room - len(records) and self._lost is None:
                self._served(lambda: self._producer.poll(_QUEUE_FULL_S))
            self._producer.produce_batch(waiting.topic, records, on_delivery=report)
            refused, records = [record for record in records if "_error" in record], []
            for record in refused:
                error = record.pop("_error")
                if error.code() == KafkaError._QUEUE_FULL:  # noqa: SLF001
                    records.append(record)
                else:
                    report(error, None)

    def _begin_again(self) -> None:
        log.warning("the broker has forgotten a producer (%s); a new one sends what waits", self._lost)
        self._producer.purge()
        self._served(lambda: self._producer.flush(0.0))  # its last reports come now, as lost ones
        self._producer.close()  # else it goes on asking for the broker
        self._lost = None
        self._producer = Producer(self._config)
        for number in sorted(self._waiting):
            self._queue(number)

    def _served(self, call: Callable[[], int | None]) -> int:
        """Make a call in which librdkafka reports; it raises there when the producer has ended for good.

        With a report underway Python sees the error as a SystemError, whose cause it then is; when the report has
        cleared it, the SystemError says only that there was one.
        """
        try:
            return call() or 0
        except KafkaException as error:
            self._lost = error.args[0]
        except SystemError as error:
            cause = error.__cause__
            if isinstance(cause, KafkaException):
                self._lost = cause.args[0]
            elif "without setting an exception" in str(error):
                self._lost = self._lost or KafkaError(KafkaError._FATAL)  # noqa: SLF001
            else:
                raise
        return 0

    def _delivered(self, number: int, error: KafkaError | None, _message: Message | None) -> None:
        if error is not None and (error.fatal() or error.code() in _PRODUCER_LOST):
            self._lost = self._lost or error
            return
        self._failure = self._failure or error
        waiting = self._waiting.get(number)
        if waiting is not None:
            waiting.left -= 1
            if not waiting.left:
                del self._waiting[number]


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
    new = [
        NewTopic(
            name,
            num_partitions=1 if name in topics.of_control() else count,
            replication_factor=settings.kafka.replication,
            config=clicks if name == topics.clicks else {},
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
