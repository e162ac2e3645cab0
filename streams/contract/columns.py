"""Events of one target partition become the columns of a block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from streams.contract.block import encode_block
from streams.contract.event import EMPTY_CONTEXT, EMPTY_PROPERTIES, TYPES, Event
from streams.contract.items import Items
from streams.contract.spec import canonical_event
from streams.contract.times import INVALID, corrected, parse_many

__all__ = ["Group", "Traits", "blocks_of"]

#: Below Kafka's default of 1 MB for a message.
_MAX_BLOCK_BYTES = 900_000
_TEXTS_KEPT = 100_000
_MOST_TRAITS = 64
_LONGEST_TRAIT = 256


@dataclass(slots=True)
class Group:
    """Events for one target partition, in their order.

    Attributes
    ----------
    record_ms : list of int
        Kafka record time of each event's message.
    message_ids : list of str
        The dedup id of each event.
    """

    events: list[Event] = field(default_factory=list)
    persons: list[str] = field(default_factory=list)
    record_ms: list[int] = field(default_factory=list)
    message_ids: list[str] = field(default_factory=list)

    def add(self, event: Event, person: str, record_ms: int, message_id: str) -> None:
        """Append one event."""
        self.events.append(event)
        self.persons.append(person)
        self.record_ms.append(record_ms)
        self.message_ids.append(message_id)

    def times(self, tolerance_us: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Return (event time in us, clamped) of each event; INVALID where it can't be read."""
        events = self.events
        return corrected(
            parse_many([e.timestamp for e in events]),
            parse_many([e.original_timestamp for e in events]),
            parse_many([e.sent_at for e in events]),
            parse_many([e.received_at for e in events]),
            np.array(self.record_ms, np.int64) * 1000,
            tolerance_us,
        )

    def without(self, bad: npt.NDArray[np.int64]) -> Group:
        """Return the same without the events at these indices."""
        keep = np.ones(len(self.events), bool)
        keep[bad] = False
        at = np.flatnonzero(keep).tolist()
        return Group(
            *([column[i] for i in at] for column in (self.events, self.persons, self.record_ms, self.message_ids))
        )  # type: ignore[misc]


class Traits:
    """Raw JSON objects of traits as flat JSON text {key: text}; the same object comes again and again."""

    def __init__(self) -> None:
        self._known: dict[bytes, str | None] = {}

    def text(self, *raws: msgspec.Raw) -> str | None:
        """Return the flat text of the objects, the later ones winning; None if there is nothing in them."""
        present = [bytes(raw) for raw in raws if raw]
        if not present:
            return None
        key = b"\0".join(present)
        if key not in self._known:
            if len(self._known) >= _TEXTS_KEPT:
                self._known.clear()
            flat: dict[str, str] = {}
            for raw in present:
                flat |= _flat(raw)
            chosen = dict(list(flat.items())[:_MOST_TRAITS])
            self._known[key] = msgspec.json.encode(chosen).decode() if chosen else None
        return self._known[key]


def blocks_of(
    group: Group, at_us: npt.NDArray[np.int64], clamped: npt.NDArray[np.bool_], items: Items, traits: Traits, read_at_us: int
) -> list[bytes]:  # fmt: skip
    """Return the events as one block, as several when one would be too large for a Kafka message."""
    if (at_us == INVALID).any():
        msg = "events whose time can't be read reached the columns"
        raise ValueError(msg)
    columns = _columns(group, at_us, clamped, items, traits)
    return _encoded(columns, read_at_us)


