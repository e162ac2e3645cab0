"""Compile every numba kernel once: `python -m streams.warmup` fills the on-disk cache, roles call it at their start."""

from __future__ import annotations

import time

import numpy as np

from online_models import warm_up_kernels
from streams.contract import Contract, Incoming, Limits, decode_block, decode_ids
from streams.profiles import Layout, PartitionState, Position, VectorTable
from streams.profiles.vectors import VectorSpace
from streams.settings import SegmentationSettings

__all__ = ["warm_up"]

_TIME_MS = 1_700_000_000_000
#: So many people and pieces of content that whatever grows has grown.
_MANY = 5_000


def warm_up() -> None:
    """Send some events through contract, state, packing, restore and vectors."""
    values = [
        (
            b'{"type":"track","event":"Order Completed","userId":"u1","messageId":"m1","timestamp":"2026-01-01T00:00:00Z",'  # noqa: E501
            b'"properties":{"product_id":"p1","name":"a title","category":"c","price":1.5,"revenue":2.5},'
            b'"context":{"device":{"type":"mobile"},"traits":{"gender":"f"}}}'
        ),
        *(b'{"type":"page","userId":"u%d","timestamp":"2026-01-01T00:00:00.5Z"}' % n for n in range(2, _MANY)),
    ]
    contract = Contract(1, Limits(), 0)
    result = contract.apply(values, [_TIME_MS] * len(values), lambda i: Incoming("warm-up", 0, i, None, []))
    layout = Layout.from_settings([], SegmentationSettings())
    state = PartitionState(layout, dedup_window_us=1_000_000, dedup_max_ids=1_000_000)
    for _, block in result.blocks:
        state.apply(decode_block(block), offset=0, record_time_us=_TIME_MS * 1000)
    state.learn_ids_only(decode_ids(result.blocks[0][1]), offset=1, record_time_us=_TIME_MS * 1000 + 5_000_000)
    rows = np.arange(state.people, dtype=np.int32)
    table = VectorTable(4)
    table.upsert(np.arange(_MANY, dtype=np.uint64), np.zeros((_MANY, 4), np.float32))
    vectors = VectorSpace(table, {})
    raw, _ = vectors.raw(state, rows)
    vectors.fit(raw)
    vectors.transform(raw)
    state.row_of("u1")
    state.finalize(rows), state.rows_touching(np.zeros(1, np.uint64))
    again = PartitionState(layout, dedup_window_us=1_000_000, dedup_max_ids=1_000_000)
    layouts = np.full(len(rows), layout.layout_id, np.uint64)
    again.restore(state.ids(rows), state.pack(rows), layouts, {layout.layout_id: layout.descriptor}, Position())
    for out in (False, True):
        again.merge(rows[:1], state.pack(rows[1:]), layout.descriptor, out=out)
    again.clear(1)
    warm_up_kernels()


if __name__ == "__main__":
    started = time.monotonic()
    warm_up()
    print(f"kernels are ready after {time.monotonic() - started:.1f} s")
