"""The two shapes of a person's numbers: one dense row of 64-bit words, and open-ended entries found by key.

A word holds an int64 or a float64; every array exists as both views over the same memory.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streams.kernel import kernel
from streams.profiles._kernel import FIRST_ROWS, Int32s, Int64s, grown, pair_hash

__all__ = [
    "MAX_FAMILIES", "META_WORDS", "OTHER", "DenseRows", "Entries", "EntryArrays", "Gathered", "entry_at",
]  # fmt: skip

Floats = npt.NDArray[np.float64]

KEY_BITS = 30
FAMILY_BITS = 6
MAX_FAMILIES = 1 << FAMILY_BITS
#: First two words of an entry: who and which key, and the person's next entry.
META_WORDS = 2
#: Key of everything beyond a person's bound in one family; in the string table it is the text "(other)".
OTHER = 0
#: First word of an entry that is free: no (row, family, key) has it. Its second word is the next free one.
_NOBODYS = -1


class DenseRows:
    """One row of 64-bit words a person; there is room for `rows` at once.

    Attributes
    ----------
    ints, floats : ndarray, shape (capacity, width)
        The same memory as int64 and as float64. They are replaced when the rows grow: don't keep them.
    """

    def __init__(self, defaults: Int64s, rows: int = FIRST_ROWS) -> None:
        self._defaults = defaults
        self.ints: Int64s = np.empty((rows, len(defaults)), np.int64)
        self.ints[:] = defaults
        self.floats: Floats = self.ints.view(np.float64)

    def resize(self, rows: int) -> None:
        """Make room; new rows hold the defaults."""
        before = len(self.ints)
        if rows > before:
            self.ints = grown(self.ints, rows)
            self.ints[before:] = self._defaults
            self.floats = self.ints.view(np.float64)

    def clear(self, rows: Int32s) -> None:
        """Give rows their defaults again."""
        self.ints[rows] = self._defaults

    def taken(self, rows: Int32s) -> DenseRows:
        """Return a copy of these rows alone: what is read more than once is fetched from all over the table once."""
        copy = DenseRows(self._defaults, 0)
        copy.ints = self.ints[rows]
        copy.floats = copy.ints.view(np.float64)
        return copy


class EntryArrays(NamedTuple):
    """What kernels take; `head`, `tail` and `held` go by row.

    `size` holds how many entries there ever were at once, and the first free one of them (-1: none).
    """

    size: Int64s
    ints: Int64s
    floats: Floats
    slots: Int32s
    head: Int32s
    tail: Int32s
    held: Int32s
    bounds: Int32s


class Gathered(NamedTuple):
    """The entries of n people, side by side; each one's in order of their first appearance.

    Attributes
    ----------
    starts : ndarray of int64, shape (n + 1,)
        Person i has the entries `starts[i]:starts[i + 1]`.
    row : ndarray of int32, shape (entries,)
        Whose each is: a place within the people asked for.
    family, key : ndarray of int32, shape (entries,)
    ints, floats : ndarray, shape (entries, width)
        The words, as int64 and as float64 over the same memory.
    """

    starts: Int64s
    row: Int32s
    family: Int32s
    key: Int32s
    ints: Int64s
    floats: Floats


class Entries:
    """Sparse numbers: for each (person, family, key) some words, in one table for all families of a partition.

    A hash table finds an entry, a list through `next` walks a person's entries in order of their first appearance. A
    family is bounded per person: keys beyond the bound are counted under `OTHER`, since producers are untrusted.

    Parameters
    ----------
    width : int
        Words of the widest family.
    bounds : ndarray of int32, shape (families,)
        Keys one person may have in each family.
    """

    def __init__(self, width: int, bounds: Int32s) -> None:
        self._bounds = bounds
        self._size = np.array([0, -1], np.int64)
        self._ints = np.zeros((1024, META_WORDS + width), np.int64)
        self._floats = self._ints.view(np.float64)
        self._slots = np.full(2048, -1, np.int32)
        self._head = np.full(FIRST_ROWS, -1, np.int32)
        self._tail = np.full(FIRST_ROWS, -1, np.int32)
        self._held = np.zeros((FIRST_ROWS, max(len(bounds), 1)), np.int32)

    def __len__(self) -> int:
        return int(self._size[0])

    def resize(self, rows: int) -> None:
        """Make room for people."""
        self._head = grown(self._head, rows, -1)
        self._tail = grown(self._tail, rows, -1)
        self._held = grown(self._held, rows)

    def reserve(self, entries: int) -> None:
        """Make room for so many more entries, so that kernels may add them."""
        needed = len(self) + entries
        if needed > len(self._ints):
            self._ints = grown(self._ints, needed)
            self._floats = self._ints.view(np.float64)
        if 2 * needed > len(self._slots):
            self._slots = np.full(1 << (2 * needed).bit_length(), -1, np.int32)
            _place_all(len(self), self._ints, self._slots)

    def clear(self, rows: Int32s) -> None:
        """Let people's entries go: nothing finds them any more, and others may have their places."""
        _free(rows, self.arrays())

    def gather(self, rows: Int32s) -> Gathered:
        """Return the entries of `rows`: what is read more than once is fetched from all over the table once."""
        sizes = self._held[rows].sum(axis=1, dtype=np.int64)
        starts = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(sizes, out=starts[1:])
        n = int(starts[-1])
        family, key = np.empty(n, np.int32), np.empty(n, np.int32)
        ints = np.empty((n, self._ints.shape[1] - META_WORDS), np.int64)
        _gather(self._head[rows], starts[:-1].copy(), self._ints, family, key, ints)
        row = np.repeat(np.arange(len(rows), dtype=np.int32), sizes)
        return Gathered(starts, row, family, key, ints, ints.view(np.float64))

    def arrays(self) -> EntryArrays:
        """Return what kernels take."""
        return EntryArrays(
            self._size, self._ints, self._floats, self._slots, self._head, self._tail, self._held, self._bounds
        )


