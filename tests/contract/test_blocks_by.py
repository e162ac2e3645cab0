"""Events that go different ways come out of a block as they went in, and blocks are joined as they lie."""

from __future__ import annotations

import json
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.contract import Block, Contract, Incoming, Limits, columns, decode_block, join_blocks
from streams.contract.columns import Columns

NAMES = {"person", "event", "currency", "device", "country", "channel", "traits", "anonymous"}


def block_of(events: int) -> Block:
    values = [
        json.dumps({
            "type": "track", "event": f"E{i % 3}", "messageId": f"m{i}", "userId": f"u{i % 7}",
            **({"anonymousId": f"a{i}"} if i % 2 else {}), "timestamp": "2026-01-05T00:00:00Z",
            "properties": {"product_id": f"p{i % 5}", "category": f"c{i % 4}", **({"price": i + 0.5} if i % 3 else {})},
        }).encode()
        for i in range(events)
    ]  # fmt: skip
    contract = Contract(1, Limits(), 600_000_000)
    ((_, data),) = contract.apply(values, [0] * events, lambda i: Incoming("e", 0, i, None, [])).blocks
    return decode_block(data)


def rows_of(block: Block) -> list[tuple[object, ...]]:
    """Return events as tuples in which a name stands for itself."""
    shown: list[list[object]] = []
    for field in fields(block):
        column = getattr(block, field.name)
        if field.name in NAMES:
            shown.append([None if code < 0 else column.values[code].as_py() for code in column.codes.tolist()])
        elif field.name in {"at_us", "message_hash", "type", "price", "source_ms", "clamped"}:
            shown.append([repr(value) for value in column.tolist()])
    starts, ends = block.category_offsets[:-1].tolist(), block.category_offsets[1:].tolist()
    codes, names = block.categories.codes.tolist(), block.categories.values.to_pylist()
    shown.append([tuple(names[code] for code in codes[a:b]) for a, b in zip(starts, ends, strict=True)])
    starts, ends = block.content_offsets[:-1].tolist(), block.content_offsets[1:].tolist()
    shown.append([tuple(block.contents[a:b].tolist()) for a, b in zip(starts, ends, strict=True)])
    return list(zip(*shown, strict=True))


@pytest.mark.parametrize("most_bytes", [columns._MAX_BLOCK_BYTES, 6_000])
@given(ways=st.lists(st.integers(-1, 3), min_size=1, max_size=60))
@settings(max_examples=25, deadline=None)
def test_each_way_has_its_events_in_their_order(most_bytes: int, ways: list[int]) -> None:
    block = block_of(len(ways))
    rows = np.flatnonzero(np.array(ways) >= 0)
    whole = rows_of(block)
    found: dict[int, list[tuple[object, ...]]] = {}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "_MAX_BLOCK_BYTES", most_bytes)
        taken = Columns.renamed(block, block.person, block.anonymous)
        for way, data in taken.blocks_by(np.array(ways)[rows], rows, block.read_at_us):
            piece = decode_block(data)
            assert data.size <= most_bytes or len(piece) == 1
            found.setdefault(way, []).extend(rows_of(piece))

    assert found == {way: [whole[i] for i in rows if ways[i] == way] for way in sorted({w for w in ways if w >= 0})}


@given(ends=st.lists(st.integers(1, 9), min_size=1, max_size=6))
@settings(max_examples=25, deadline=None)
def test_joined_blocks_are_one_after_the_other(ends: list[int]) -> None:
    whole = block_of(sum(ends))
    taken = Columns.renamed(whole, whole.person, whole.anonymous)
    pieces = np.split(np.arange(len(whole)), np.cumsum(ends)[:-1])
    blocks = [decode_block(data) for rows in pieces for data in taken.blocks(rows, 1_000 - int(rows[0]))]

    joined = join_blocks(blocks)

    assert rows_of(joined) == rows_of(whole)
    assert joined.read_at_us == 1_000 - int(pieces[-1][0])
