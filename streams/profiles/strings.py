"""Strings as small integers: each distinct byte string of a partition once, in one arena, found by exact comparison.

A 64-bit hash only chooses where to look; two names are equal when their bytes are.
"""

from __future__ import annotations

import secrets

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.kernel import kernel
from streams.profiles._kernel import Int32s, Int64s, UInt64s, bytes_hash, grown

__all__ = ["Bytes", "StringArrays", "StringTable", "intern_at", "string_buffers"]

Bytes = npt.NDArray[np.uint8]
#: What kernels take of a `StringTable`: (size, offsets, data, fixed, slots, seed).
StringArrays = tuple[Int64s, Int64s, Bytes, UInt64s, Int32s, np.uint64]

_EMPTY_BYTES = np.zeros(1, np.uint8)


def string_buffers(array: pa.Array) -> tuple[npt.NDArray[np.int32], Bytes]:
    """Return (offsets (n + 1,), data) of a utf8 or binary array without nulls, over its own memory."""
    _, offsets, data = array.buffers()
    n = len(array)
    if offsets is None or n == 0:
        return np.zeros(1, np.int32), _EMPTY_BYTES
    starts = np.frombuffer(offsets, np.int32, n + 1, array.offset * 4)
    return starts, np.frombuffer(data, np.uint8) if data is not None and data.size else _EMPTY_BYTES


class StringTable:
    """Interned byte strings; ids count up from 0 in order of first appearance.

    Attributes
    ----------
    offsets, data : ndarray
        String i is `data[offsets[i]:offsets[i + 1]]`.
    fixed : ndarray of uint64
        A hash of each string that is the same in every process: crosses and hashed dimensions rest on it.
    """

    def __init__(self) -> None:
        # Slots are placed by a hash with a secret seed: whoever names events can't choose where they collide.
        self.seed = np.uint64(secrets.randbits(64))
        self._size = np.zeros(2, np.int64)  # strings, bytes
        self.offsets: Int64s = np.zeros(1024, np.int64)
        self.data: Bytes = np.zeros(1 << 14, np.uint8)
        self.fixed: UInt64s = np.zeros(1024, np.uint64)
        self._slots: Int32s = np.full(2048, -1, np.int32)

    def __len__(self) -> int:
        return int(self._size[0])

    @property
    def nbytes(self) -> int:
        """Bytes of all strings together."""
        return int(self._size[1])

    def intern(self, array: pa.Array, used: npt.NDArray[np.bool_] | None = None) -> Int32s:
        """Return the id of each string, new ones included; -1 where `used` is false."""
        offsets, data = string_buffers(array)
        return self.intern_bytes(offsets, data, used)

    def intern_bytes(self, offsets: Int32s, data: Bytes, used: npt.NDArray[np.bool_] | None = None) -> Int32s:
        """Return the id of each `data[offsets[i]:offsets[i + 1]]`."""
        n = len(offsets) - 1
        ids = np.empty(n, np.int32)
        self.reserve(n, int(offsets[-1] - offsets[0]))
        mask = np.ones(n, np.bool_) if used is None else used
        _intern(offsets, data, mask, *self.arrays(), ids)
        return ids

    def intern_one(self, text: str) -> int:
        """Return the id of one string."""
        return int(self.intern(pa.array([text], pa.utf8()))[0])

    def find_one(self, text: str) -> int:
        """Return the id of one string, -1 when it isn't here."""
        offsets, data = string_buffers(pa.array([text], pa.utf8()))
        found = _find_at(data, 0, int(offsets[-1]), self.offsets, self.data, self._slots, self.seed)
        return max(int(found), -1)

    def reserve(self, strings: int, size: int) -> None:
        """Make room for so many more strings and bytes, so that kernels may add them."""
        needed = len(self) + strings
        self.offsets = grown(self.offsets, needed + 1)
        self.fixed = grown(self.fixed, needed)
        self.data = grown(self.data, self.nbytes + size)
        if 2 * needed > len(self._slots):
            self._slots = np.full(1 << (2 * needed).bit_length(), -1, np.int32)
            _place_all(self._size, self.offsets, self.data, self._slots, self.seed)

    def arrays(self) -> StringArrays:
        """Return what `intern_at` takes: (size, offsets, data, fixed, slots, seed)."""
        return self._size, self.offsets, self.data, self.fixed, self._slots, self.seed

    def take(self, ids: Int32s) -> pa.StringArray:
        """Return the strings with these ids."""
        offsets = np.zeros(len(ids) + 1, np.int32)
        np.cumsum((self.offsets[1:] - self.offsets[:-1])[ids], out=offsets[1:])
        data = np.empty(int(offsets[-1]), np.uint8)
        _copy(self.offsets, self.data, ids, offsets, data)
        return pa.StringArray.from_buffers(len(ids), pa.py_buffer(offsets), pa.py_buffer(data))

    def every(self) -> pa.StringArray:
        """Return all strings, each at its id."""
        return self.take(np.arange(len(self), dtype=np.int32))

    def text(self, index: int) -> str:
        """Return one string."""
        return bytes(self.data[self.offsets[index] : self.offsets[index + 1]]).decode("utf-8", "replace")