@kernel
def pair_of(row: int, family: int, key: int) -> np.int64:
    """Return the word that identifies an entry: row, family, key."""
    return (
        (np.int64(row) << np.int64(KEY_BITS + FAMILY_BITS)) | (np.int64(family) << np.int64(KEY_BITS)) | np.int64(key)
    )


@kernel
def _family_and_key(pair: int) -> tuple[np.int64, np.int64]:
    """Return (family, key) of the word that identifies an entry."""
    key = pair & ((np.int64(1) << np.int64(KEY_BITS)) - np.int64(1))
    family = (pair >> np.int64(KEY_BITS)) & ((np.int64(1) << np.int64(FAMILY_BITS)) - np.int64(1))
    return family, key


@kernel
def entry_at(row: int, family: int, key: int, table: EntryArrays) -> int:
    """Return the index of an entry, adding it (zeroed, last in the person's list) when new."""
    mask = np.uint64(len(table.slots) - 1)
    while True:
        pair = pair_of(row, family, key)
        slot = pair_hash(pair >> np.int64(32), pair & np.int64(0xFFFFFFFF)) & mask
        while True:
            entry = table.slots[slot]
            if entry < 0 or table.ints[entry, 0] == pair:
                break
            slot = (slot + np.uint64(1)) & mask
        if entry >= 0:
            return int(entry)
        if key == OTHER or table.held[row, family] < table.bounds[family]:
            break
        key = OTHER
    entry = table.size[1]
    if entry >= 0:
        table.size[1] = table.ints[entry, 1]
    else:
        entry = table.size[0]
        table.size[0] = entry + 1
    table.slots[slot] = entry
    for word in range(table.ints.shape[1]):
        table.ints[entry, word] = 0
    table.ints[entry, 0] = pair
    table.ints[entry, 1] = -1
    if table.head[row] < 0:
        table.head[row] = entry
    else:
        table.ints[table.tail[row], 1] = entry
    table.tail[row] = entry
    table.held[row, family] += 1
    return int(entry)


#: So many lists are walked beside each other: the next entry of each is fetched from memory while others are read.
_ABREAST = 16


@kernel
def _gather(at: Int32s, to: Int64s, table: Int64s, family: Int32s, key: Int32s, ints: Int64s) -> None:
    """Copy each list that begins at entry `at[i]` to the places from `to[i]` on; both are used up."""
    for first in range(0, len(at), _ABREAST):
        more = True
        while more:
            more = False
            for i in range(first, min(first + _ABREAST, len(at))):
                entry = at[i]
                if entry >= 0:
                    place = to[i]
                    family[place], key[place] = _family_and_key(table[entry, 0])
                    for word in range(ints.shape[1]):
                        ints[place, word] = table[entry, META_WORDS + word]
                    to[i] = place + 1
                    at[i] = table[entry, 1]
                    more = True


@kernel
def _free(rows: Int32s, table: EntryArrays) -> None:
    mask = np.uint64(len(table.slots) - 1)
    for row in rows:
        entry = np.int64(table.head[row])
        while entry >= 0:
            pair = table.ints[entry, 0]
            slot = pair_hash(pair >> np.int64(32), pair & np.int64(0xFFFFFFFF)) & mask
            while table.slots[slot] != entry:
                slot = (slot + np.uint64(1)) & mask
            # Deletion with linear probing: later members of the run move up (Knuth, TAOCP 3, 6.4 R).
            hole = slot
            slot = (slot + np.uint64(1)) & mask
            while table.slots[slot] >= 0:
                other = table.ints[table.slots[slot], 0]
                home = pair_hash(other >> np.int64(32), other & np.int64(0xFFFFFFFF)) & mask
                if ((slot - home) & mask) >= ((slot - hole) & mask):
                    table.slots[hole] = table.slots[slot]
                    hole = slot
                slot = (slot + np.uint64(1)) & mask
            table.slots[hole] = -1
            following = table.ints[entry, 1]
            table.ints[entry, 0] = _NOBODYS
            table.ints[entry, 1] = table.size[1]
            table.size[1] = entry
            entry = following
        table.head[row] = -1
        table.tail[row] = -1
        for family in range(table.held.shape[1]):
            table.held[row, family] = 0


@kernel
def _place_all(n: int, ints: Int64s, slots: Int32s) -> None:
    mask = np.uint64(len(slots) - 1)
    for entry in range(n):
        pair = ints[entry, 0]
        if pair == _NOBODYS:
            continue
        slot = pair_hash(pair >> np.int64(32), pair & np.int64(0xFFFFFFFF)) & mask
        while slots[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = entry
