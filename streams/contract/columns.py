"""The events of a batch as columns, and the blocks that are cut from them: one a target partition, or a few."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from streams.contract.block import Names, encode_block
from streams.contract.contexts import Contexts
from streams.contract.event import EMPTY_PROPERTIES, TYPES, Event
from streams.contract.items import Items
from streams.contract.spec import canonical_event

__all__ = ["Columns", "columns_of"]

#: Below Kafka's default of 1 MB for a message.
_MAX_BLOCK_BYTES = 900_000

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Columns:
    """Events in the order of their log; see `streams.contract.block.CLICKS_SCHEMA`."""

    person: Names
    at_us: npt.NDArray[np.int64]
    message_hash: npt.NDArray[np.uint64]
    type: npt.NDArray[np.uint8]
    event: Names
    categories: pa.ListArray
    contents: pa.ListArray
    price: npt.NDArray[np.float64]
    quantity: npt.NDArray[np.float64]
    revenue: npt.NDArray[np.float64]
    currency: Names
    device: Names
    country: Names
    channel: Names
    traits: Names
    source_ms: npt.NDArray[np.int64]
    clamped: npt.NDArray[np.bool_]

    @classmethod
    def joined(cls, parts: Sequence[Columns]) -> Columns:
        """Return the events of all parts, one after the other."""
        if len(parts) == 1:
            return parts[0]
        return cls(*(_joined([getattr(part, f.name) for part in parts]) for f in fields(cls)))

    def blocks(self, rows: Rows, read_at_us: int) -> Iterator[bytes]:
        """Yield the events in `rows` as one block, as several when one would be too large for a Kafka message."""
        data = encode_block({f.name: _taken(getattr(self, f.name), rows) for f in fields(self)}, read_at_us)
        if len(data) <= _MAX_BLOCK_BYTES or len(rows) == 1:
            yield data
            return
        for half in np.array_split(rows, 2):
            yield from self.blocks(half, read_at_us)


def columns_of(
    events: Sequence[Event], persons: Sequence[str], message_ids: Sequence[str], at_us: npt.NDArray[np.int64],
    clamped: npt.NDArray[np.bool_], source_ms: npt.NDArray[np.int64], items: Items, contexts: Contexts,
) -> Columns:  # fmt: skip
    """Return the columns of events whose persons, dedup ids and times are known; all arguments have one length."""
    properties = [event.properties or EMPTY_PROPERTIES for event in events]
    categories, contents = items.of_many(properties, at_us.tolist())
    of_event, of_property = _getter(events), _getter(properties)
    revenue = _floats(of_property("revenue"))
    table = contexts.table(of_event("context"), of_event("traits"))
    types = of_event("type")
    hashes = map(xxhash.xxh3_64_intdigest, map(str.encode, message_ids))
    return Columns(
        person=_names(persons),
        at_us=at_us,
        message_hash=np.fromiter(hashes, np.uint64, len(events)),
        type=np.fromiter(map(TYPES.__getitem__, types), np.uint8, len(events)),
        event=_event_names(types, of_event("event")),
        categories=_lists(categories, pa.utf8()),
        contents=_lists(contents, pa.uint64()),
        price=_floats(of_property("price")),
        quantity=_floats(of_property("quantity")),
        revenue=np.where(np.isnan(revenue), _floats(of_property("total")), revenue),
        currency=_names(of_property("currency")),
        device=_at(table.devices, table.codes),
        country=_at(table.countries, table.codes),
        channel=_names(of_event("channel")),
        traits=_at(table.traits, table.codes),
        source_ms=source_ms,
        clamped=clamped,
    )


def _getter(objects: Sequence[Any]) -> Callable[[str], list[Any]]:
    return lambda name: list(map(attrgetter(name), objects))


def _floats(values: list[float | None]) -> npt.NDArray[np.float64]:
    numbers: npt.NDArray[np.float64] = pa.array(values, pa.float64()).to_numpy(zero_copy_only=False)
    return numbers


def _names(texts: Sequence[str | None]) -> Names:
    return Names.of(pa.array(texts, pa.utf8()).dictionary_encode())


def _at(texts: Sequence[str | None], codes: npt.NDArray[np.int32]) -> Names:
    """Return texts[codes], each distinct text once."""
    names = _names(texts)
    return Names(names.codes[codes] if len(texts) else codes, names.values)


def _event_names(types: Sequence[str], names: Sequence[str | None]) -> Names:
    """Name what happened: a track event by its name, any other by its type."""
    given = _names([name if kind == "track" else kind for kind, name in zip(types, names, strict=True)])
    return _at([canonical_event(name) for name in given.values.to_pylist()], given.codes)


def _lists(lists: Sequence[list[Any]], kind: pa.DataType) -> pa.ListArray:
    """Return lists of numbers, or of texts."""
    offsets = np.zeros(len(lists) + 1, np.int32)
    np.cumsum(list(map(len, lists)), out=offsets[1:])
    flat = [value for values in lists for value in values]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat, kind))


def _joined(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], Names):
        chunks = pa.chunked_array([part.to_arrow() for part in parts]).unify_dictionaries().combine_chunks()
        return Names.of(chunks)
    return np.concatenate(parts) if isinstance(parts[0], np.ndarray) else pa.concat_arrays(parts)


def _taken(column: npt.NDArray[Any] | Names | pa.ListArray, rows: Rows) -> pa.Array:
    """Return a column's values in `rows`; a dictionary keeps only the names that occur in them."""
    if isinstance(column, Names):
        return Names(column.codes[rows], column.values).compact().to_arrow()
    if isinstance(column, np.ndarray):
        return pa.array(column[rows], from_pandas=True)  # NaN means that nothing was said
    lists = column.take(pa.array(rows))
    if not pa.types.is_string(lists.type.value_type):
        return lists
    return pa.ListArray.from_arrays(lists.offsets, lists.values.dictionary_encode())
