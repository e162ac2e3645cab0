"""Interest: what a person likes, computed from touches and the vectors of the content when it is needed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streams.kernel import kernel
from streams.profiles._kernel import Int64s, UInt64s, grown, mixed
from streams.profiles.latent import Latent

__all__ = ["VectorTable", "interest"]

Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]


class VectorTable:
    """Projected vectors by content id; a vector that comes again replaces the one before.

    Parameters
    ----------
    dim : int
        Width of the vectors.
    """

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._size = np.zeros(1, np.int64)
        self._ids: UInt64s = np.zeros(1024, np.uint64)
        self.vectors: Vectors = np.zeros((1024, dim), np.float32)
        #: what a trained model of behaviour makes of the same touches; None without one
        self.latent: Latent | None = None
        self._slots: Int64s = np.full(4096, -1, np.int64)

    def __len__(self) -> int:
        return int(self._size[0])

    def upsert(self, content_ids: UInt64s, vectors: Vectors) -> None:
        """Take in vectors (n, dim) of content (n,)."""
        if vectors.shape != (len(content_ids), self.dim):
            msg = (
                f"vectors of shape {vectors.shape} for {len(content_ids)} pieces of content; expected width {self.dim}"
            )
            raise ValueError(msg)
        needed = len(self) + len(content_ids)
        self._ids, self.vectors = grown(self._ids, needed), grown(self.vectors, needed)
        if 2 * needed > len(self._slots):
            self._slots = np.full(1 << (2 * needed).bit_length(), -1, np.int64)
            _place_all(self._size, self._ids, self._slots)
        _upsert(np.ascontiguousarray(content_ids), np.ascontiguousarray(vectors, np.float32), *self.arrays())

    def arrays(self) -> tuple[Int64s, UInt64s, Vectors, Int64s]:
        """Return what kernels take."""
        return self._size, self._ids, self.vectors, self._slots


def interest(ids: UInt64s, weights: Floats, table: VectorTable) -> tuple[Floats, Floats]:
    """Return the weighted mean vector of each person's touched content.

    Parameters
    ----------
    ids : ndarray of uint64, shape (n, m)
    weights : ndarray of float64, shape (n, m)
        0 where there is no touch.

    Returns
    -------
    vectors : ndarray of float64, shape (n, dim)
        NaN where nothing that the person touched has a vector yet.
    known : ndarray of float64, shape (n,)
        Share of the weight whose content has a vector.
    """
    vectors = np.empty((len(ids), table.dim))
    known = np.empty(len(ids))
    _size, table_ids, table_vectors, slots = table.arrays()
    _interest(ids, weights, table_ids, table_vectors, slots, vectors, known)
    return vectors, known


@kernel
def _find(content: np.uint64, ids: UInt64s, slots: Int64s) -> np.uint64:
    mask = np.uint64(len(slots) - 1)
    slot: np.uint64 = mixed(content) & mask
    while slots[slot] >= 0 and ids[slots[slot]] != content:
        slot = (slot + np.uint64(1)) & mask
    return slot


@kernel
def _upsert(content: UInt64s, vectors: Vectors, size: Int64s, ids: UInt64s, table: Vectors, slots: Int64s) -> None:
    for i in range(len(content)):
        slot = _find(content[i], ids, slots)
        row = slots[slot]
        if row < 0:
            row = size[0]
            size[0] += 1
            slots[slot] = row
            ids[row] = content[i]
        for j in range(table.shape[1]):
            table[row, j] = vectors[i, j]


@kernel
def _place_all(size: Int64s, ids: UInt64s, slots: Int64s) -> None:
    for row in range(size[0]):
        slots[_find(ids[row], ids, slots)] = row


@kernel
def _interest(
    ids: UInt64s, weights: Floats, table_ids: UInt64s, table: Vectors, slots: Int64s, vectors: Floats, known: Floats
) -> None:
    for person in range(len(ids)):
        total = 0.0
        found = 0.0
        vectors[person] = 0.0
        for i in range(ids.shape[1]):
            weight = weights[person, i]
            if weight <= 0.0:
                continue
            total += weight
            row = slots[_find(ids[person, i], table_ids, slots)]
            if row >= 0:
                found += weight
                for j in range(table.shape[1]):
                    vectors[person, j] += weight * table[row, j]
        if found > 0.0:
            for j in range(table.shape[1]):
                vectors[person, j] /= found
        else:
            vectors[person] = np.nan
        known[person] = found / total if total > 0.0 else 0.0
