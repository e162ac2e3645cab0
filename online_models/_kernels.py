"""The numba loops around the nearest centre: predicting, learning, Lloyd, stable labels.

All in one file on purpose: numba's on-disk cache notices a change of the file a function stands in, not of the
functions it calls, so a kernel and what it calls share a file. Arrays of vectors come in C-contiguous and marked
read-only (one compiled version for data that may be written and data that may not, such as Arrow's).

Two kinds of arithmetic:

- Scores only have to find the nearest centre, so they may be reordered and fused (`SCORES`). When two centres lie
  closer together than their rounding error, `_exact_nearest` decides with River's own arithmetic: libm's ``pow`` (which
  differs from ``x * x`` in the last bit for 0.08 % of random numbers), summed in the order of River's set of keys.
- Centres move by plain IEEE arithmetic, one rounding per operation, as Python's floats do.
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
