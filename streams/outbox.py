"""Records that somebody counts on: sent again when a broker has forgotten their producer, known to be there or not."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streams.errors import UnavailableError
from streams.kafka import QUEUE_FULL_S, produce, producer_config
from streams.settings import Settings

__all__ = ["Outbox"]

log = logging.getLogger(__name__)

#: Delivery reports are taken after so many records: asking costs as much as sending one.
_REPORTS_EVERY = 64
#: Records that are queued in one call.
_AT_ONCE = 1_000
#: librdkafka's default of `queue.buffering.max.messages`.
_QUEUED_BY_DEFAULT = 100_000
#: What an idempotent producer's records come back with once it is of no more use.
_PRODUCER_LOST = {
    KafkaError._FATAL,  # noqa: SLF001
    KafkaError._PURGE_QUEUE,  # noqa: SLF001
    KafkaError._PURGE_INFLIGHT,  # noqa: SLF001
    KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER,
    KafkaError.UNKNOWN_PRODUCER_ID,
    KafkaError.INVALID_PRODUCER_ID_MAPPING,
}


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
        Configuration of the producer. With `delivery.report.only.error` nobody hears of each record that arrived, which
        is cheaper for who flushes often: what was sent is kept until `flush`, and all of it goes out again when a
        producer is lost.

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
        self._waiting.clear()
        if failure is not None or left:
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
                self._served(lambda: self._producer.poll(QUEUE_FULL_S))
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