@kernel
def _find_at(
    source: Bytes, start: int, stop: int, offsets: Int64s, data: Bytes, slots: Int32s, seed: np.uint64
) -> np.int64:
    """Return the id of `source[start:stop]`, or -1 - the slot that it would take."""
    mask = np.uint64(len(slots) - 1)
    length = stop - start
    slot = bytes_hash(source, start, stop, seed) & mask
    while True:
        index = slots[slot]
        if index < 0:
            return -1 - np.int64(slot)
        begin = offsets[index]
        if offsets[index + 1] - begin == length:
            same = True
            for i in range(length):
                if data[begin + i] != source[start + i]:
                    same = False
                    break
            if same:
                return np.int64(index)
        slot = (slot + np.uint64(1)) & mask


@kernel
def intern_at(
    source: Bytes, start: int, stop: int, size: Int64s, offsets: Int64s, data: Bytes, fixed: UInt64s, slots: Int32s,
    seed: np.uint64,
) -> int:  # fmt: skip
    """Return the id of `source[start:stop]`, adding it when new; the caller has reserved room."""
    found = _find_at(source, start, stop, offsets, data, slots, seed)
    if found >= 0:
        return int(found)
    length = stop - start
    index = size[0]
    begin = size[1]
    for i in range(length):
        data[begin + i] = source[start + i]
    offsets[index + 1] = begin + length
    fixed[index] = bytes_hash(source, start, stop, np.uint64(0))
    slots[-1 - found] = index
    size[0] = index + 1
    size[1] = begin + length
    return int(index)


@kernel
def _intern(
    starts: Int32s, source: Bytes, used: npt.NDArray[np.bool_], size: Int64s, offsets: Int64s, data: Bytes,
    fixed: UInt64s, slots: Int32s, seed: np.uint64, ids: Int32s,
) -> None:  # fmt: skip
    for i in range(len(starts) - 1):
        ids[i] = -1
        if used[i]:
            ids[i] = intern_at(source, starts[i], starts[i + 1], size, offsets, data, fixed, slots, seed)


@kernel
def _place_all(size: Int64s, offsets: Int64s, data: Bytes, slots: Int32s, seed: np.uint64) -> None:
    mask = np.uint64(len(slots) - 1)
    for index in range(size[0]):
        slot = bytes_hash(data, offsets[index], offsets[index + 1], seed) & mask
        while slots[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = index


@kernel
def _copy(offsets: Int64s, data: Bytes, ids: Int32s, starts: Int32s, out: Bytes) -> None:
    for i in range(len(ids)):
        begin = offsets[ids[i]]
        for j in range(starts[i + 1] - starts[i]):
            out[starts[i] + j] = data[begin + j]
