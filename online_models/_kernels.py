"""The numba loops around the nearest centre: predicting, learning, Lloyd, stable labels.

All in one file on purpose: numba's on-disk cache notices a change of the file a function stands in, not of the
functions it calls, so a kernel and what it calls share a file. Arrays of vectors come in C-contiguous and marked
read-only (one compiled version for data that may be written and data that may not, such as Arrow's).

Two kinds of arithmetic:

- Scores only have to find the nearest centre, so they may be reordered and fused (`SCORES`). When two centres lie
  closer together than their rounding error, `_exact_nearest` decides with River's own arithmetic: libm's ``pow`` (which
  differs from ``x * x`` in the last bit for 0.08 % of random numbers), summed in the order of River's set of keys.
- Centres move by plain IEEE arithmetic, one rounding per operation, as Python's floats do.

Where centres are large (`blocked_pays`), scores come from a blocked matrix product with the centres as they stood when
the block began. How far a centre has moved since bounds what its score is now; the few that could be nearest are scored
again where they stand, so labels and centres are those of the plain loop, bit for bit.
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
# From Python 3.12 on, sum() of floats is compensated (Neumaier), and River sums distances with it.
COMPENSATED = sys.version_info >= (3, 12)
# The blocked loop pays from here on, us an event of the two loops: (32, 256) .79 and 1.02, (64, 384) 1.98 and 2.64; but
# (64, 128) .80 and .75, (128, 64) 1.4 and 1.0, for bounds cost the same however short a centre is.
BLOCKED = 8_192  # k * d
BLOCKED_DEPTH = 256  # d
ROWS = 32  # vectors in a block; (64, 384) takes 2.58 with 8, 1.89 with 16


def blocked_pays(centers: Floats) -> bool:
    """Whether the blocked loops are faster than the plain ones for centres of this shape (k, d)."""
    return centers.size >= BLOCKED and centers.shape[1] >= BLOCKED_DEPTH


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


@njit(cache=True, fastmath=SCORES)
def _score(x: Floats, C: Floats, out: Floats) -> None:
    """Squared distances of one vector to all centres; four centres at a time (1.5x one at a time)."""
    k, d = C.shape
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
        c += 4
    while c < k:
        s0 = 0.0
        for j in range(d):
            t = x[j] - C[c, j]
            s0 += t * t
        out[c] = s0
        c += 1


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
def _exact_nearest(x: Floats, C: Floats, order: Ints, power: float, scores: Floats, limit: float) -> int:
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


@njit(cache=True)
def _nearest(x: Floats, C: Floats, order: Ints, power: float, scores: Floats) -> int:
    """Index of the nearest centre; leaves all squared distances in `scores`."""
    _score(x, C, scores)
    k, d = C.shape
    least = scores[0]
    for c in range(1, k):
        least = min(least, scores[c])
    limit = least * (1.0 + 4.0 * (d + 8) * EPSILON) + TINY
    near = 0
    for c in range(k):
        near += scores[c] <= limit
    if near > 1:
        return _exact_nearest(x, C, order, power, scores, limit)
    best = 0
    while scores[best] != least:
        best += 1
    return best


@njit(cache=True)
def predict_rows(X: Vectors, C: Floats, order: Ints, power: float, labels: Ints) -> None:
    """Label of each row; nothing changes but `labels`."""
    n, d = X.shape
    x = np.empty(d)
    scores = np.empty(C.shape[0])
    for i in range(n):
        for j in range(d):
            x[j] = X[i, j]
        labels[i] = _nearest(x, C, order, power, scores)


@njit(cache=True)
def learn_rows(
    X: Vectors,
    C: Floats,
    counts: Ints,
    order: Ints,
    power: float,
    rate: float,
    adaptive: bool,
    window: Floats,
    inertias: Floats,
    at: int,
    labels: Ints,
) -> None:
    """Label each row, then move its centre towards it; rows in order.

    `window` (w, d) and `inertias` (w,) are rings written from slot `at` on; a window of no rows is not kept.
    In adaptive mode the step is max(1 / vectors the centre has learned, rate).
    """
    n, d = X.shape
    x = np.empty(d)
    scores = np.empty(C.shape[0])
    slots = inertias.shape[0]
    kept = window.shape[0] == slots
    for i in range(n):
        for j in range(d):
            x[j] = X[i, j]
        c = _nearest(x, C, order, power, scores)
        labels[i] = c
        counts[c] += 1
        step = rate
        if adaptive:
            step = max(1.0 / counts[c], rate)
        for j in range(d):
            C[c, j] += step * (x[j] - C[c, j])
        inertias[at] = scores[c]
        if kept:
            for j in range(d):
                window[at, j] = x[j]
        at += 1
        if at == slots:
            at = 0


@njit(cache=True, fastmath=SCORES)
def _distance(x: Floats, C: Floats, c: int) -> float:
    """Squared distance of a vector to one centre."""
    s = 0.0
    for j in range(C.shape[1]):
        t = x[j] - C[c, j]
        s += t * t
    return s


@njit(cache=True, fastmath=SCORES)
def _squares(A: Floats, rows: int, out: Floats) -> None:
    """Squared length of each of the first rows."""
    for i in range(rows):
        s = 0.0
        for j in range(A.shape[1]):
            s += A[i, j] * A[i, j]
        out[i] = s


@njit(cache=True, fastmath=SCORES)
def _products(B: Floats, rows: int, C: Floats, out: Floats) -> None:
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


@njit(cache=True, fastmath=SCORES)
def _bounds(products: Floats, x2: float, c2: Floats, moved: Floats, slack: float, lower: Floats) -> float:
    """Write lower bounds of the present squared distances and return the least upper bound.

    With score s (right within `slack`) and r = sqrt(s + slack), a centre that has moved by m since lies between
    s - slack - 2 m r and (r + m)^2.
    """
    least = np.inf
    for c in range(c2.shape[0]):
        s = max(x2 - 2.0 * products[c] + c2[c], 0.0) + slack
        reach = 2.0 * moved[c] * math.sqrt(s)
        least = min(least, s + reach + moved[c] * moved[c])
        lower[c] = s - 2.0 * slack - reach
    return least


@njit(cache=True)
def _nearest_within(
    x: Floats, C: Floats, order: Ints, power: float, lower: Floats, upper: float, scores: Floats
) -> tuple[int, float]:
    """Nearest centre, and its squared distance, among those whose lower bound is within the least upper bound."""
    k, d = C.shape
    best = -1
    least = np.inf
    for c in range(k):
        scores[c] = np.inf
        if lower[c] <= upper:
            scores[c] = _distance(x, C, c)
            if scores[c] < least:
                best = c
                least = scores[c]
    limit = least * (1.0 + 4.0 * (d + 8) * EPSILON) + TINY
    near = 0
    for c in range(k):
        near += scores[c] <= limit
    if near > 1:
        best = _exact_nearest(x, C, order, power, scores, limit)
    return best, scores[best]


@njit(cache=True)
def learn_blocked(
    X: Vectors,
    C: Floats,
    counts: Ints,
    order: Ints,
    power: float,
    rate: float,
    adaptive: bool,
    window: Floats,
    inertias: Floats,
    at: int,
    labels: Ints,
) -> None:
    """`learn_rows` for many centres in many dimensions."""
    n, d = X.shape
    k = C.shape[0]
    B = np.zeros((ROWS, d))
    products = np.zeros((ROWS, k))
    x2, c2 = np.empty(ROWS), np.empty(k)
    moved, lower, scores = np.empty(k), np.empty(k), np.empty(k)
    slots = inertias.shape[0]
    kept = window.shape[0] == slots
    rounding = 4.0 * (d + 8) * EPSILON
    for start in range(0, n, ROWS):
        rows = min(ROWS, n - start)
        for i in range(rows):
            for j in range(d):
                B[i, j] = X[start + i, j]
        _products(B, rows, C, products)
        _squares(B, rows, x2)
        _squares(C, k, c2)
        furthest = math.sqrt(c2.max())
        moved[:] = 0.0
        for i in range(rows):
            x = B[i]
            size = math.sqrt(x2[i]) + furthest + moved.max()
            upper = _bounds(products[i], x2[i], c2, moved, rounding * size * size + TINY, lower)
            c, squared = _nearest_within(x, C, order, power, lower, upper, scores)
            labels[start + i] = c
            counts[c] += 1
            step = rate
            if adaptive:
                step = max(1.0 / counts[c], rate)
            for j in range(d):
                C[c, j] += step * (x[j] - C[c, j])
            moved[c] += step * math.sqrt(squared) * (1.0 + rounding) + rounding * size
            inertias[at] = squared
            if kept:
                window[at] = x
            at += 1
            if at == slots:
                at = 0


@njit(cache=True)
def predict_blocked(X: Vectors, C: Floats, order: Ints, power: float, labels: Ints) -> None:
    """`predict_rows` for many centres in many dimensions."""
    n, d = X.shape
    k = C.shape[0]
    B = np.zeros((ROWS, d))
    products = np.zeros((ROWS, k))
    x2, c2 = np.empty(ROWS), np.empty(k)
    moved, lower, scores = np.zeros(k), np.empty(k), np.empty(k)
    _squares(C, k, c2)
    furthest = math.sqrt(c2.max())
    rounding = 4.0 * (d + 8) * EPSILON
    for start in range(0, n, ROWS):
        rows = min(ROWS, n - start)
        for i in range(rows):
            for j in range(d):
                B[i, j] = X[start + i, j]
        _products(B, rows, C, products)
        _squares(B, rows, x2)
        for i in range(rows):
            size = math.sqrt(x2[i]) + furthest
            upper = _bounds(products[i], x2[i], c2, moved, rounding * size * size + TINY, lower)
            labels[start + i], _ = _nearest_within(B[i], C, order, power, lower, upper, scores)


@njit(cache=True)
def lloyd(X: Vectors, C: Floats, order: Ints, power: float, rounds: int) -> tuple[float, Ints]:
    """Lloyd's rounds on C in place until no label changes; an empty cluster takes the worst served vector.

    Returns (inertia of the centres as left, vectors per centre).
    """
    n, d = X.shape
    k = C.shape[0]
    labels = np.full(n, -1, np.int64)
    distances = np.empty(n)
    counts = np.zeros(k, np.int64)
    sums = np.empty((k, d))
    scores = np.empty(k)
    inertia = 0.0
    for r in range(rounds + 1):
        moved = False
        inertia = 0.0
        counts[:] = 0
        sums[:] = 0.0
        for i in range(n):
            c = _nearest(X[i], C, order, power, scores)
            moved |= labels[i] != c
            labels[i] = c
            distances[i] = scores[c]
            inertia += scores[c]
            counts[c] += 1
            for j in range(d):
                sums[c, j] += X[i, j]
        if r == rounds or not moved:
            break
        for c in range(k):
            if counts[c]:
                for j in range(d):
                    C[c, j] = sums[c, j] / counts[c]
            else:
                worst = np.argmax(distances)
                C[c] = X[worst]
                distances[worst] = 0.0
    return inertia, counts


@njit(cache=True)
def two_nearest(X: Vectors, C: Floats, order: Ints, power: float, labels: Ints, first: Floats, second: Floats) -> None:
    """Label of each row and its squared distances to the nearest and the next centre (infinite if there is none)."""
    scores = np.empty(C.shape[0])
    for i in range(X.shape[0]):
        c = _nearest(X[i], C, order, power, scores)
        labels[i] = c
        first[i] = scores[c]
        second[i] = np.inf
        for o in range(C.shape[0]):
            if o != c and scores[o] < second[i]:
                second[i] = scores[o]


@njit(cache=True)
def stabilise_rows(
    rows: Ints,
    X: Vectors,
    smooth: npt.NDArray[np.float32],
    seen: npt.NDArray[np.bool_],
    labels: Ints,
    C: Floats,
    ids: Ints,
    order: Ints,
    power: float,
    weight: float,
    keep: float,
    out: Ints,
) -> None:
    """Move each person's smoothed vector, then decide its segment id; events in order.

    `keep` is the factor on the squared distance to the present centre that another centre has to reach.
    """
    n, d = X.shape
    k = C.shape[0]
    x = np.empty(d)
    scores = np.empty(k)
    for i in range(n):
        r = rows[i]
        if seen[r]:
            for j in range(d):
                smooth[r, j] += weight * (X[i, j] - smooth[r, j])
        else:
            for j in range(d):
                smooth[r, j] = X[i, j]
            seen[r] = True
        if k:
            for j in range(d):
                x[j] = smooth[r, j]
            best = _nearest(x, C, order, power, scores)
            present = -1
            for c in range(k):
                if ids[c] == labels[r]:
                    present = c
            if present < 0 or (best != present and scores[best] <= keep * scores[present]):
                labels[r] = ids[best]
        out[i] = labels[r]
