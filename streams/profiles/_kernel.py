"""What every numba kernel of the profiles shares: how it hashes, how its arrays grow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from streams.kernel import kernel

__all__ = [
    "FIRST_ROWS", "Int32s", "Int64s", "UInt64s", "bytes_hash", "distinct", "grown", "mixed", "pair_hash", "room_for",
]  # fmt: skip

A = TypeVar("A", bound=np.generic)

#: There is room for so many people at first.
FIRST_ROWS = 1024

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]


@kernel
def mixed(x: np.uint64) -> np.uint64:
    """Return the finaliser of splitmix64 (Steele, Lea, Flood 2014): every input bit moves every output bit."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@kernel
def pair_hash(a: np.int64, b: np.int64) -> np.uint64:
    """Return a hash of two small integers."""
    h: np.uint64 = mixed((np.uint64(a) << np.uint64(32)) ^ np.uint64(b) ^ np.uint64(0x9E3779B97F4A7C15))
    return h


@kernel
def bytes_hash(data: npt.NDArray[np.uint8], start: int, stop: int, seed: np.uint64) -> np.uint64:
    """Return FNV-1a of `data[start:stop]` from a seeded basis, finalised."""
    h = np.uint64(0xCBF29CE484222325) ^ seed
    for i in range(start, stop):
        h = (h ^ np.uint64(data[i])) * np.uint64(0x100000001B3)
    out: np.uint64 = mixed(h)
    return out


def distinct(parts: Sequence[Int32s], below: int) -> Int32s:
    """Return the numbers in `parts`, each once and in order; all are at least 0 and less than `below`."""
    there = np.zeros(below, np.bool_)
    for part in parts:
        there[part] = True
    return np.flatnonzero(there).astype(np.int32)


def room_for(needed: int, present: int) -> int:
    """Return the next capacity, a power of two times `present`, that holds `needed`."""
    capacity = max(present, 16)
    while capacity < needed:
        capacity *= 2
    return capacity


def grown(array: npt.NDArray[A], needed: int, fill: float = 0) -> npt.NDArray[A]:
    """Return `array` itself when it holds `needed` rows, else a copy of doubled capacity, new rows set to `fill`."""
    present = array.shape[0]
    if needed <= present:
        return array
    capacity = room_for(needed, present)
    shape = (capacity, *array.shape[1:])
    # The system gives zeros when they are first written to: what stays unused costs nothing.
    larger = np.full(shape, fill, array.dtype) if fill else np.zeros(shape, array.dtype)
    larger[:present] = array
    return larger
