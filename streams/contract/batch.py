"""A micro-batch of Kafka messages, taken apart: blocks by target partition, dead letters, new content."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
import numpy.typing as npt

from streams.contract.columns import Columns, columns_of
from streams.contract.content import Content
from streams.contract.contexts import Contexts
from streams.contract.dead_letters import DeadLetter, Headers
from streams.contract.event import Event, decode_event
from streams.contract.items import Items
from streams.contract.persons import Person, Persons
from streams.contract.reasons import Reason
from streams.contract.scan import needs_a_closer_look
from streams.contract.times import INVALID, event_times
from streams.contract.tolerant import Limits, Refused, unpack

__all__ = ["Contract", "Incoming", "Result"]

#: What the fast road takes beside tracks that have a name; whatever else has more to be checked.
_NAMED_BY_TYPE = frozenset({"page", "screen", "identify"})
#: The shortest a property can be in JSON: `"a":1,`.
_BYTES_A_PROPERTY = 6
#: Events are taken apart in pieces whose Python objects fit a processor's own cache: 4.8 us an event instead of 6.7.
_PIECE = 1000
#: Stands for what the fast decoder doesn't read; it belongs to nobody.
_UNREAD = Event()


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
class Result:
    """What a batch becomes."""

    blocks: list[tuple[int, bytes]]
    dead_letters: list[DeadLetter]
    contents: list[Content]
    accepted: int


@dataclass(slots=True)
class _Read:
    """The events of a batch in the order of their log, and (message, index, reason) of those that were refused.

    Attributes
    ----------
    message, index : list of int
        Which value an event was in, and its place there.
    """

    events: list[Event] = field(default_factory=list)
    persons: list[Person] = field(default_factory=list)
    message: list[int] = field(default_factory=list)
    index: list[int] = field(default_factory=list)
    refused: list[tuple[int, int, Reason]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Piece:
    """What a piece of a batch becomes; an event that is refused for its time has partition -1."""

    columns: Columns
    partitions: npt.NDArray[np.int64]
    dead_letters: list[DeadLetter]


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

    def apply(self, values: Sequence[bytes], record_ms: Sequence[int], source: Source) -> Result:
        """Take a batch apart.

        Parameters
        ----------
        values, record_ms : sequences of equal length
            Value and record time of each message.
        source : callable
            Returns topic, partition, offset, key and headers of message i.
        """
        read_at_us = time.time_ns() // 1000
        pieces = [
            self._piece(values[at : at + _PIECE], record_ms[at : at + _PIECE], at, source)
            for at in range(0, len(values), _PIECE)
        ]
        partitions = np.concatenate([piece.partitions for piece in pieces])
        order = np.argsort(partitions, kind="stable")
        starts = np.searchsorted(partitions[order], np.arange(self._partitions + 1))
        columns = Columns.joined([piece.columns for piece in pieces])
        return Result(
            blocks=[
                (partition, block)
                for partition in np.flatnonzero(np.diff(starts)).tolist()
                for block in columns.blocks(order[starts[partition] : starts[partition + 1]], read_at_us)
            ],
            dead_letters=[letter for piece in pieces for letter in piece.dead_letters],
            contents=self._items.take_new(),
            accepted=int(starts[-1] - starts[0]),
        )

    def forget(self, result: Result) -> None:
        """Take note that a result wasn't sent: its content is new again."""
        self._items.forget(result.contents)

    def _piece(self, values: Sequence[bytes], record_ms: Sequence[int], first: int, source: Source) -> _Piece:
        """Take a piece of the batch apart; `source` counts from the batch's start, `first` is its place there."""
        read = self._read(values)
        source_ms = np.array(record_ms, np.int64)[np.array(read.message, np.int64)]
        at_us, clamped = event_times(read.events, source_ms * 1000, self._tolerance_us)
        bad_time = at_us == INVALID
        read.refused += [(read.message[i], read.index[i], Reason.INVALID_TIMESTAMP) for i in np.flatnonzero(bad_time)]
        columns = columns_of(
            read.events, [person for person, _ in read.persons],
            _message_ids(read, lambda i: source(first + i)), at_us, clamped, source_ms, self._items, self._contexts,
        )  # fmt: skip
        return _Piece(
            columns,
            np.where(bad_time, -1, np.array([partition for _, partition in read.persons], np.int64)),
            [_letter(source(first + i), index, reason, values[i]) for i, index, reason in read.refused],
        )

    def _read(self, values: Sequence[bytes]) -> _Read:
        """Decode; what isn't plainly one event goes down the slow road, and keeps its place."""
        events = _decoded(values)
        persons = self._persons.resolve_many(events)
        read, start = _Read(), 0
        for i in [*self._not_plain(values, events, persons), len(values)]:
            read.events += events[start:i]
            read.persons += persons[start:i]  # type: ignore[arg-type]  # whoever is nobody isn't plain
            read.message += range(start, i)
            read.index += [0] * (i - start)
            if i < len(values):
                self._read_slowly(values[i], i, read)
            start = i + 1
        return read

    def _not_plain(self, values: Sequence[bytes], events: list[Event], persons: list[Person | None]) -> list[int]:
        limits = self._limits
        long = min(limits.max_event_bytes, _BYTES_A_PROPERTY * limits.max_properties)
        suspicious = needs_a_closer_look(values, long, limits.max_depth).tolist()
        return [
            i
            for i, (event, person, suspect) in enumerate(zip(events, persons, suspicious, strict=True))
            if suspect
            or person is None
            or event.batch
            or not (event.event if event.type == "track" else event.type in _NAMED_BY_TYPE)
        ]

    def _read_slowly(self, value: bytes, i: int, read: _Read) -> None:
        for index, found in enumerate(unpack(value, self._limits)):
            if isinstance(found, Refused):
                read.refused.append((i, index, found.reason))
                continue
            person = self._persons.resolve(found.user_id, found.anonymous_id)
            if person is None:  # `unpack` has looked; said again for the reader and the type checker
                read.refused.append((i, index, Reason.MISSING_IDENTITY))
                continue
            read.events.append(found)
            read.persons.append(person)
            read.message.append(i)
            read.index.append(index)


def _decoded(values: Sequence[bytes]) -> list[Event]:
    """Decode each value; `_UNREAD` takes the place of what the fast decoder refuses."""
    events: list[Event] = []
    decoding = map(decode_event, values)
    while len(events) < len(values):
        try:
            events.extend(decoding)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # keeps what came before, and goes on behind
            events.append(_UNREAD)
    return events


def _message_ids(read: _Read, source: Source) -> list[str]:
    """Return the dedup ids: the messageId as text, else the event's place in the topic."""
    ids = [event.message_id for event in read.events]
    for row in [row for row, given in enumerate(ids) if given.__class__ is not str or not given]:
        if ids[row] is None or ids[row] == "":
            came = source(read.message[row])
            ids[row] = f"{came.topic}:{came.partition}:{came.offset}:{read.index[row]}"
    return [str(given) for given in ids]


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
