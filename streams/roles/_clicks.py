"""The profiler's end of `userprism.clicks`: which partitions are ours, where each starts, and how far we have read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams.contract.control import CONTROL_HEADER
from streams.contract.marks import MORE_HEADER, SOURCES_HEADER, decode_sources
from streams.errors import LeaseLostError, StateError, UnavailableError
from streams.kafka import consumer_config, headers_of, place_of, refuse_lost_place
from streams.polling import Poller
from streams.settings import Settings

__all__ = ["Clicks", "Record"]

#: Errors of an offset commit that say somebody else owns our partitions now.
_NOT_OURS = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError._STATE,  # noqa: SLF001 - librdkafka's own codes have leading underscores
}
_OUT_OF_RANGE = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}  # noqa: SLF001
#: What a poll returns at most: many people are then looked at at once, and what is urgent waits for no longer than so.
_BLOCKS_A_POLL = 16
#: Control records are small, and come by the dozen between blocks.
_RECORDS_A_POLL = 64
_POLL_S = 0.05
_METADATA_S = 10.0


@dataclass(frozen=True, slots=True)
class Record:
    """One Kafka message of the topic: a block of events, or a control record, whose `control` says of which kind.

    `sources` and `more` are what the last block of a transaction says in a partition (`streams.contract.marks`).
    """

    partition: int
    offset: int
    record_time_us: int
    value: bytes
    control: bytes = b""
    sources: Mapping[int, int] = field(default_factory=dict)
    more: bool = False


class Clicks:
    """A static member of the profilers' group.

    Parameters
    ----------
    settings : Settings
        Topic, group and instance id.
    acquire : callable
        Called with the partitions that have become ours, each with the first offset its log still holds; returns where
        to start in each.
    release : callable
        Called with a partition that is no longer ours; its memory must go.
    """

    def __init__(
        self,
        settings: Settings,
        acquire: Callable[[Mapping[int, int]], Mapping[int, int]],
        release: Callable[[int], None],
    ) -> None:
        self._topic = settings.kafka.topics.clicks
        self._acquire, self._release = acquire, release
        self._owned: list[int] = []
        self._assigned = 0  # how often partitions came or went
        self._reached: dict[int, int | None] = {}
        self._committed: dict[int, int] = {}
        self._failure: Exception | None = None
        self._consumer = Consumer(
            consumer_config(
                settings,
                f"{settings.kafka.prefix}.profiler",
                settings.profiler.instance_id,
                **{"enable.partition.eof": True},
            )
        )
        self._poller = Poller(self._consumer, fill_s=0.0)  # a block is thousands of events
        self._consumer.subscribe(
            [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )

    @property
    def partitions(self) -> list[int]:
        """The partitions that are ours now."""
        return sorted(self._reached)

    @property
    def at_end(self) -> bool:
        """Whether the end of every partition has been seen."""
        return bool(self._reached) and None not in self._reached.values()

    @property
    def offsets_committed(self) -> dict[int, int]:
        """What the group knows of us."""
        return self._committed

    def reached(self, next_offsets: Mapping[int, int]) -> dict[int, int]:
        """Return how far each partition is read: past the control records at a log's end, else its `next_offset`."""
        return {p: max(offset, self._reached.get(p) or 0) for p, offset in next_offsets.items()}

    def poll(self) -> list[Record]:
        """Return the next blocks, oldest first within a partition; at most a few, after at most 50 ms.

        Raises
        ------
        StateError
            An offset that the stored position names is no longer in the log.
        UnavailableError
            The broker reports an error that may pass.
        """
        records, full = self._take(_POLL_S)
        while full and len(records) < _RECORDS_A_POLL and sum(not one.control for one in records) < _BLOCKS_A_POLL:
            assigned = self._assigned
            more, full = self._take(0.0)
            # What was read before partitions went or came is read again from where they start, or not ours.
            records = more if self._assigned != assigned else records + more
        return records

    def _take(self, wait_s: float) -> tuple[list[Record], bool]:
        """Return some records, and whether there were as many as were asked for."""
        records = []
        messages = self._poller.consume(_BLOCKS_A_POLL, wait_s)
        self._raise_failure()  # what an assignment that failed leads to isn't what is wrong
        for message in messages:
            error = message.error()
            if error is None:
                place = place_of(message)
                self._reached[place.partition] = None
                value = message.value()
                if value:  # an empty record pads a broker's log after an unclean stop
                    headers = dict(headers_of(message))
                    sources = headers.get(SOURCES_HEADER)
                    records.append(
                        Record(
                            place.partition, place.offset, message.timestamp()[1] * 1000, value,
                            headers.get(CONTROL_HEADER) or b"", decode_sources(sources) if sources else {},
                            MORE_HEADER in headers,
                        )
                    )  # fmt: skip
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                place = place_of(message)
                self._reached[place.partition] = place.offset
            elif error.code() in _OUT_OF_RANGE:
                raise StateError(self._out_of_range(place_of(message).partition, error))
            else:
                refuse_lost_place(error)
        return records, len(messages) == _BLOCKS_A_POLL

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Commit offsets to the group and wait: success proves that this generation still owns them.

        Raises
        ------
        LeaseLostError
            The group has moved on.
        AlreadyRunningError
            Another process has our place for good.
        UnavailableError
            The broker can't be reached.
        """
        wanted = [TopicPartition(self._topic, p, offset) for p, offset in offsets.items()]
        if not wanted:
            return
        try:
            self._consumer.commit(offsets=wanted, asynchronous=False)
        except KafkaException as error:
            refuse_lost_place(error.args[0])
            if error.args[0].code() in _NOT_OURS:
                msg = f"the group has given partitions {sorted(offsets)} to another member ({error.args[0].str()})"
                raise LeaseLostError(msg) from error
            msg = f"offsets can't be committed: {error.args[0].str()}"
            raise UnavailableError(msg) from error
        self._committed |= offsets

    def tell(self, offsets: Mapping[int, int]) -> None:
        """Let the group know how far ClickHouse holds each partition, without waiting: lag is what monitors look at."""
        wanted = [TopicPartition(self._topic, p, offset) for p, offset in offsets.items() if p in self._reached]
        if wanted:
            with contextlib.suppress(KafkaException):  # the position rows are what counts
                self._consumer.commit(offsets=wanted, asynchronous=True)

    def restart(self) -> None:
        """Acquire every partition that is ours anew; what was fetched is thrown away."""
        owned = [TopicPartition(self._topic, p) for p in self._owned]
        self._on_revoke(self._consumer, owned)
        self._on_assign(self._consumer, owned)
        self._raise_failure()

    def hold(self) -> None:
        """Stop fetching, and stay in the group while ClickHouse is away.

        Raises
        ------
        AlreadyRunningError
            Another process has our place for good; librdkafka says so once.
        """
        self._consumer.pause(self._consumer.assignment())
        message = self._consumer.poll(0)
        error = message.error() if message is not None else None
        if error is not None:
            refuse_lost_place(error)
        self._failure = None

    def close(self) -> None:
        """Leave; a static member's place is kept for its return."""
        self._consumer.close()

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._owned = [entry.partition for entry in partitions]
        self._assigned += 1
        try:
            lows = {
                number: consumer.get_watermark_offsets(TopicPartition(self._topic, number), timeout=_METADATA_S)[0]
                for number in self._owned
            }
            starts = [TopicPartition(self._topic, number, at) for number, at in self._acquire(lows).items()]
        except Exception as error:
            self._failure = error
            consumer.assign([])  # left to itself it would begin somewhere; `restart` tries again
            return
        self._reached = {entry.partition: None for entry in starts}
        self._poller.forget()
        consumer.assign(starts)
        consumer.resume(starts)  # a partition that was held stays so through an assignment

    def _on_revoke(self, _consumer: Consumer, partitions: Iterable[TopicPartition]) -> None:
        self._owned = []
        self._assigned += 1
        self._poller.forget()
        for entry in partitions:
            self._reached.pop(entry.partition, None)
            self._release(entry.partition)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _out_of_range(self, partition: int, error: KafkaError) -> str:
        return (
            f"{self._topic}[{partition}] no longer holds the offset that the stored position names "
            f"({error.str()}). Events between were deleted by retention or lost by the broker. "
            "Going on would skip them silently: restore the topic, or start afresh with another kafka.prefix and "
            "clickhouse.database"
        )
