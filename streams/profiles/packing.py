"""A person's state as bytes that mean the same in every process: the profile table is the checkpoint.

::

    version  u8                      2 words of the dense row that aren't zero, found by a bitmap
    bitmap   ceil(words / 8) bytes
    words    8 bytes each
    entries  u32 count, then each: family u8, key (u16 length, bytes), words; the value of a trait as text
    touches  u16 count, then each: content id, weight, time (8 bytes each)

All integers are little-endian. Names are written as text: ids belong to one process.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.errors import StateError
from streams.kernel import kernel
from streams.profiles._kernel import Int32s, Int64s
from streams.profiles.columns import META_WORDS, DenseRows, Entries, EntryArrays, Gathered, entry_at
from streams.profiles.layout import Layout, StoredMaps
from streams.profiles.strings import Bytes, StringArrays, StringTable, intern_at, string_buffers
from streams.profiles.touches import TouchArrays, Touches

__all__ = ["checked", "cut_state", "dense_words", "entry_ends", "entry_words", "pack", "unpack", "word_at"]

_VERSION = 1
_LONGEST_KEY = 0xFFFF


def pack(
    rows: Int32s, layout: Layout, dense: DenseRows, entries: Gathered, touches: Touches, names: StringTable
) -> pa.Array:
    """Return the packed state of each row as a binary array; `entries` are those of `rows`."""
    widths, texts = layout.family_widths, layout.family_texts
    offsets = np.zeros(len(rows) + 1, np.int32)
    _sizes(rows, dense.ints, layout.row_words, entries, widths, texts, touches.held, names.offsets, offsets)
    data = np.zeros(int(offsets[-1]), np.uint8)
    _write(
        rows,
        dense.ints,
        layout.row_words,
        entries,
        widths,
        texts,
        touches.arrays(),
        names.offsets,
        names.data,
        offsets,
        data,
    )
    return pa.Array.from_buffers(pa.binary(), len(rows), [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def unpack(
    states: pa.Array, rows: Int32s, layout: Layout, descriptor: str,
    dense: DenseRows, entries: Entries, touches: Touches, names: StringTable,
) -> None:  # fmt: skip
    """Read states written under the layout of `descriptor` into the given rows, which are still empty.

    Raises
    ------
    StateError
        Bytes that are no state of this layout.
    """
    offsets, data = checked(states, layout, descriptor, entries, names)
    maps = layout.maps_from(descriptor)
    _read(offsets, data, rows, maps, dense.ints, entries.arrays(), touches.arrays(), names.arrays())


def checked(
    states: pa.Array, layout: Layout, descriptor: str, entries: Entries, names: StringTable
) -> tuple[Int32s, Bytes]:
    """Return (offsets, data) of states that kernels may read to the end, and make room for what is in them.

    Raises
    ------
    StateError
        Bytes that are no state of the layout of `descriptor`.
    """
    maps = layout.maps_from(descriptor)
    offsets, data = string_buffers(states)
    counts = np.zeros(2, np.int64)
    bad = _count(offsets, data, len(maps.words), maps.widths, maps.texts, counts)
    if bad < 0:
        # Every name takes at least two bytes of its state, every entry three.
        names.reserve(int(counts[1]), len(data))
        entries.reserve(int(counts[0]))
        return offsets, data
    msg = (
        f"the stored state at index {bad} ({offsets[bad + 1] - offsets[bad]} bytes) is no state of its layout: "
        "it was damaged or written by a newer userprism. Update userprism, or restore the table from a backup"
    )
    raise StateError(msg)


def cut_state(state: bytes, layout: Layout, most_bytes: int) -> list[bytes]:
    """Cut a state into states that are that one when they are merged; each has `most_bytes`, or a single long name.

    The first has all numbers of the dense row and all touches, so it may be larger too.
    """
    return [state] if len(state) <= most_bytes else list(_cut(state, layout, most_bytes))


def _cut(state: bytes, layout: Layout, most_bytes: int) -> Iterator[bytes]:
    widths, texts = layout.family_widths.tolist(), layout.family_texts.tolist()
    bitmap_end = 1 + (layout.row_words + 7) // 8
    at = bitmap_end + 8 * sum(byte.bit_count() for byte in state[1:bitmap_end])
    head = state[:at]
    count = int.from_bytes(state[at : at + 4], "little")
    at += 4
    entries = []
    for _ in range(count):
        begin, family = at, state[at]
        at += 3 + int.from_bytes(state[at + 1 : at + 3], "little")
        if texts[family]:
            at += 2 + int.from_bytes(state[at : at + 2], "little") - 8
        at += 8 * widths[family]
        entries.append(state[begin:at])
    tail, nobody = state[at:], state[:1] + bytes(bitmap_end - 1)
    while head:
        taken, size = 0, len(head) + len(tail)
        while taken < len(entries) and (not taken or size + len(entries[taken]) <= most_bytes):
            size += len(entries[taken])
            taken += 1
        yield head + taken.to_bytes(4, "little") + b"".join(entries[:taken]) + tail
        entries = entries[taken:]
        head, tail = (nobody, bytes(2)) if entries else (b"", b"")


@kernel
def _text_length(name: int, starts: Int64s) -> np.int64:
    return min(starts[name + 1] - starts[name], np.int64(_LONGEST_KEY))


@kernel
def _sizes(
    rows: Int32s, dense: Int64s, width: int, entries: Gathered, widths: Int32s, texts: npt.NDArray[np.bool_],
    held: Int32s, starts: Int64s, offsets: Int32s,
) -> None:  # fmt: skip
    for i in range(len(rows)):
        row = rows[i]
        size = 1 + (width + 7) // 8 + 4 + 2 + 24 * held[row]
        for word in range(width):
            if dense[row, word] != 0:
                size += 8
        for entry in range(entries.starts[i], entries.starts[i + 1]):
            family = entries.family[entry]
            size += 3 + _text_length(entries.key[entry], starts) + 8 * widths[family]
            if texts[family]:
                size += _text_length(entries.ints[entry, 0], starts) - 6
        offsets[i + 1] = offsets[i] + size


@kernel
def _put(data: Bytes, at: int, value: int, size: int) -> int:
    word = np.uint64(value)
    for i in range(size):
        data[at + i] = np.uint8((word >> np.uint64(8 * i)) & np.uint64(0xFF))
    return at + size


@kernel
def _put_text(data: Bytes, at: int, name: int, starts: Int64s, letters: Bytes) -> int:
    length = _text_length(name, starts)
    first: int = _put(data, at, length, 2)
    begin = starts[name]
    for i in range(length):
        data[first + i] = letters[begin + i]
    end: int = first + length
    return end


@kernel
def _write(
    rows: Int32s, dense: Int64s, width: int, entries: Gathered, widths: Int32s, texts: npt.NDArray[np.bool_],
    touched: TouchArrays, starts: Int64s, letters: Bytes, offsets: Int32s, data: Bytes,
) -> None:  # fmt: skip
    ids, weights, times, held = touched
    weight_words = weights.view(np.int64)
    for i in range(len(rows)):
        row = rows[i]
        at = _put(data, offsets[i], _VERSION, 1)
        bitmap = at
        at += (width + 7) // 8
        for word in range(width):
            if dense[row, word] != 0:
                data[bitmap + word // 8] |= np.uint8(1 << (word % 8))
                at = _put(data, at, dense[row, word], 8)
        at = _put(data, at, entries.starts[i + 1] - entries.starts[i], 4)
        for entry in range(entries.starts[i], entries.starts[i + 1]):
            family = entries.family[entry]
            at = _put(data, at, family, 1)
            at = _put_text(data, at, entries.key[entry], starts, letters)
            first = 0
            if texts[family]:
                at = _put_text(data, at, entries.ints[entry, 0], starts, letters)
                first = 1
            for word in range(first, widths[family]):
                at = _put(data, at, entries.ints[entry, word], 8)
        at = _put(data, at, held[row], 2)
        for j in range(held[row]):
            at = _put(data, at, np.int64(ids[row, j]), 8)
            at = _put(data, at, weight_words[row, j], 8)
            at = _put(data, at, times[row, j], 8)


@kernel
def word_at(data: Bytes, at: int, size: int) -> np.int64:
    """Return the little-endian number in `size` bytes."""
    word = np.uint64(0)
    for i in range(size):
        word |= np.uint64(data[at + i]) << np.uint64(8 * i)
    return np.int64(word)


@kernel
def _count(
    offsets: Int32s, data: Bytes, width: int, widths: Int32s, texts: npt.NDArray[np.bool_], counts: Int64s
) -> int:
    """Check every state and count [entries, names]; return the index of the first bad one, or -1."""
    for i in range(len(offsets) - 1):
        at, end = np.int64(offsets[i]), np.int64(offsets[i + 1])
        bitmap = at + 1
        at = bitmap + (width + 7) // 8
        if at > end or data[bitmap - 1] != _VERSION:
            return i
        for byte in range(bitmap, at):
            bits = data[byte]
            while bits:
                at += 8
                bits &= bits - np.uint8(1)
        if at + 4 > end:
            return i
        entries = word_at(data, at, 4)
        at += 4
        for _ in range(entries):
            if at + 3 > end or data[at] >= len(widths):
                return i
            family = data[at]
            at += 3 + word_at(data, at + 1, 2)
            words = widths[family]
            if texts[family]:
                if at + 2 > end:
                    return i
                at += 2 + word_at(data, at, 2)
                words -= 1
                counts[1] += 1
            at += 8 * words
            counts[0] += 1
            counts[1] += 1
        if at + 2 > end or at + 2 + 24 * word_at(data, at, 2) != end:
            return i
    return -1


@kernel
def dense_words(data: Bytes, at: int, words: Int32s, dense: Int64s, row: int) -> int:
    """Read the dense row of the state that begins at `at` into `dense[row]`; return where its entries begin."""
    bitmap = at + 1
    at = bitmap + (len(words) + 7) // 8
    for word in range(len(words)):
        if data[bitmap + word // 8] & np.uint8(1 << (word % 8)):
            if words[word] >= 0:
                dense[row, words[word]] = word_at(data, at, 8)
            at += 8
    return at


@kernel
def entry_ends(data: Bytes, at: int, maps: StoredMaps) -> tuple[np.int64, np.int64, np.int64]:
    """Return where the key of the entry that begins at `at` ends, where its words begin, and where they end.

    The key begins three bytes behind `at`. Where words begin later than it ends, a text stands between.
    """
    stored = data[at]
    key_end = words = at + 3 + word_at(data, at + 1, 2)
    width = np.int64(maps.widths[stored])
    if maps.texts[stored]:
        words += 2 + word_at(data, key_end, 2)
        width -= 1
    return key_end, words, words + 8 * width


@kernel
def entry_words(
    data: Bytes, key_end: int, words: int, end: int, ints: Int64s, entry: int, strings: StringArrays
) -> None:
    """Read the words of an entry into `ints[entry]`; see `entry_ends`. A text is interned: its id is the first word."""
    size, starts, letters, fixed, slots, seed = strings
    place = META_WORDS
    if words > key_end:
        ints[entry, place] = intern_at(data, key_end + 2, words, size, starts, letters, fixed, slots, seed)
        place += 1
    for at in range(words, end, 8):
        ints[entry, place] = word_at(data, at, 8)
        place += 1


@kernel
def _read(
    offsets: Int32s, data: Bytes, rows: Int32s, maps: StoredMaps, dense: Int64s, table: EntryArrays,
    touched: TouchArrays, strings: StringArrays,
) -> None:  # fmt: skip
    ids, weights, times, held = touched
    weight_words = weights.view(np.int64)
    size, starts, letters, fixed, slots, seed = strings
    bound = ids.shape[1]
    for i in range(len(rows)):
        row = rows[i]
        at = dense_words(data, offsets[i], maps.words, dense, row)
        count = word_at(data, at, 4)
        at += 4
        for _ in range(count):
            family, begin = maps.families[data[at]], at
            key_end, words, at = entry_ends(data, at, maps)
            if family >= 0:
                key = intern_at(data, begin + 3, key_end, size, starts, letters, fixed, slots, seed)
                entry_words(data, key_end, words, at, table.ints, entry_at(row, family, key, table), strings)
        touches = word_at(data, at, 2)
        at += 2
        for j in range(touches):
            if j < bound:
                ids[row, j] = np.uint64(word_at(data, at, 8))
                weight_words[row, j] = word_at(data, at + 8, 8)
                times[row, j] = word_at(data, at + 16, 8)
                held[row] = j + 1
            at += 24
