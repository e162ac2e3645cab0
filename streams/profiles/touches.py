"""Content touches: the last pieces of content a person touched, each with a decayed weight (DESIGN 5).

Vectors play no part here: a vector that arrives late changes nothing that is stored.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from streams.kernel import kernel
from streams.profiles._kernel import FIRST_ROWS, Int32s, Int64s, UInt64s, grown

__all__ = ["TouchArrays", "Touches", "touch"]

Floats = npt.NDArray[np.float64]
#: What kernels take of `Touches`: (ids, weights, times, held).
TouchArrays = tuple[UInt64s, Floats, Int64s, Int32s]


class Touches:
    """For each row up to `bound` of (content id, decayed weight, time of the weight).

    Attributes
    ----------
    ids : ndarray of uint64, shape (capacity, bound)
    weights : ndarray of float64, shape (capacity, bound)
    times_us : ndarray of int64, shape (capacity, bound)
    held : ndarray of int32, shape (capacity,)
    """

    def __init__(self, bound: int, rate: float) -> None:
        self.bound = bound
        self.rate = rate
        self.ids: UInt64s = np.zeros((FIRST_ROWS, bound), np.uint64)
        self.weights: Floats = np.zeros((FIRST_ROWS, bound))
        self.times_us: Int64s = np.zeros((FIRST_ROWS, bound), np.int64)
        self.held: Int32s = np.zeros(FIRST_ROWS, np.int32)

    def resize(self, rows: int) -> None:
        """Make room."""
        self.ids, self.weights = grown(self.ids, rows), grown(self.weights, rows)
        self.times_us, self.held = grown(self.times_us, rows), grown(self.held, rows)

    def update(self, rows: Int32s, content: UInt64s, at_us: Int64s) -> None:
        """Count one touch of `content[i]` by `rows[i]` at `at_us[i]`, in this order."""
        _update(rows, content, at_us, self.rate, self.ids, self.weights, self.times_us, self.held)

    def clear(self, rows: Int32s) -> None:
        """Forget what people touched."""
        _clear(rows, *self.arrays())

    def arrays(self) -> TouchArrays:
        """Return what kernels take."""
        return self.ids, self.weights, self.times_us, self.held

    def current(self, rows: Int32s) -> tuple[UInt64s, Floats]:
        """Return (ids (n, bound), weights (n, bound) at each person's newest touch); unused places weigh 0."""
        ids, weights = np.zeros((len(rows), self.bound), np.uint64), np.zeros((len(rows), self.bound))
        _current(rows, self.rate, *self.arrays(), ids, weights)
        return ids, weights

    def listed(self, rows: Int32s) -> tuple[Int32s, UInt64s]:
        """Return (offsets (n + 1,), ids): what each touched and still has a weight; see `current`."""
        offsets = np.zeros(len(rows) + 1, np.int32)
        ids = np.empty(int(self.held[rows].sum()), np.uint64)
        return offsets, ids[: _listed(rows, self.rate, *self.arrays(), offsets, ids)]

    def rows_touching(self, content: UInt64s, people: int) -> Int32s:
        """Return the people who hold a touch of any of these."""
        rows = np.empty(people, np.int32)
        return rows[: _rows_touching(self.ids, self.held, np.unique(content), rows)]


@kernel
def touch(
    row: int, content: np.uint64, at: int, value: float, rate: float, ids: UInt64s, weights: Floats, times: Int64s,
    held: Int32s,
) -> None:  # fmt: skip
    """Add `value` at time `at` (us); in a full row what weighs least at that time goes (the oldest if equal)."""
    n = held[row]
    for i in range(n):
        if ids[row, i] == content:
            passed = at - times[row, i]
            if passed >= 0:
                weights[row, i] = weights[row, i] * math.exp(-rate * passed) + value
                times[row, i] = at
            else:
                weights[row, i] += value * math.exp(rate * passed)
            return
    if n < ids.shape[1]:
        place = n
        held[row] = n + 1
    else:
        # Weights at different times compare as logarithms: log w + rate * t.
        place = -1
        lowest = math.log(value) + rate * (at - times[row, 0])
        for i in range(n):
            level = math.log(weights[row, i]) + rate * (times[row, i] - times[row, 0])
            if level <= lowest:
                if level < lowest or place < 0 or times[row, i] < times[row, place]:
                    place = i
                lowest = level
        if place < 0:  # the new one weighs least itself: a late event of long ago
            return
    ids[row, place] = content
    weights[row, place] = value
    times[row, place] = at


@kernel
def _update(
    rows: Int32s,
    content: UInt64s,
    at_us: Int64s,
    rate: float,
    ids: UInt64s,
    weights: Floats,
    times: Int64s,
    held: Int32s,
) -> None:
    for i in range(len(rows)):
        touch(rows[i], content[i], at_us[i], 1.0, rate, ids, weights, times, held)


@kernel
def _clear(rows: Int32s, ids: UInt64s, weights: Floats, times: Int64s, held: Int32s) -> None:
    for row in rows:
        for i in range(held[row]):
            ids[row, i], weights[row, i], times[row, i] = 0, 0.0, 0
        held[row] = 0


@kernel
def _newest(row: int, times: Int64s, held: Int32s) -> np.int64:
    newest = np.int64(0)
    for j in range(held[row]):
        newest = max(newest, times[row, j])
    return newest


@kernel
def _current(
    rows: Int32s, rate: float, ids: UInt64s, weights: Floats, times: Int64s, held: Int32s, out_ids: UInt64s,
    out_weights: Floats,
) -> None:  # fmt: skip
    for i in range(len(rows)):
        row = rows[i]
        newest = _newest(row, times, held)
        for j in range(held[row]):
            out_ids[i, j] = ids[row, j]
            out_weights[i, j] = weights[row, j] * math.exp(-rate * (newest - times[row, j]))


@kernel
def _listed(
    rows: Int32s, rate: float, ids: UInt64s, weights: Floats, times: Int64s, held: Int32s, offsets: Int32s,
    out: UInt64s,
) -> int:  # fmt: skip
    n = 0
    for i in range(len(rows)):
        row = rows[i]
        newest = _newest(row, times, held)
        for j in range(held[row]):
            if weights[row, j] * math.exp(-rate * (newest - times[row, j])) > 0.0:
                out[n] = ids[row, j]
                n += 1
        offsets[i + 1] = n
    return n


@kernel
def _rows_touching(ids: UInt64s, held: Int32s, wanted: UInt64s, out: Int32s) -> int:
    n = 0
    for row in range(len(out)):
        for i in range(held[row]):
            at = np.searchsorted(wanted, ids[row, i])
            if at < len(wanted) and wanted[at] == ids[row, i]:
                out[n] = row
                n += 1
                break
    return n
