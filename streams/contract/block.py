"""A block of clicks: what intake writes and the profiler reads. One Kafka message, one Arrow record batch (DESIGN 4).

The schema has a version of its own; a reader refuses what it doesn't know instead of guessing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.contract.frames import opened

__all__ = [
    "BLOCK_VERSION", "CLICKS_SCHEMA", "Block", "BlockError", "Names", "batch_of", "decode_block", "encode_block",
    "join_blocks",
]  # fmt: skip

BLOCK_VERSION = 1

_NAMES = pa.dictionary(pa.int32(), pa.utf8())

#: One row an event; see docs/events.md for where each column comes from. A block whose events name nobody twice goes
#: without the last column.
CLICKS_SCHEMA = pa.schema(
    [
        pa.field("person", _NAMES, nullable=False),
        pa.field("at_us", pa.int64(), nullable=False),
        pa.field("message_hash", pa.uint64(), nullable=False),
        pa.field("type", pa.uint8(), nullable=False),
        pa.field("event", _NAMES, nullable=False),
        pa.field("categories", pa.list_(_NAMES), nullable=False),
        pa.field("contents", pa.list_(pa.uint64()), nullable=False),
        pa.field("price", pa.float64()),
        pa.field("quantity", pa.float64()),
        pa.field("revenue", pa.float64()),
        pa.field("currency", _NAMES),
        pa.field("device", _NAMES),
        pa.field("country", _NAMES),
        pa.field("channel", _NAMES),
        pa.field("traits", _NAMES),
        pa.field("source_ms", pa.int64(), nullable=False),
        pa.field("clamped", pa.bool_(), nullable=False),
        pa.field("anonymous", _NAMES),
    ]
)
_WITHOUT_ANONYMOUS = pa.schema(list(CLICKS_SCHEMA)[:-1])
_REQUIRED = [place for place, field in enumerate(CLICKS_SCHEMA) if not field.nullable]
_HASH, _CONTENTS = (CLICKS_SCHEMA.get_field_index(name) for name in ("message_hash", "contents"))

#: column of `Block` -> the one that says which of its items are whose
_ITEMS = {"categories": "category_offsets", "contents": "content_offsets"}

_READ_AT = b"read_at_us"
_VERSION = b"userprism_block"


class BlockError(ValueError):
    """Bytes that are no block of a version we know."""


@dataclass(frozen=True, slots=True)
class Names:
    """A dictionary-encoded column.

    Attributes
    ----------
    codes : ndarray of int32, shape (n,)
        Index into `values`; -1 where the event has none.
    values : pyarrow.StringArray
        The distinct names of this block.
    """

    codes: npt.NDArray[np.int32]
    values: pa.StringArray

    @classmethod
    def of(cls, array: pa.DictionaryArray) -> Names:
        """Read an Arrow dictionary."""
        codes = array.indices
        return cls((codes.fill_null(-1) if codes.null_count else codes).to_numpy(), array.dictionary)

    @classmethod
    def nothing(cls, rows: int) -> Names:
        """Return a column in which no event has a name."""
        return cls(np.full(rows, -1, np.int32), pa.array([], pa.utf8()))

    @classmethod
    def joined(cls, parts: Sequence[Names]) -> Names:
        """Return columns one after the other; a name that several have is there as often."""
        first = np.cumsum([0, *(len(part.values) for part in parts[:-1])], dtype=np.int32)
        codes = [np.where(part.codes < 0, -1, part.codes + begin) for part, begin in zip(parts, first, strict=True)]
        return cls(np.concatenate(codes), pa.concat_arrays([part.values for part in parts]))

    def __getitem__(self, some: slice) -> Names:
        return Names(self.codes[some], self.values)

    def to_arrow(self) -> pa.DictionaryArray:
        """Return an Arrow dictionary, null for -1."""
        missing = self.codes < 0
        return pa.DictionaryArray.from_arrays(
            pa.array(self.codes, mask=missing if missing.any() else None), self.values
        )

    def compact(self) -> Names:
        """Return the same with those values only that occur."""
        used = np.zeros(len(self.values) + 1, np.bool_)
        used[self.codes] = True
        used[-1] = False  # where -1 points to
        if used[:-1].all():
            return self
        place = np.cumsum(used, dtype=np.int32) - 1
        place[-1] = -1
        return Names(place[self.codes], self.values.take(pa.array(np.flatnonzero(used))))


@dataclass(frozen=True, slots=True)
class Block:
    """Events of one partition, as columns over the message's own memory.

    Attributes
    ----------
    categories, contents : list columns
        Row i holds items `offsets[i]:offsets[i + 1]`.
    price, quantity, revenue : ndarray of float64
        NaN where the event has none.
    anonymous : Names
        The anonymousId beside the userId that is the person; with an e-mail id both, NUL between them.
    """

    read_at_us: int
    person: Names
    at_us: npt.NDArray[np.int64]
    message_hash: npt.NDArray[np.uint64]
    type: npt.NDArray[np.uint8]
    event: Names
    category_offsets: npt.NDArray[np.int32]
    categories: Names
    content_offsets: npt.NDArray[np.int32]
    contents: npt.NDArray[np.uint64]
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

    def __len__(self) -> int:
        return len(self.at_us)


def batch_of(columns: Mapping[str, pa.Array], read_at_us: int) -> pa.RecordBatch:
    """Return columns of `CLICKS_SCHEMA` as what `encode_block` writes.

    Parameters
    ----------
    columns : mapping of str to pyarrow.Array
        One array a field, all of one length.
    read_at_us : int
        When intake read the first event of the block, wall clock.
    """
    named = columns["anonymous"].null_count < len(columns["anonymous"])
    schema = CLICKS_SCHEMA if named else _WITHOUT_ANONYMOUS
    schema = schema.with_metadata({_VERSION: str(BLOCK_VERSION).encode(), _READ_AT: str(read_at_us).encode()})
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def encode_block(batch: pa.RecordBatch) -> pa.Buffer:
    """Write a block, or a slice of one, as one Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def decode_block(data: bytes | pa.Buffer) -> Block:
    """Read a block back, in a frame or not; arrays are views of one buffer wherever Arrow allows.

    Raises
    ------
    BlockError
        Not an Arrow stream, another schema or version, or inconsistent inside.
    """
    read_at_us, batch = _checked(data)
    column = dict(zip(batch.schema.names, batch.columns, strict=True))
    categories, contents = column["categories"], column["contents"]
    return Block(
        read_at_us=read_at_us,
        person=Names.of(column["person"]),
        at_us=column["at_us"].to_numpy(),
        message_hash=column["message_hash"].to_numpy(),
        type=column["type"].to_numpy(),
        event=Names.of(column["event"]),
        category_offsets=categories.offsets.to_numpy(),
        categories=Names.of(categories.values),
        content_offsets=contents.offsets.to_numpy(),
        contents=contents.values.to_numpy(),
        price=_floats(column["price"]),
        quantity=_floats(column["quantity"]),
        revenue=_floats(column["revenue"]),
        currency=Names.of(column["currency"]),
        device=Names.of(column["device"]),
        country=Names.of(column["country"]),
        channel=Names.of(column["channel"]),
        traits=Names.of(column["traits"]),
        source_ms=column["source_ms"].to_numpy(),
        clamped=column["clamped"].to_numpy(zero_copy_only=False),
        anonymous=Names.of(column["anonymous"]) if "anonymous" in column else Names.nothing(len(batch)),
    )