def _encoded(columns: dict[str, pa.Array], read_at_us: int) -> list[bytes]:
    data = encode_block(columns, read_at_us)
    n = len(columns["at_us"])
    if len(data) <= _MAX_BLOCK_BYTES or n == 1:
        return [data]
    halves = ({name: _compact(column.slice(start, length)) for name, column in columns.items()}
              for start, length in ((0, n // 2), (n // 2, n - n // 2)))  # fmt: skip
    return [block for half in halves for block in _encoded(half, read_at_us)]


def _compact(column: pa.Array) -> pa.Array:
    """Copy a slice so that it carries only its own values."""
    if pa.types.is_dictionary(column.type):
        return column.cast(pa.utf8()).dictionary_encode().cast(column.type)
    if pa.types.is_list(column.type) and pa.types.is_dictionary(column.type.value_type):
        values = column.flatten()
        lengths = np.diff(column.offsets.to_numpy())
        offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), values.cast(pa.utf8()).dictionary_encode().cast(values.type))
    return pa.concat_arrays([column])


def _columns(
    group: Group, at_us: npt.NDArray[np.int64], clamped: npt.NDArray[np.bool_], items: Items, traits: Traits
) -> dict[str, pa.Array]:
    events = group.events
    properties = [e.properties or EMPTY_PROPERTIES for e in events]
    contexts = [e.context or EMPTY_CONTEXT for e in events]
    touched = [items.of(p, at) for p, at in zip(properties, at_us.tolist(), strict=True)]
    hash_of = xxhash.xxh3_64_intdigest
    return {
        "person": _names(group.persons),
        "at_us": pa.array(at_us),
        "message_hash": pa.array([hash_of(text.encode()) for text in group.message_ids], pa.uint64()),
        "type": pa.array(np.array([TYPES[e.type] for e in events], np.uint8)),
        "event": _event_names(events),
        "categories": _lists([categories for categories, _ in touched]),
        "contents": _ids([contents for _, contents in touched]),
        "price": pa.array([p.price for p in properties], pa.float64()),
        "quantity": pa.array([p.quantity for p in properties], pa.float64()),
        "revenue": pa.array([p.revenue if p.revenue is not None else p.total for p in properties], pa.float64()),
        "currency": _names([p.currency for p in properties]),
        "device": _names([c.device and c.device.type for c in contexts]),
        "country": _names([c.location and c.location.country for c in contexts]),
        "channel": _names([e.channel for e in events]),
        "traits": _names(
            [
                traits.text(c.traits, e.traits) if c.traits or e.traits else None
                for c, e in zip(contexts, events, strict=True)
            ]
        ),
        "source_ms": pa.array(group.record_ms, pa.int64()),
        "clamped": pa.array(clamped),
    }


def _names(texts: Sequence[str | None]) -> pa.Array:
    return pa.array(texts, pa.utf8()).dictionary_encode()


def _event_names(events: Sequence[Event]) -> pa.Array:
    """Name what happened: a track event by its name, any other by its type."""
    encoded = _names([e.event if e.type == "track" else e.type for e in events])
    names = [canonical_event(name) for name in encoded.dictionary.to_pylist()]
    if len(set(names)) == len(names):
        return pa.DictionaryArray.from_arrays(encoded.indices, pa.array(names, pa.utf8()))
    return pa.array(names, pa.utf8()).take(encoded.indices).dictionary_encode()


def _lists(lists: Sequence[list[str]]) -> pa.Array:
    flat = [text for texts in lists for text in texts]
    return pa.ListArray.from_arrays(_offsets(lists), _names(flat))


def _ids(lists: Sequence[list[int]]) -> pa.Array:
    flat = np.array([number for numbers in lists for number in numbers], np.uint64)
    return pa.ListArray.from_arrays(_offsets(lists), pa.array(flat))


def _offsets(lists: Sequence[list[str]] | Sequence[list[int]]) -> pa.Array:
    offsets = np.zeros(len(lists) + 1, np.int32)
    np.cumsum([len(entry) for entry in lists], out=offsets[1:])
    return pa.array(offsets)


def _flat(raw: bytes) -> dict[str, str]:
    try:
        tree = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return {}
    flat: dict[str, str] = {}
    for key, value in tree.items() if isinstance(tree, dict) else ():
        inner = value.items() if isinstance(value, dict) else [("", value)]
        for name, given in inner:
            scalar = str(given).lower() if isinstance(given, bool) else given
            if isinstance(scalar, str | int | float) and scalar != "":
                flat[f"{key}.{name}" if name else str(key)] = str(scalar)[:_LONGEST_TRAIT]
    return flat
