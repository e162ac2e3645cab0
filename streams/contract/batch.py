"""A micro-batch of Kafka messages, taken apart: blocks by target partition, dead letters, new content."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from streams.contract.columns import Group, Traits, blocks_of
from streams.contract.content import Content
from streams.contract.dead_letters import DeadLetter, Headers
from streams.contract.event import TYPES, Event, decode_event
from streams.contract.items import Items
from streams.contract.persons import Persons
from streams.contract.reasons import Reason
from streams.contract.times import INVALID
from streams.contract.tolerant import Limits, Refused, unpack

__all__ = ["Contract", "Incoming", "Result"]

_PLAIN_TYPES = frozenset(TYPES)
#: The shortest a property can be in JSON: `"a":1,`.
_BYTES_A_PROPERTY = 6


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
        self.items = Items()
        self._traits = Traits()

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
        dead: list[DeadLetter] = []
        groups = [Group() for _ in range(self._partitions)]
        origins: list[list[tuple[int, int]]] = [[] for _ in groups]
        suspects = self._suspects(values)
        users, resolve = self._persons.users, self._persons.resolve
        for i, value in enumerate(values):
            try:
                event = decode_event(value)
                person = users.get(event.user_id) or resolve(event.user_id, event.anonymous_id)
                plain = (
                    event.type in _PLAIN_TYPES
                    and person is not None
                    and i not in suspects
                    and (event.event if event.type == "track" else event.type in {"page", "screen", "identify"})
                    and not event.batch
                )
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                plain = False
            if plain:
                message_id = event.message_id
                if message_id.__class__ is not str or not message_id:
                    message_id = self._message_id(event, source(i), 0)
                groups[person[1]].add(event, person[0], record_ms[i], message_id)  # type: ignore[index, arg-type]
                origins[person[1]].append((i, 0))  # type: ignore[index]
                continue
            for index, found in enumerate(unpack(value, self._limits)):
                if isinstance(found, Refused):
                    dead.append(_letter(source(i), index, found.reason, value))
                    continue
                person = resolve(found.user_id, found.anonymous_id)
                if person is None:  # `unpack` has looked; said again for the reader and the type checker
                    dead.append(_letter(source(i), index, Reason.MISSING_IDENTITY, value))
                    continue
                groups[person[1]].add(found, person[0], record_ms[i], self._message_id(found, source(i), index))
                origins[person[1]].append((i, index))
        blocks: list[tuple[int, bytes]] = []
        accepted = 0
        for partition, group in enumerate(groups):
            at_us, clamped = group.times(self._tolerance_us)
            bad = np.flatnonzero(at_us == INVALID)
            if len(bad):
                for at in bad.tolist():
                    i, index = origins[partition][at]
                    dead.append(_letter(source(i), index, Reason.INVALID_TIMESTAMP, values[i]))
                at_us, clamped = np.delete(at_us, bad), np.delete(clamped, bad)
            good = group.without(bad) if len(bad) else group
            if good.events:
                made = blocks_of(good, at_us, clamped, self.items, self._traits, read_at_us)
                blocks += [(partition, block) for block in made]
                accepted += len(good.events)
        return Result(blocks, dead, self.items.take_new(), accepted)

    def _suspects(self, values: Sequence[bytes]) -> set[int]:
        """Return messages that the fast decoder might accept though a limit is passed: it skips what it doesn't know."""
        limits = self._limits
        long = min(limits.max_event_bytes, _BYTES_A_PROPERTY * limits.max_properties)
        deep = limits.max_depth
        found = {
            i for i, value in enumerate(values) if len(value) > long or value.count(b"{") + value.count(b"[") > deep
        }
        try:
            b"\n".join(values).decode()
        except UnicodeDecodeError:
            found |= {i for i, value in enumerate(values) if not _is_utf8(value)}
        return found

    @staticmethod
    def _message_id(event: Event, incoming: Incoming, index: int) -> str:
        """Return the dedup id: the messageId, else the event's place in the topic."""
        if event.message_id is not None and event.message_id != "":
            return str(event.message_id)
        return f"{incoming.topic}:{incoming.partition}:{incoming.offset}:{index}"


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


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
