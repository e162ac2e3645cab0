"""Intake: raw events in, blocks keyed by person out, in Kafka transactions. Start reading at `Intake.step`.

Offsets, blocks, dead letters and new content go into ONE transaction, so a crash anywhere repeats nothing and loses
nothing; readers use read_committed. While a transaction is on its way the next batch is taken apart, and while many
events wait the batch behind that is read already and walked over.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from streams.contract import Contract, Incoming, Limits, Result, Walked, encode_content
from streams.contract.emails import without_emails
from streams.contract.frames import closed
from streams.contract.marks import MORE_HEADER, SOURCES_HEADER, Applied, encode_sources
from streams.errors import AlreadyRunningError, UnavailableError, UserprismError
from streams.kafka import (
    PADDING_HEADER,
    consumer_config,
    headers_of,
    place_of,
    produce,
    producer_config,
    refuse_lost_place,
)
from streams.memory import collect_seldom, keep_memory
from streams.polling import Poller
from streams.roles._dead_letter_sink import DeadLetterSink
from streams.settings import Settings
from streams.storage.marks import read_marks
from streams.stuck import ends_if_stuck
from streams.telemetry import RoleStatus, Stages
from streams.warmup import warm_up

__all__ = ["Intake", "run"]

log = logging.getLogger(__name__)

_TRANSACTION_TIMEOUT_MS = 10_000
_CALL_S = 10.0
_RETRY_S = 0.2
#: No step takes so long, each call in it has an end of its own. But `send_offsets_to_transaction` was seen not to come
#: back when a broker had been frozen for a minute (librdkafka, issue 5456): nobody read events any more.
_STUCK_S = 60.0
#: When so much of a batch is to come it says so: whoever reads its blocks then takes no pause for the end.
_MORE = 0.1
#: So small a batch is read while nothing is on its way: whoever reads blocks needn't wait for a whole one to begin.
_FIRST = 0.25
#: What it holds under load: events that were fetched, a batch read, another taken apart, a third on its way.
_MEMORY_BYTES = 288 << 20


def run(settings: Settings, stop: threading.Event) -> None:
    """Work until `stop` is set."""
    settings.require_kafka()
    settings.require_clickhouse()
    keep_memory(_MEMORY_BYTES)
    warm_up()
    collect_seldom()
    intake = Intake(settings)
    sink = DeadLetterSink(settings)
    sink.start()
    with ends_if_stuck() as within:
        try:
            while not stop.is_set():
                within(_STUCK_S)
                intake.step()
        except UserprismError as error:
            log.warning("leaving: %s", error)  # before what follows, which may not come to its end
            raise
        finally:
            within(_STUCK_S)
            intake.close()
            sink.stop()


@dataclass(frozen=True, slots=True)
class _Batch:
    """Messages that were read, where their fields are (soon), and how far they were read with them."""

    messages: list[Message]
    walked: Future[Walked]
    positions: list[TopicPartition]


class Intake:
    """One member of the group `<prefix>.intake`.

    Parameters
    ----------
    settings : Settings
        Topics, limits, batch size.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topics = settings.kafka.topics
        limits = settings.intake
        self._contract = Contract(
            settings.kafka.partitions,
            Limits(
                limits.max_event_bytes,
                limits.max_depth,
                limits.max_properties,
                limits.max_id_bytes,
                limits.max_batch_events,
                settings.identity.hashed_emails,
            ),
            limits.future_tolerance_s * 1_000_000,
        )
        self._applied = read_marks(settings)
        #: partition -> where the next batch begins, as far as that is known
        self._read_to: dict[int, int] = {}
        self._status = RoleStatus(settings.run_dir, limits.instance_id)
        self._stages = Stages()
        self._totals = {"events": 0, "dead_letters": 0, "blocks": 0, "contents": 0}
        # transactional.id = group.instance.id: a twin is fenced by the broker. A supervisor may fence by other means.
        self._producer = Producer(
            producer_config(
                settings,
                **{
                    "transactional.id": limits.transactional_id or limits.instance_id,
                    "transaction.timeout.ms": _TRANSACTION_TIMEOUT_MS,
                    "queue.buffering.max.kbytes": 1_048_576,
                    "linger.ms": 0,
                    "compression.type": "none",  # blocks are compressed: see streams.contract.frames
                },
            )
        )
        try:
            self._producer.init_transactions(_CALL_S)
        except KafkaException as error:
            msg = f"the broker doesn't open a transactional producer: {error.args[0].str()}"
            raise UnavailableError(msg) from error
        self._walker, self._writer = ThreadPoolExecutor(1, "walk"), ThreadPoolExecutor(1, "transaction")
        #: what was read and waits to be taken apart; nothing of it is promised to anybody
        self._ahead: _Batch | None = None
        self._writing: tuple[Result, Future[None]] | None = None
        self._revoked = False
        self._consumer = Consumer(
            consumer_config(
                settings,
                f"{settings.kafka.prefix}.intake",
                limits.instance_id,
                **{"auto.offset.reset": "earliest", "enable.partition.eof": True},
            )
        )
        self._consumer.subscribe([self._topics.events], on_revoke=self._on_revoke, on_lost=self._on_revoke)
        self._poller = Poller(self._consumer)

    def step(self) -> None:
        """Read a batch, and take apart what is due: this one, the one that was read before, or both."""
        with self._stages("consume"):
            batch = self._read()
        waiting, self._ahead = self._ahead, None
        if batch is not None and self._much_waits:
            self._ahead, batch = batch, None
        due = [one for one in (waiting, batch) if one is not None]
        if not due and self._ahead is None:
            self._end_write()
        for one in due:
            more = self._ahead is not None or one is not due[-1] or self._much_waits
            if not self._send(one, more=more):
                return
        self._report(idle=not due)

    def close(self) -> None:
        """Leave; what isn't committed is read again."""
        self._end_write()
        self._walker.shutdown()
        self._writer.shutdown()
        self._consumer.close()
        self._status.close()

    def _read(self) -> _Batch | None:
        """Read a batch and let it be walked over; None for nothing."""
        messages = self._poll()
        if not messages:
            return None
        walked = self._walker.submit(self._contract.walk, [value or b"" for value in map(Message.value, messages)])
        return _Batch(messages, walked, self._positions())

    def _send(self, batch: _Batch, *, more: bool) -> bool:
        """Take a batch apart while the one before is written, and send it on its way; False when that was aborted."""
        messages, positions = batch.messages, batch.positions
        times = [at_ms for _, at_ms in map(Message.timestamp, messages)]
        with self._stages("contract"):
            result = self._contract.apply(
                batch.walked.result(), times, lambda i: self._incoming(messages[i]), self._applied_before(positions)
            )
            self._read_to = {entry.partition: entry.offset for entry in positions}
        with self._stages("transaction"):
            written = self._end_write()
        if not written:
            self._contract.forget(result)
            return False
        member = self._consumer.consumer_group_metadata()
        self._writing = result, self._writer.submit(self._write, result, positions, member, more)
        return True

    @property
    def _much_waits(self) -> bool:
        return self._poller.behind() > _MORE * self._settings.intake.batch_events

    def _poll(self) -> list[Message]:
        settings = self._settings.intake
        part = 1.0 if self._writing or self._ahead else _FIRST
        messages = self._poller.consume(int(part * settings.batch_events) or 1, settings.linger_ms / 1000)
        if any(map(Message.error, messages)) or not all(map(Message.value, messages)):  # of tens of thousands
            messages = list(filter(_is_event, messages))
        if self._revoked:  # amid the batch: some of it may be somebody else's now, or may come again
            self._revoked = False
            self._rewind()
            return []
        return messages

    def _applied_before(self, positions: list[TopicPartition]) -> Applied | None:
        """Return which events count already, None when none can of a batch that ends at these positions."""
        began = {entry.partition: self._read_to.get(entry.partition, 0) for entry in positions}
        return self._applied if self._applied is not None and self._applied.concerns(began) else None

    def _positions(self) -> list[TopicPartition]:
        return [entry for entry in self._consumer.position(self._consumer.assignment()) if entry.offset >= 0]

    def _write(self, result: Result, positions: list[TopicPartition], member: Any, more: bool) -> None:
        """Put everything that a batch became into one transaction, with how far it read; runs beside the next batch."""
        producer, topics = self._producer, self._topics
        producer.begin_transaction()
        marks = [(SOURCES_HEADER, encode_sources({entry.partition: entry.offset for entry in positions}))]
        if more:
            marks.append((MORE_HEADER, b""))
        last = {partition: number for number, (partition, _) in enumerate(result.blocks)}
        for number, (partition, block) in enumerate(result.blocks):
            headers = marks if last[partition] == number else None
            produce(producer, topics.clicks, closed(block), partition=partition, headers=headers)
        for letter in result.dead_letters:
            produce(producer, topics.dead_letters, letter.value, letter.key, headers=letter.record_headers())
        for content in result.contents:
            produce(producer, topics.content, encode_content(content), str(content.content_id).encode())
        producer.send_offsets_to_transaction(positions, member, _CALL_S)
        producer.commit_transaction(_CALL_S)

    def _end_write(self) -> bool:
        """Wait for the transaction on its way; False when it was aborted and its events are read again."""
        if self._writing is None:
            return True
        (result, transaction), self._writing = self._writing, None
        try:
            transaction.result()
        except KafkaException as error:
            self._contract.forget(result)
            self._abort_after(error.args[0])
            return False
        self._totals["events"] += result.accepted + len(result.dead_letters)
        self._totals["dead_letters"] += len(result.dead_letters)
        self._totals["blocks"] += len(result.blocks)
        self._totals["contents"] += len(result.contents)
        return True

    def _abort_after(self, error: KafkaError) -> None:
        """Abort and go back to what the group has; nothing of the batch was written."""
        if error.fatal() or error.code() in {KafkaError._FENCED, KafkaError.PRODUCER_FENCED}:  # noqa: SLF001
            msg = (
                f"another intake with instance id {self._settings.intake.instance_id!r} has taken over ({error.str()})"
            )
            raise AlreadyRunningError(msg)
        log.warning("transaction aborted: %s; its events are read again", error.str())
        self._status.update(state="paused", waiting_for=error.str())
        self._abort()
        if self._settings.intake.transactional_id:
            msg = "a transactional id that has aborted isn't used again on this broker; start intake anew"
            raise UnavailableError(msg)
        time.sleep(_RETRY_S)
        self._rewind()

    def _rewind(self) -> None:
        """Read on from what the group has: whatever was read since belongs to nobody."""
        self._read_to, self._ahead = {}, None
        assigned = self._consumer.assignment()
        if not assigned:
            return
        try:
            for entry in self._consumer.committed(assigned, _CALL_S):
                start = entry.offset
                if start < 0:
                    start, _ = self._consumer.get_watermark_offsets(entry, timeout=_CALL_S)
                self._consumer.seek(TopicPartition(entry.topic, entry.partition, start))
            self._poller.forget()
        except KafkaException as again:
            msg = f"the broker doesn't say where intake stands: {again.args[0].str()}"
            raise UnavailableError(msg) from again

    def _abort(self) -> None:
        try:
            self._producer.abort_transaction(_CALL_S)
        except KafkaException as error:
            if error.args[0].fatal():
                msg = f"the transaction can't be aborted ({error.args[0].str()}); start intake again"
                raise UnavailableError(msg) from error
            log.warning("abort: %s", error.args[0].str())

    def _on_revoke(self, _consumer: Consumer, _partitions: Sequence[TopicPartition]) -> None:
        """Finish or abort before the partitions are given away: their events belong to somebody else then."""
        self._revoked = True
        self._end_write()

    def _incoming(self, message: Message) -> Incoming:
        place, key, headers = place_of(message), message.key(), headers_of(message)
        if self._settings.identity.hashed_emails:  # both go into dead letters
            key = key and without_emails(key)
            headers = [(name, value and without_emails(value)) for name, value in headers]
        return Incoming(place.topic, place.partition, place.offset, key, headers)

    def _report(self, *, idle: bool) -> None:
        self._status.update(
            state="ready" if self._consumer.assignment() else "starting",
            idle=idle,
            stages=self._stages.seconds,
            **self._totals,
        )


def _is_event(message: Message) -> bool:
    """Tell an event, empty ones too, from padding, from the end of a partition, and from other news."""
    error = message.error()
    if error is None:
        return bool(message.value()) or all(name != PADDING_HEADER for name, _ in headers_of(message))
    if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001
        refuse_lost_place(error)
        log.warning("%s", error.str())
    return False
