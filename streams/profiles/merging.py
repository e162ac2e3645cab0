"""Merging people: packed states go into rows by the algebra, and come out of them again as far as it has an inverse."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.kernel import kernel
from streams.profiles._kernel import Int32s, Int64s
from streams.profiles.cells import merge_cell, take_out_cell
from streams.profiles.columns import META_WORDS, DenseRows, Entries, EntryArrays, entry_at
from streams.profiles.layout import EVENTS, FIRST, LAST, CellArrays, Layout, StoredMaps
from streams.profiles.packing import checked, dense_words, entry_ends, entry_words, word_at
from streams.profiles.strings import Bytes, StringArrays, StringTable, intern_at
from streams.profiles.touches import TouchArrays, Touches, touch

__all__ = ["merge_states"]

Floats = npt.NDArray[np.float64]


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
    offsets, data = checked(states, layout, descriptor, entries, names)
    # One state at a time is read into these two, and from there merged.
    row = DenseRows(np.zeros(layout.row_words, np.int64), 1)
    entry = DenseRows(np.zeros(META_WORDS + layout.entry_width, np.int64), 1)
    _merge(
        rows, offsets, data, layout.maps_from(descriptor), layout.cell_arrays, out, dense.ints, dense.floats,
        entries.arrays(), touches.rate, touches.arrays(), names.arrays(),
        row.ints, row.floats, entry.ints, entry.floats,
    )  # fmt: skip


@kernel
def _merge(
    rows: Int32s, offsets: Int32s, data: Bytes, maps: StoredMaps, cells: CellArrays, out: bool, ints: Int64s,
    floats: Floats, table: EntryArrays, rate: float, touched: TouchArrays, strings: StringArrays,
    their_ints: Int64s, their_floats: Floats, entry_ints: Int64s, entry_floats: Floats,
) -> None:  # fmt: skip
    size, starts, letters, fixed, slots, seed = strings
    ids, weights, times, held = touched
    for i in range(len(rows)):
        row = rows[i]
        their_ints[:] = 0
        at = dense_words(data, offsets[i], maps.words, their_ints, 0)
        _merge_base(row, ints, their_ints, out)
        for cell in range(cells.firsts[0], cells.firsts[1]):
            for slot in range(cells.slots[cell]):
                place = cells.starts[cell] + slot * cells.widths[cell]
                _merge_one(cells, cell, out, ints, floats, row, place, their_ints, their_floats, place)
        count = word_at(data, at, 4)
        at += 4
        for _ in range(count):
            family, begin = maps.families[data[at]], at
            key_end, words, at = entry_ends(data, at, maps)
            if family < 0 or (out and words > key_end):  # a text doesn't say what was there before
                continue
            key = intern_at(data, begin + 3, key_end, size, starts, letters, fixed, slots, seed)
            entry_words(data, key_end, words, at, entry_ints, 0, strings)
            entry = entry_at(row, family, key, table)
            for cell in range(cells.firsts[family + 1], cells.firsts[family + 2]):
                place = cells.starts[cell]
                _merge_one(cells, cell, out, table.ints, table.floats, entry, place, entry_ints, entry_floats, place)
        touches = word_at(data, at, 2)
        at += 2
        if not out:
            for _ in range(touches):
                content, touched_at = np.uint64(word_at(data, at, 8)), word_at(data, at + 16, 8)
                entry_ints[0, META_WORDS] = word_at(data, at + 8, 8)  # a word that is read as a float
                touch(row, content, touched_at, entry_floats[0, META_WORDS], rate, ids, weights, times, held)
                at += 24


@kernel
def _merge_base(row: int, dense: Int64s, theirs: Int64s, out: bool) -> None:
    if out:
        dense[row, EVENTS] -= min(theirs[0, EVENTS], dense[row, EVENTS])
    elif theirs[0, EVENTS]:
        if dense[row, EVENTS]:
            dense[row, FIRST] = min(dense[row, FIRST], theirs[0, FIRST])
            dense[row, LAST] = max(dense[row, LAST], theirs[0, LAST])
        else:
            dense[row, FIRST], dense[row, LAST] = theirs[0, FIRST], theirs[0, LAST]
        dense[row, EVENTS] += theirs[0, EVENTS]


@kernel
def _merge_one(
    cells: CellArrays, cell: int, out: bool, ints: Int64s, floats: Floats, row: int, at: int,
    from_ints: Int64s, from_floats: Floats, from_at: int,
) -> None:  # fmt: skip
    """Merge the cell in a row of its own into the one at `[row, at]`; all zeros is the cell of who did nothing."""
    nothing = True
    for word in range(cells.sizes[cell]):
        nothing = nothing and from_ints[0, from_at + word] == 0
    if nothing:
        return
    kind, parameters = cells.kinds[cell], cells.parameters[cell, : cells.counts[cell]]
    if out:
        take_out_cell(kind, ints, floats, row, at, from_ints, from_floats, 0, from_at, parameters)
    else:
        merge_cell(kind, ints, floats, row, at, from_ints, from_floats, 0, from_at, parameters)
