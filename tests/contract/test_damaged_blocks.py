"""The reader of blocks against damage: cut, changed, put together wrongly: refused, or a block that is whole inside."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contract import Block, BlockError, Contract, Incoming, Limits, Names, decode_block, decode_ids
from streams.contract.block import CLICKS_SCHEMA
from streams.contract.frames import closed, opened

_OF_EVENTS = ("at_us", "message_hash", "type", "price", "quantity", "revenue", "source_ms", "clamped")
_OF_NAMES = ("person", "event", "currency", "device", "country", "channel", "traits", "anonymous")


def block() -> bytes:
    values = [
        {
            "type": "track", "event": f"e{i % 3}", "userId": f"u{i % 5}", "anonymousId": f"a{i % 4}",
            "messageId": f"m{i}", "timestamp": "2026-01-02T03:04:05Z",
            "context": {"device": {"type": "tv"}, "traits": {"gender": "f"}},
            "properties": {"product_id": f"p{i % 7}", "category": f"c{i % 2}", "price": i, "currency": "EUR"},
        }
        for i in range(20)
    ]  # fmt: skip
    contract = Contract(1, Limits(), 600_000_000)
    raw = [json.dumps(value).encode() for value in values]
    result = contract.apply(raw, [1_790_000_000_000] * len(raw), lambda i: Incoming("e", 0, i, None, []))
    return result.blocks[0][1].to_pybytes()


WHOLE = block()
#: How it is sent; the reader takes both.
FRAMED = closed(WHOLE)
PLACES = st.integers(0, len(WHOLE) - 1)
PLACES_OF_FRAME = st.integers(0, len(FRAMED) - 1)


def whole_or_refused(data: bytes) -> Block | None:
    """Return the block if it is one inside too: whoever reads it indexes without looking again."""
    try:
        found = decode_block(data)
    except BlockError:
        with pytest.raises(BlockError):  # ids of a block that was refused once are never taken for ids of events
            decode_ids(data)
        return None
    n = len(found)
    assert (decode_ids(data) == found.message_hash).all()
    assert all(len(getattr(found, name)) == n for name in _OF_EVENTS)
    for name in _OF_NAMES:
        names: Names = getattr(found, name)
        assert len(names.codes) == n
        assert n == 0 or -1 <= names.codes.min() <= names.codes.max() < len(names.values)
        names.values.to_pylist()  # all of it is text
    for offsets, held in (
        (found.category_offsets, len(found.categories.codes)),
        (found.content_offsets, len(found.contents)),
    ):
        assert len(offsets) == n + 1
        assert (np.diff(offsets) >= 0).all()
        assert 0 <= offsets[0] <= offsets[-1] <= held
    return found


@pytest.mark.parametrize("data", [FRAMED, WHOLE])
def test_an_undamaged_block_is_read(data: bytes) -> None:
    found = whole_or_refused(data)

    assert found is not None
    assert len(found) == 20


@given(PLACES)
def test_a_block_that_was_cut_short_is_refused_or_whole(length: int) -> None:
    found = whole_or_refused(WHOLE[:length])

    assert found is None or len(found) == 20  # only what ends the stream may be missing


@given(st.lists(st.tuples(PLACES, st.integers(0, 255)), min_size=1, max_size=8))
def test_a_block_with_other_bytes_is_refused_or_whole(changes: list[tuple[int, int]]) -> None:
    data = bytearray(WHOLE)
    for place, byte in changes:
        data[place] = byte
    whole_or_refused(bytes(data))


@given(PLACES, PLACES, st.integers(1, 64))
def test_a_block_with_a_piece_from_elsewhere_is_refused_or_whole(to: int, start: int, length: int) -> None:
    whole_or_refused(WHOLE[:to] + WHOLE[start : start + length] + WHOLE[to + length :])
    whole_or_refused(WHOLE[:to] + WHOLE[to + length :])


@given(PLACES_OF_FRAME, st.lists(st.tuples(PLACES_OF_FRAME, st.integers(0, 255)), max_size=8))
def test_a_frame_that_was_cut_or_changed_is_refused_or_holds_a_whole_block(
    length: int, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(FRAMED)
    for place, byte in changes:
        data[place] = byte
    whole_or_refused(bytes(data))
    assert whole_or_refused(bytes(data[:length])) is None


def test_a_frame_that_says_it_holds_gigabytes_is_refused_before_memory_is_taken() -> None:
    large = FRAMED[:4] + (0xFFFFFFFF).to_bytes(4, "little") + FRAMED[8:]

    with pytest.raises(BlockError, match="4294967295 bytes; none has more"):
        decode_block(large)


@given(st.binary(max_size=5_000))
def test_a_frame_gives_back_what_was_put_in(data: bytes) -> None:
    assert opened(closed(data)).to_pybytes() == opened(closed(pa.py_buffer(data))).to_pybytes() == data


@given(st.binary(max_size=400))
def test_bytes_that_are_no_block_are_refused(data: bytes) -> None:
    assert whole_or_refused(data) is None


@pytest.mark.parametrize("field", CLICKS_SCHEMA.names)
def test_a_block_without_a_column_is_refused(field: str) -> None:
    with pa.ipc.open_stream(WHOLE) as reader:
        batch = reader.read_next_batch()
    left = batch.drop_columns([field])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, left.schema.with_metadata(batch.schema.metadata)) as writer:
        writer.write_batch(left)

    found = whole_or_refused(bytes(sink.getvalue()))

    assert found is None or field == "anonymous"  # what blocks without pairs don't have
