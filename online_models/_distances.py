"""Squared distances in numba: those that find the nearest centre, and River's own where two lie too close together.

Two kinds of arithmetic:

- Scores only have to find the nearest centre, so they may be reordered and fused (`SCORES`). When two centres lie
  closer together than their rounding error, `exact_nearest` decides with River's own arithmetic: libm's ``pow`` (which
  differs from ``x * x`` in the last bit for 0.08 % of random numbers), summed in the order of River's set of keys.
- Centres move by plain IEEE arithmetic, one rounding per operation, as Python's floats do.

numba's on-disk cache notices a change of the file a function stands in, not of the functions it calls: when this file
changes, delete the `*.nbi` files beside it before trusting a run.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Vectors = npt.NDArray[Any]  # (n, d), float32 or float64
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SCORES = {"reassoc", "contract", "nsz"}
LARGEST = 1e150  # beyond this a squared distance may overflow; River raises OverflowError there
EPSILON = 2.220446049250313e-16
TINY = 1e-300
POWER = 2.0  # River's p; an argument of the kernels so that LLVM can't turn libm's pow into a product
# From Python 3.12 on, sum() of floats is compensated (Neumaier), and River sums distances with it.
COMPENSATED = sys.version_info >= (3, 12)
ROWS = 32  # vectors in a block; (64, 384) takes 2.58 us an event with 8, 1.89 with 16


@njit(cache=True)
def first_unusable(X: Vectors) -> int:
    """Flat index of the first value that is NaN, infinite or beyond LARGEST; -1 when there is none."""
    n, d = X.shape
    for i in range(n):
        bad = False
        for j in range(d):
            bad |= not (abs(X[i, j]) <= LARGEST)
        if bad:
            for j in range(d):
                if not (abs(X[i, j]) <= LARGEST):
                    return int(i * d + j)
    return -1


@njit(cache=True, fastmath=SCORES | {"nnan"})
def score(x: Floats, C: Floats, out: Floats) -> tuple[float, float, int]:
    """Write the squared distances of one vector to all centres; return the least, the second least, and whose is least.

    Four centres at a time: 1.5x one at a time. They are compared while they are in registers: what was just written
    one by one can't be loaded as a vector for some time, which costs 5 % of the loop that learns (16, 32).
    """
    k, d = C.shape
    least = np.inf
    second = np.inf
    nearest = 0
    c = 0
    while c + 4 <= k:
        s0 = 0.0
        s1 = 0.0
        s2 = 0.0
        s3 = 0.0
        for j in range(d):
            v = x[j]
            t = v - C[c, j]
            s0 += t * t
            t = v - C[c + 1, j]
            s1 += t * t
            t = v - C[c + 2, j]
            s2 += t * t
            t = v - C[c + 3, j]
            s3 += t * t
        out[c] = s0
        out[c + 1] = s1
        out[c + 2] = s2
        out[c + 3] = s3
        first = c if s0 <= s1 else c + 1
        low, high = (s0, s1) if s0 <= s1 else (s1, s0)
        other_first = c + 2 if s2 <= s3 else c + 3
        other_low, other_high = (s2, s3) if s2 <= s3 else (s3, s2)
        first = first if low <= other_low else other_first
        low, beaten = (low, other_low) if low <= other_low else (other_low, low)
        high = high if high < other_high else other_high
        second = second if second < high else high
        second = second if second < beaten else beaten
        nearest = first if low < least else nearest
        least, beaten = (low, least) if low < least else (least, low)
        second = second if second < beaten else beaten
        c += 4
    while c < k:
        s0 = 0.0
        for j in range(d):
            t = x[j] - C[c, j]
            s0 += t * t
        out[c] = s0
        nearest = c if s0 < least else nearest
        least, beaten = (s0, least) if s0 < least else (least, s0)
        second = second if second < beaten else beaten
        c += 1
    return least, second, nearest


@njit(cache=True)
def river_distance(x: Floats, centre: Floats, order: Ints, power: float, compensated: bool) -> float:
    """River's squared distance, bit for bit: ``sum(abs(c - x) ** 2)`` over its set of keys, in the set's order."""
    total = 0.0
    lost = 0.0
    for o in range(order.shape[0]):
        j = order[o]
        term = math.pow(abs(centre[j] - x[j]), power)
        if compensated:
            t = total + term
            lost += (total - t) + term if abs(total) >= abs(term) else (term - t) + total
            total = t
        else:
            total += term
    if compensated and lost != 0.0 and math.isfinite(lost):
        total += lost
    return total


@njit(cache=True)
def reach(least: float, d: int) -> float:
    """Score up to which a centre may be the nearest, for all that rounding can do to sums over d dimensions."""
    return least * (1.0 + 4.0 * (d + 8) * EPSILON) + TINY


@njit(cache=True)
def only_within(scores: Floats, limit: float) -> int:
    """Index of the one centre whose score is within the limit; -1 when there are several.

    Loops over vectors call this, and `exact_nearest` when it says -1, themselves: a function that calls `exact_nearest`
    counts references to each of its arrays at every call, which costs a third as much as all scores at (16, 32).
    """
    k = scores.shape[0]
    near, first = 0, k
    for c in range(k):  # without branches: which centre it is can't be foretold
        near += scores[c] <= limit
        first = min(first, c if scores[c] <= limit else k)
    return first if near == 1 else -1


@njit(cache=True)
def exact_nearest(x: Floats, C: Floats, order: Ints, power: float, scores: Floats, limit: float) -> int:
    """First of the nearest centres among those whose score is within rounding error of the best."""
    best = -1
    least = np.inf
    for c in range(C.shape[0]):
        if scores[c] <= limit:
            distance = river_distance(x, C[c], order, power, COMPENSATED)
            if best < 0 or distance < least:
                best = c
                least = distance
    return best


@njit(cache=True, fastmath=SCORES)
def squares(A: Floats, rows: int, out: Floats) -> None:
    """Squared length of each of the first rows."""
    for i in range(rows):
        s = 0.0
        for j in range(A.shape[1]):
            s += A[i, j] * A[i, j]
        out[i] = s


@njit(cache=True, fastmath=SCORES)
def products(B: Floats, rows: int, C: Floats, out: Floats) -> None:
    """Scalar products of the first rows of B (ROWS, d) with all centres.

    Two rows by four centres stay in registers: 55 GFLOP/s at (64, 384), where OpenBLAS has 35 and a tile over a
    transposed copy 34, the copy not counted. A row past the last is computed and ignored.
    """
    k, d = C.shape
    for c in range(0, k - 3, 4):
        c0, c1, c2, c3 = C[c], C[c + 1], C[c + 2], C[c + 3]
        for i in range(0, rows, 2):
            a, b = B[i], B[i + 1]
            a0 = a1 = a2 = a3 = 0.0
            b0 = b1 = b2 = b3 = 0.0
            for j in range(d):
                a0 += a[j] * c0[j]
                a1 += a[j] * c1[j]
                a2 += a[j] * c2[j]
                a3 += a[j] * c3[j]
                b0 += b[j] * c0[j]
                b1 += b[j] * c1[j]
                b2 += b[j] * c2[j]
                b3 += b[j] * c3[j]
            out[i, c], out[i, c + 1], out[i, c + 2], out[i, c + 3] = a0, a1, a2, a3
            out[i + 1, c], out[i + 1, c + 1], out[i + 1, c + 2], out[i + 1, c + 3] = b0, b1, b2, b3
    for c in range(k - k % 4, k):
        for i in range(rows):
            s = 0.0
            for j in range(d):
                s += B[i, j] * C[c, j]
            out[i, c] = s
