"""The events of a batch as columns, and the blocks that are cut from them: one a target partition, or a few."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from streams.contract.block import Block, Names, batch_of, encode_block
from streams.contract.contexts import Contexts
from streams.contract.event import TYPES, Properties, decode_properties
from streams.contract.fields import Field
from streams.contract.items import Items
from streams.contract.persons import People
from streams.contract.spans import Spans
from streams.contract.spec import canonical_event

__all__ = ["Columns", "columns_of"]

#: Below Kafka's default of 1 MB for a message, even of what can't be compressed.
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
    anonymous: Names

    @classmethod
    def renamed(cls, block: Block, person: Names, anonymous: Names) -> Columns:
        """Return the events of a block as other people's."""
        categories = pa.ListArray.from_arrays(block.category_offsets, block.categories.to_arrow())
        contents = pa.ListArray.from_arrays(block.content_offsets, block.contents)
        own = {"person": person, "anonymous": anonymous, "categories": categories, "contents": contents}
        return cls(**{f.name: own[f.name] if f.name in own else getattr(block, f.name) for f in fields(cls)})

    @classmethod
    def joined(cls, parts: Sequence[Columns]) -> Columns:
        """Return the events of all parts, one after the other."""
        if len(parts) == 1:
            return parts[0]
        return cls(*(_joined([getattr(part, f.name) for part in parts]) for f in fields(cls)))

    def blocks(self, rows: Rows, read_at_us: int) -> Iterator[pa.Buffer]:
        """Yield the events in `rows` as one block, as several when one would be too large for a Kafka message."""
        stream = encode_block(self._batch(rows, read_at_us))
        if stream.size <= _MAX_BLOCK_BYTES or len(rows) == 1:
            yield stream
            return
        for half in np.array_split(rows, 2):
            yield from self.blocks(half, read_at_us)

    def blocks_by(self, group: Rows, rows: Rows, read_at_us: int) -> Iterator[tuple[int, pa.Buffer]]:
        """Yield (group, block) for the events in `rows`, of which event i is in `group[i]`; see `blocks`.

        Names are looked for once: a block has those of all groups.
        """
        order = np.argsort(group, kind="stable")
        group, rows = group[order], rows[order]
        batch = self._batch(rows, read_at_us)
        starts = np.flatnonzero(np.diff(group, prepend=-1, append=-1)).tolist()
        for begin, end in pairwise(starts):
            stream = encode_block(batch.slice(begin, end - begin))
            pieces = [stream] if stream.size <= _MAX_BLOCK_BYTES else self.blocks(rows[begin:end], read_at_us)
            for piece in pieces:
                yield int(group[begin]), piece

    def _batch(self, rows: Rows, read_at_us: int) -> pa.RecordBatch:
        return batch_of({f.name: _taken(getattr(self, f.name), rows) for f in fields(self)}, read_at_us)


def columns_of(
    spans: Spans, people: People, message_hash: npt.NDArray[np.uint64], at_us: npt.NDArray[np.int64],
    clamped: npt.NDArray[np.bool_], source_ms: npt.NDArray[np.int64], rich: Mapping[int, Properties], items: Items,
    contexts: Contexts,
) -> Columns:  # fmt: skip
    """Return the columns of events whose persons, dedup ids and times are known; all arrays have one length."""
    categories, contents = items.of_many(
        spans.items(), spans.names(Field.CATEGORY), rich,
        lambda row: decode_properties(spans.raw(Field.PROPERTIES, row)), at_us,
    )  # fmt: skip
    revenue = spans.numbers(Field.REVENUE)
    table = contexts.table(spans.raws(Field.CONTEXT), spans.raws(Field.TRAITS))
    return Columns(
        person=people.names,
        at_us=at_us,
        message_hash=message_hash,
        type=spans.types.astype(np.uint8),
        event=_event_names(spans),
        categories=categories,
        contents=contents,
        price=spans.numbers(Field.PRICE),
        quantity=spans.numbers(Field.QUANTITY),
        revenue=np.where(np.isnan(revenue), spans.numbers(Field.TOTAL), revenue),
        currency=_filled(spans.names(Field.CURRENCY)),
        device=_at(table.devices, table.codes),
        country=_at(table.countries, table.codes),
        channel=_filled(spans.names(Field.CHANNEL)),
        traits=_at(table.traits, table.codes),
        source_ms=source_ms,
        clamped=clamped,
        anonymous=people.anonymous,
    )


def _filled(names: Names) -> Names:
    """Take empty texts for none."""
    empty = pc.index(names.values, "").as_py()
    return names if empty < 0 else Names(np.where(names.codes == empty, -1, names.codes).astype(np.int32), names.values)


def _at(texts: Sequence[str | None], codes: npt.NDArray[np.int32]) -> Names:
    """Return texts[codes], each distinct text once."""
    names = Names.of(pa.array(texts, pa.utf8()).dictionary_encode())
    return Names(names.codes[codes] if len(texts) else codes, names.values)


def _event_names(spans: Spans) -> Names:
    """Name what happened: a track event by its name, any other by its type."""
    names = spans.names(Field.EVENT)
    said = [*map(canonical_event, names.values.to_pylist()), *TYPES]
    codes = np.where(spans.types == TYPES["track"], names.codes, len(names.values) + spans.types)
    return _at(said, codes.astype(np.int32))


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
    if pa.types.is_dictionary(lists.type.value_type):
        return pa.ListArray.from_arrays(lists.offsets, Names.of(lists.values).compact().to_arrow())
    if pa.types.is_string(lists.type.value_type):
        return pa.ListArray.from_arrays(lists.offsets, lists.values.dictionary_encode())
    return lists
