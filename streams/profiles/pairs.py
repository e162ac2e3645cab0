"""Which (person, name) pairs were seen before: a memory that may forget, so that Python sees new pairs only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.kernel import kernel
from streams.profiles._kernel import Int32s, Int64s, pair_hash
from streams.profiles.strings import StringTable

__all__ = ["Pairs"]

_FIRST_SLOTS = 1 << 12
_EMPTY, _DROPPED = -1, -2


class Pairs:
    """A set of pairs in a hash table; who decides about a pair knows it for good, so forgetting costs only time.

    Parameters
    ----------
    most : int
        With more slots than this in use everything is forgotten.
    """

    def __init__(self, most: int = 4_000_000) -> None:
        self._most = most
        self._forget()

    def unseen(self, rows: Int32s, names: pa.Array, codes: Int32s) -> tuple[Int64s, Int64s]:
        """Return where pairs come for the first time, and their slots (for `drop`); now they are seen.

        Parameters
        ----------
        rows : ndarray of int32, shape (n,)
            People.
        names : pyarrow.StringArray
            Distinct names.
        codes : ndarray of int32, shape (n,)
            Which of them each is seen with.
        """
        self._reserve(len(rows))
        ids = self._names.intern(names)[codes]
        at, slots = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
        n = int(_unseen(rows, ids, self._slots, at, slots))
        self._used += n
        return at[:n], slots[:n]

    def drop(self, slots: Int64s) -> None:
        """Forget pairs just seen: they are to be asked about again."""
        self._slots[slots] = _DROPPED

    def _forget(self) -> None:
        self._names = StringTable()
        self._slots: Int64s = np.full(_FIRST_SLOTS, _EMPTY, np.int64)
        self._used = 0

    def _reserve(self, more: int) -> None:
        if self._used + more > self._most:
            self._forget()
        if 2 * (self._used + more) <= len(self._slots):
            return
        held: npt.NDArray[np.int64] = self._slots[self._slots >= 0]
        self._used = len(held)
        self._slots = np.full(1 << (2 * (self._used + more)).bit_length(), _EMPTY, np.int64)
        _place_all(held, self._slots)


@kernel
def _unseen(rows: Int32s, ids: Int32s, slots: Int64s, at: Int64s, places: Int64s) -> int:
    mask = np.uint64(len(slots) - 1)
    n = 0
    for i in range(len(rows)):
        pair = (np.int64(rows[i]) << np.int64(32)) | np.int64(ids[i])
        slot = pair_hash(np.int64(rows[i]), np.int64(ids[i])) & mask
        while slots[slot] != _EMPTY and slots[slot] != pair:
            slot = (slot + np.uint64(1)) & mask
        if slots[slot] == _EMPTY:
            slots[slot] = pair
            at[n] = i
            places[n] = np.int64(slot)
            n += 1
    return n


@kernel
def _place_all(pairs: Int64s, slots: Int64s) -> None:
    mask = np.uint64(len(slots) - 1)
    for pair in pairs:
        slot = pair_hash(pair >> np.int64(32), pair & np.int64(0xFFFFFFFF)) & mask
        while slots[slot] != _EMPTY:
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = pair