def join_blocks(blocks: Sequence[Block]) -> Block:
    """Return the events of blocks one after the other, read when the first of them was."""
    if len(blocks) == 1:
        return blocks[0]
    columns: dict[str, Any] = {}
    for name in (f.name for f in fields(Block)):
        parts = [getattr(block, name) for block in blocks]
        if name == "read_at_us":
            columns[name] = min(parts)
        elif name in _ITEMS:
            ends = [getattr(block, _ITEMS[name])[[0, -1]] for block in blocks]
            columns[name] = _end_to_end([part[begin:end] for part, (begin, end) in zip(parts, ends, strict=True)])
        elif name in _ITEMS.values():
            columns[name] = np.cumsum(np.concatenate([[0], *map(np.diff, parts)]), dtype=np.int32)
        else:
            columns[name] = _end_to_end(parts)
    return Block(**columns)


def _end_to_end(parts: Sequence[Any]) -> Any:
    return Names.joined(parts) if isinstance(parts[0], Names) else np.concatenate(parts)


def decode_ids(data: bytes | pa.Buffer) -> npt.NDArray[np.uint64]:
    """Read the message hashes of a block that is known otherwise; a block is refused where `decode_block` refuses it.

    Raises
    ------
    BlockError
        As `decode_block` does.
    """
    _, batch = _checked(data)
    hashes: npt.NDArray[np.uint64] = batch.column(_HASH).to_numpy()
    return hashes


def _checked(data: bytes | pa.Buffer) -> tuple[int, pa.RecordBatch]:
    """Return when a block was read (us), and its columns: they are what they have to be."""
    try:
        reader = pa.ipc.open_stream(opened(data))
        batch = reader.read_next_batch()
        batch.validate(full=True)
        metadata = reader.schema.metadata or {}
        version = metadata.get(_VERSION)
        if version != str(BLOCK_VERSION).encode():
            msg = f"a block of version {version!r}; this userprism reads version {BLOCK_VERSION}"
            raise BlockError(msg)
        if not any(batch.schema.equals(known, check_metadata=False) for known in (_WITHOUT_ANONYMOUS, CLICKS_SCHEMA)):
            msg = f"a block with columns {batch.schema.names}, expected {CLICKS_SCHEMA.names}"
            raise BlockError(msg)
        if any(batch.column(place).null_count for place in _REQUIRED) or batch.column(_CONTENTS).values.null_count:
            msg = "a block with nulls in a column that must not have any"
            raise BlockError(msg)
        return int(metadata[_READ_AT]), batch
    except (pa.ArrowException, StopIteration, EOFError, OSError, ValueError, KeyError) as error:
        if isinstance(error, BlockError):
            raise
        msg = f"not a block of clicks ({len(data)} bytes): {error}"
        raise BlockError(msg) from error


def _floats(array: pa.Array) -> npt.NDArray[np.float64]:
    values: npt.NDArray[np.float64] = array.to_numpy(zero_copy_only=False)
    return values
