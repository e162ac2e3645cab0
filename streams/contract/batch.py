"""A micro-batch of Kafka messages, taken apart: blocks by target partition, dead letters, new content."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from streams.contract.columns import Columns, columns_of
from streams.contract.content import Content
from streams.contract.contexts import Contexts
from streams.contract.dead_letters import DeadLetter, Headers
from streams.contract.emails import beside, email_ids, instead_of, without_emails
from streams.contract.event import Properties, decode_properties, encode_event
from streams.contract.fields import Field
from streams.contract.items import Items
from streams.contract.marks import Applied
from streams.contract.persons import People, Persons
from streams.contract.reasons import Reason
from streams.contract.spans import Spans
from streams.contract.times import INVALID, corrected
from streams.contract.tolerant import Limits, Refused, unpack

__all__ = ["Contract", "Incoming", "Result", "Walked"]

Int64s = npt.NDArray[np.int64]

_TIMES = (Field.TIMESTAMP, Field.ORIGINAL_TIMESTAMP, Field.SENT_AT, Field.RECEIVED_AT)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A Kafka message that needs a closer look."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: Headers


#: Tells topic, partition, offset, key and headers of message i of a batch; asked rarely.
Source = Callable[[int], Incoming]


@dataclass(frozen=True, slots=True)
class Walked:
    """A batch of values, and where their fields are; `read_at_us` is when that began."""

    values: Sequence[bytes]
    spans: Spans
    read_at_us: int


@dataclass(frozen=True, slots=True)
class Result:
    """What a batch becomes; a block is an Arrow stream, and its partition."""

    blocks: list[tuple[int, pa.Buffer]]
    dead_letters: list[DeadLetter]
    contents: list[Content]
    accepted: int


@dataclass(frozen=True, slots=True)
class _Part:
    """Events of a batch in the order of their log.

    Attributes
    ----------
    message, index : ndarray of int64
        Which value an event was in, and its place there.
    partitions : ndarray of int64
        Where it goes; -1 for an event that this part doesn't take.
    """

    columns: Columns
    message: Int64s
    index: Int64s
    partitions: Int64s


class Contract:
    """The contract of DESIGN 3, applied to batches of values.

    Parameters
    ----------
    partitions : int
        Of `userprism.clicks`.
    limits : Limits
        What a producer may send.
    future_tolerance_us : int
        How far ahead of the record time an event may be before it is clamped.
    """

    def __init__(self, partitions: int, limits: Limits, future_tolerance_us: int) -> None:
        self._partitions = partitions
        self._limits = limits
        self._tolerance_us = future_tolerance_us
        self._persons = Persons(partitions, limits.max_id_bytes)
        self._items = Items()
        self._contexts = Contexts()

    def walk(self, values: Sequence[bytes]) -> Walked:
        """Find the fields of a batch; another thread may do so while the batch before is taken apart."""
        read_at_us = time.time_ns() // 1000
        if self._limits.hashed_emails:
            values = [without_emails(value) for value in values]
        return Walked(values, Spans(values, self._limits), read_at_us)

    def apply(
        self, values: Sequence[bytes] | Walked, record_ms: Sequence[int], source: Source,
        applied: Applied | None = None,
    ) -> Result:  # fmt: skip
        """Take a batch apart.

        Parameters
        ----------
        values, record_ms : sequences of equal length
            Value and record time of each message; values that were walked over already stay so.
        source : callable
            Returns topic, partition, offset, key and headers of message i.
        applied : Applied, optional
            Events that count already; they are left out.
        """
        walked = values if isinstance(values, Walked) else self.walk(values)
        values, spans = walked.values, walked.spans
        source_ms = np.array(record_ms, np.int64)
        everything = np.arange(len(values))
        plain = self._part(spans, everything, np.zeros_like(everything), source_ms, source)
        mended = _mended(values, np.flatnonzero(plain.partitions < 0).tolist(), self._limits)
        parts, refused = [plain], mended.refused
        if mended.values:
            again = Spans(mended.values, self._limits, trusted=True)
            slow = self._part(again, np.array(mended.message), np.array(mended.index), source_ms, source)
            # All that `unpack` doesn't look at is where skew or the calendar takes a time that can be read.
            refused += [
                (mended.message[i], mended.index[i], Reason.INVALID_TIMESTAMP)
                for i in np.flatnonzero(slow.partitions < 0).tolist()
            ]
            parts.append(slow)
        partitions = np.concatenate([part.partitions for part in parts])
        place = [np.concatenate([part.index for part in parts]), np.concatenate([part.message for part in parts])]
        if applied is not None:
            came = [source(i) for i in place[1].tolist()]
            known = applied.mask(partitions, [one.partition for one in came], [one.offset for one in came])
            partitions = np.where(known, -1, partitions)
        order = np.lexsort([*place, partitions]) if len(parts) > 1 else np.argsort(partitions, kind="stable")
        starts = np.searchsorted(partitions[order], np.arange(self._partitions + 1))
        columns = Columns.joined([part.columns for part in parts])
        return Result(
            blocks=[
                (partition, block)
                for partition in np.flatnonzero(np.diff(starts)).tolist()
                for block in columns.blocks(order[starts[partition] : starts[partition + 1]], walked.read_at_us)
            ],
            dead_letters=[_letter(source(i), index, reason, values[i]) for i, index, reason in sorted(refused)],
            contents=self._items.take_new(),
            accepted=int(starts[-1] - starts[0]),
        )

    def forget(self, result: Result) -> None:
        """Take note that a result wasn't sent: its content is new again."""
        self._items.forget(result.contents)

    def _people(self, spans: Spans) -> People:
        """Return whose events are, by their userId, anonymousId and, where that is wanted, e-mail address."""
        users, anonymous = spans.names(Field.USER_ID), spans.names(Field.ANONYMOUS_ID)
        if not self._limits.hashed_emails:
            return self._persons.resolve_many(users, anonymous)
        table = self._contexts.table(spans.raws(Field.CONTEXT), spans.raws(Field.TRAITS))
        emails = email_ids(table.traits, table.codes)
        people = self._persons.resolve_many(users, instead_of(anonymous, emails))
        both = (people.anonymous.codes >= 0) & (anonymous.codes >= 0)
        return people._replace(anonymous=beside(people.anonymous, emails, both))

    def _part(self, spans: Spans, message: Int64s, index: Int64s, record_ms: Int64s, source: Source) -> _Part:
        """Read the columns of plain events; whatever has no owner or no time is left out."""
        rich = _rich_properties(spans)
        source_ms = record_ms[message]
        people = self._people(spans)
        timestamp, original, sent, received = map(spans.times, _TIMES)
        at_us, clamped = corrected(timestamp, original, sent, received, source_ms * 1000, self._tolerance_us)
        taken = spans.plain & (people.partitions >= 0) & (at_us != INVALID)
        spans.drop(~taken)
        hashes = _message_hashes(spans, message, index, source)
        rich = {row: properties for row, properties in rich.items() if taken[row]}
        return _Part(
            columns_of(spans, people, hashes, at_us, clamped, source_ms, rich, self._items, self._contexts),
            message,
            index,
            np.where(taken, people.partitions, -1),
        )


