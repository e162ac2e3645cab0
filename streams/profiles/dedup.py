"""Duplicates: the same message hash earlier in this partition, at most a window older (DESIGN 6).

What is older is decided by a block's effective time, the running maximum of Kafka record times: a function of the log,
so that reading the blocks from `start_offset` on again rebuilds exactly this window.
"""

from __future__ import annotations

import secrets

import numpy as np
import numpy.typing as npt

from streams.kernel import kernel
from streams.profiles._kernel import Int64s, UInt64s, mixed, room_for

__all__ = ["DedupWindow"]

_FIRST_RING = 1 << 12

#: indices into the ring's counters
_HEAD, _TAIL, _FORGOTTEN = 0, 1, 2


class DedupWindow:
    """Message hashes of the last `window_us`, at most `max_ids` of them.

    A ring holds every occurrence in log order; a hash table finds the newest occurrence of a hash. Occurrences leave
    the ring when their block's effective time has passed out of the window, or when the ring is full (counted).

    Attributes
    ----------
    log_time_us : int
        Effective time of the newest block.
    """

    def __init__(self, window_us: int, max_ids: int) -> None:
        self._window_us = window_us
        self._max_ids = max_ids
        self._seed = np.uint64(secrets.randbits(64))
        self._counters: Int64s = np.zeros(3, np.int64)
        self._ring: UInt64s = np.zeros(min(_FIRST_RING, _power_of_two(max_ids)), np.uint64)
        self._slots: Int64s = np.full(2 * len(self._ring), -1, np.int64)
        #: (first occurrence, offset, effective time) of each block that still has occurrences in the ring
        self._blocks: list[tuple[int, int, int]] = []
        self._first_block = 0
        self.log_time_us = 0

    def __len__(self) -> int:
        return int(self._counters[_HEAD] - self._counters[_TAIL])

    @property
    def forgotten(self) -> int:
        """Occurrences inside the window that left because the ring was full."""
        return int(self._counters[_FORGOTTEN])

    def start(self, next_offset: int) -> tuple[int, int]:
        """Return (offset, effective time) of the first block that a rebuild has to read; `next_offset` if none."""
        if self._first_block == len(self._blocks):
            return next_offset, self.log_time_us
        _, offset, time_us = self._blocks[self._first_block]
        return offset, time_us

    def advance(self, time_us: int) -> None:
        """Let the log's time reach `time_us`, and forget what is out of the window then."""
        self.log_time_us = max(self.log_time_us, time_us)
        limit = self.log_time_us - self._window_us
        first, blocks = self._first_block, self._blocks
        while first < len(blocks) and blocks[first][2] < limit:
            first += 1
        if first != self._first_block:
            expired_to = blocks[first][0] if first < len(blocks) else int(self._counters[_HEAD])
            _forget(self._ring, self._slots, self._counters, expired_to, self._seed)
            self._first_block = first
            self._trim()

    def add(self, hashes: UInt64s, offset: int, record_time_us: int) -> npt.NDArray[np.bool_]:
        """Take in a block; return which of its events occurred before, earlier in the same block included."""
        self.advance(record_time_us)
        duplicate = np.zeros(len(hashes), np.bool_)
        if not len(hashes):
            return duplicate
        self._reserve(len(hashes))
        self._blocks.append((int(self._counters[_HEAD]), offset, self.log_time_us))
        _add(hashes, self._ring, self._slots, self._counters, self._max_ids, self._seed, duplicate)
        tail = int(self._counters[_TAIL])
        while self._first_block + 1 < len(self._blocks) and self._blocks[self._first_block + 1][0] <= tail:
            self._first_block += 1
        self._trim()
        return duplicate

    def _trim(self) -> None:
        if self._first_block > 1024 and 2 * self._first_block > len(self._blocks):
            del self._blocks[: self._first_block]
            self._first_block = 0

    def _reserve(self, more: int) -> None:
        """Grow ring and table so that `more` fit, up to the bound; the ring's capacity is a power of two."""
        needed = min(len(self) + more, self._max_ids)
        if needed <= len(self._ring):
            return
        ring = np.zeros(room_for(needed, len(self._ring)), np.uint64)
        slots = np.full(2 * len(ring), -1, np.int64)
        _move(self._ring, self._counters, ring, slots, self._seed)
        self._ring, self._slots = ring, slots


def _power_of_two(n: int) -> int:
    return 1 << max(n - 1, 1).bit_length()


# A slot holds an occurrence's number; its hash is in the ring at that number modulo the capacity.


@kernel
def _find(hash_: np.uint64, ring: UInt64s, slots: Int64s, seed: np.uint64) -> np.uint64:
    """Return the slot of a hash, or the empty one where it belongs."""
    mask = np.uint64(len(slots) - 1)
    inside = np.uint64(len(ring) - 1)
    slot: np.uint64 = mixed(hash_ ^ seed) & mask
    while slots[slot] >= 0 and ring[np.uint64(slots[slot]) & inside] != hash_:
        slot = (slot + np.uint64(1)) & mask
    return slot


@kernel
def _forget(ring: UInt64s, slots: Int64s, counters: Int64s, to: int, seed: np.uint64) -> None:
    """Drop occurrences before number `to`: a hash leaves the table with its newest occurrence."""
    mask = np.uint64(len(slots) - 1)
    inside = np.uint64(len(ring) - 1)
    for number in range(counters[1], to):
        slot = _find(ring[np.uint64(number) & inside], ring, slots, seed)
        if slots[slot] != number:
            continue
        # Deletion with linear probing: later members of the run move up (Knuth, TAOCP 3, 6.4 R).
        hole = slot
        slot = (slot + np.uint64(1)) & mask
        while slots[slot] >= 0:
            home = mixed(ring[np.uint64(slots[slot]) & inside] ^ seed) & mask
            if ((slot - home) & mask) >= ((slot - hole) & mask):
                slots[hole] = slots[slot]
                hole = slot
            slot = (slot + np.uint64(1)) & mask
        slots[hole] = -1
    counters[1] = to


@kernel
def _add(
    hashes: UInt64s, ring: UInt64s, slots: Int64s, counters: Int64s, max_ids: int, seed: np.uint64,
    duplicate: npt.NDArray[np.bool_],
) -> None:  # fmt: skip
    inside = np.uint64(len(ring) - 1)
    for i in range(len(hashes)):
        if counters[0] - counters[1] >= max_ids:
            _forget(ring, slots, counters, counters[1] + 1, seed)
            counters[2] += 1
        slot = _find(hashes[i], ring, slots, seed)
        duplicate[i] = slots[slot] >= 0
        number = counters[0]
        ring[np.uint64(number) & inside] = hashes[i]
        slots[slot] = number
        counters[0] = number + 1


@kernel
def _move(ring: UInt64s, counters: Int64s, larger: UInt64s, slots: Int64s, seed: np.uint64) -> None:
    """Lay the ring out again in a larger one; in log order, so the newest occurrence of a hash wins."""
    for number in range(counters[1], counters[0]):
        hash_ = ring[np.uint64(number) & np.uint64(len(ring) - 1)]
        larger[np.uint64(number) & np.uint64(len(larger) - 1)] = hash_
        slots[_find(hash_, larger, slots, seed)] = number
