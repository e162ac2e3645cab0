"""Merging people: packed states go into rows by the algebra, and come out of them again as far as it has an inverse."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.kernel import kernel
from streams.profiles._kernel import Int32s, Int64s, UInt64s
from streams.profiles.cells import merge_cell, take_out_cell
from streams.profiles.columns import DenseRows, Entries, EntryArrays, entry_at, family_and_key
from streams.profiles.layout import EVENTS, FIRST, LAST, Layout
from streams.profiles.packing import unpack
from streams.profiles.strings import StringTable
from streams.profiles.touches import Touches, touch

__all__ = ["merge_states"]

Floats = npt.NDArray[np.float64]
_Touched = tuple[UInt64s, Floats, Int64s, Int32s]


def merge_states(
    rows: Int32s, states: pa.Array, descriptor: str, layout: Layout, dense: DenseRows, entries: Entries,
    touches: Touches, names: StringTable, *, out: bool = False,
) -> None:  # fmt: skip
    """Merge `states[i]`, packed under the layout of `descriptor`, into the person in `rows[i]`, one after the other.

    Parameters
    ----------
    out : bool
        Take them out again instead: counts, sums, decayed sums and moments. What can't be told apart any more
        (sessions, first and last times, traits, touches) stays.

    Raises
    ------
    StateError
        Bytes that are no state of that layout.
    """
    n = len(rows)
    aside = np.arange(n, dtype=np.int32)
    their_dense = DenseRows(np.zeros(layout.row_words, np.int64), n)
    their_entries = Entries(layout.entry_width, layout.bounds, n)
    their_touches = Touches(layout.touches, layout.touch_rate, n)
    unpack(states, aside, layout, descriptor, their_dense, their_entries, their_touches, names)
    entries.reserve(len(their_entries))
    _merge_base(rows, dense.ints, their_dense.ints, out)
    table, their_table = entries.arrays(), their_entries.arrays()
    for feature, cells in zip(layout.features, layout.cells, strict=True):
        for cell in cells:
            _merge_feature(
                cell.kind, cell.family, cell.start, cell.width, feature.slots, feature.kind == "traits", out, rows,
                dense.ints, dense.floats, table, their_dense.ints, their_dense.floats, their_table, cell.parameters,
            )  # fmt: skip
    if not out:
        _merge_touches(rows, touches.rate, touches.arrays(), their_touches.arrays())


@kernel
def _merge_base(rows: Int32s, dense: Int64s, theirs: Int64s, out: bool) -> None:
    for i in range(len(rows)):
        row = rows[i]
        if out:
            dense[row, EVENTS] -= min(theirs[i, EVENTS], dense[row, EVENTS])
        elif theirs[i, EVENTS]:
            if dense[row, EVENTS]:
                dense[row, FIRST] = min(dense[row, FIRST], theirs[i, FIRST])
                dense[row, LAST] = max(dense[row, LAST], theirs[i, LAST])
            else:
                dense[row, FIRST], dense[row, LAST] = theirs[i, FIRST], theirs[i, LAST]
            dense[row, EVENTS] += theirs[i, EVENTS]


@kernel
def _merge_feature(
    kind: int, family: int, start: int, width: int, slots: int, texts: bool, out: bool, rows: Int32s,
    ints: Int64s, floats: Floats, table: EntryArrays,
    from_ints: Int64s, from_floats: Floats, from_table: EntryArrays, parameters: Floats,
) -> None:  # fmt: skip
    for i in range(len(rows)):
        row = rows[i]
        if family < 0:
            for slot in range(slots):
                at = start + slot * width
                if out:
                    take_out_cell(kind, ints, floats, row, at, from_ints, from_floats, i, at, parameters)
                else:
                    merge_cell(kind, ints, floats, row, at, from_ints, from_floats, i, at, parameters)
            continue
        found = np.int64(from_table.head[i])
        while found >= 0:
            of, key = family_and_key(from_table.ints[found, 0])
            if of == family and not (out and texts):
                entry = entry_at(row, family, key, table)
                if out:
                    take_out_cell(
                        kind, table.ints, table.floats, entry, start,
                        from_table.ints, from_table.floats, found, start, parameters,
                    )  # fmt: skip
                else:
                    merge_cell(
                        kind, table.ints, table.floats, entry, start,
                        from_table.ints, from_table.floats, found, start, parameters,
                    )  # fmt: skip
            found = from_table.ints[found, 1]


@kernel
def _merge_touches(rows: Int32s, rate: float, into: _Touched, other: _Touched) -> None:
    ids, weights, times, held = into
    from_ids, from_weights, from_times, from_held = other
    for i in range(len(rows)):
        for j in range(from_held[i]):
            touch(rows[i], from_ids[i, j], from_times[i, j], from_weights[i, j], rate, ids, weights, times, held)