@dataclass(slots=True)
class _Mended:
    """What the slow road makes of values: events as plain JSON, and those that were refused with their reason."""

    values: list[bytes] = field(default_factory=list)
    message: list[int] = field(default_factory=list)
    index: list[int] = field(default_factory=list)
    refused: list[tuple[int, int, Reason]] = field(default_factory=list)


def _mended(values: Sequence[bytes], rows: Sequence[int], limits: Limits) -> _Mended:
    mended = _Mended()
    for row in rows:
        for index, found in enumerate(unpack(values[row], limits)):
            if isinstance(found, Refused):
                mended.refused.append((row, index, found.reason))
                continue
            mended.values.append(encode_event(found))
            mended.message.append(row)
            mended.index.append(index)
    return mended


def _rich_properties(spans: Spans) -> dict[int, Properties]:
    """Read what the columns can't say; an event whose properties need mending isn't plain."""
    found: dict[int, Properties] = {}
    broken = np.zeros(len(spans), np.bool_)
    for row in np.flatnonzero(spans.rich).tolist():
        try:
            found[row] = decode_properties(spans.raw(Field.PROPERTIES, row))
        except msgspec.DecodeError:
            broken[row] = True
    spans.drop(broken)
    return found


def _message_hashes(spans: Spans, message: Int64s, index: Int64s, source: Source) -> npt.NDArray[np.uint64]:
    """Hash the messageId as text, else the event's place in the topic."""
    ids = spans.texts(Field.MESSAGE_ID)
    for row in np.flatnonzero(spans.plain & ~spans.says(Field.MESSAGE_ID)).tolist():
        came = source(int(message[row]))
        ids[row] = f"{came.topic}:{came.partition}:{came.offset}:{index[row]}".encode()
    return np.fromiter(map(xxhash.xxh3_64_intdigest, ids), np.uint64, len(ids))


def _letter(incoming: Incoming, index: int, reason: Reason, value: bytes) -> DeadLetter:
    return DeadLetter(
        topic=incoming.topic,
        partition=incoming.partition,
        offset=incoming.offset,
        index=index,
        reason=reason.value,
        at_ms=time.time_ns() // 1_000_000,
        key=incoming.key,
        value=value,
        headers=incoming.headers,
    )
