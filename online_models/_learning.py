"""The loops that learn and predict, row by row.

Arrays of vectors come in C-contiguous and marked read-only (one compiled version for data that may be written and data
that may not, such as Arrow's).

Where centres are large (`blocked_pays`), scores come from a blocked matrix product with the centres as they stood when
the block began. How far a centre has moved since bounds what its score is now; the few that could be nearest are scored
again where they stand, so labels and centres are those of the plain loop, bit for bit.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ._distances import (
    EPSILON,
    ROWS,
    SCORES,
    TINY,
    Floats,
    Ints,
    Vectors,
    exact_nearest,
    only_within,
    products,
    reach,
    score,
    squares,
)

# The blocked loop pays from here on, us an event of the two loops: (32, 256) .79 and 1.02, (64, 384) 1.98 and 2.64; but
# (64, 128) .80 and .75, (128, 64) 1.4 and 1.0, for bounds cost the same however short a centre is.
BLOCKED = 8_192  # k * d
BLOCKED_DEPTH = 256  # d


def blocked_pays(centers: Floats) -> bool:
    """Whether the blocked loops are faster than the plain ones for centres of this shape (k, d)."""
    return centers.size >= BLOCKED and centers.shape[1] >= BLOCKED_DEPTH


@njit(cache=True)
def predict_rows(X: Vectors, C: Floats, order: Ints, power: float, labels: Ints) -> None:
    """Label of each row; nothing changes but `labels`."""
    n, d = X.shape
    x = np.empty(d)
    scores = np.empty(C.shape[0])
    for i in range(n):
        for j in range(d):
            x[j] = X[i, j]
        least, second, c = score(x, C, scores)
        limit = reach(least, d)
        labels[i] = c if second > limit else exact_nearest(x, C, order, power, scores, limit)


@njit(cache=True)
def learn_rows(
    X: Vectors,
    C: Floats,
    counts: Ints,
    order: Ints,
    power: float,
    rates: Floats,
    adaptive: bool,
    window: Floats,
    inertias: Floats,
    at: int,
    labels: Ints,
) -> None:
    """Label each row, then move its centre towards it; rows in order.

    `window` (w, d) and `inertias` (w,) are rings written from slot `at` on; a window of no rows is not kept.
    `rates` (k,) holds the step of each centre; in adaptive mode it is max(1 / vectors the centre has learned, rate).
    """
    n, d = X.shape
    x = np.empty(d)
    scores = np.empty(C.shape[0])
    slots = inertias.shape[0]
    kept = window.shape[0] == slots
    for i in range(n):
        for j in range(d):
            x[j] = X[i, j]
        squared, second, c = score(x, C, scores)
        limit = reach(squared, d)
        if second <= limit:
            c = exact_nearest(x, C, order, power, scores, limit)
            squared = scores[c]
        labels[i] = c
        counts[c] += 1
        step = rates[c]
        if adaptive:
            step = max(1.0 / counts[c], rates[c])
        for j in range(d):
            C[c, j] += step * (x[j] - C[c, j])
        inertias[at] = squared
        if kept:
            for j in range(d):
                window[at, j] = x[j]
        at += 1
        if at == slots:
            at = 0


@njit(cache=True, fastmath=SCORES)
def _bounds(dots: Floats, x2: float, c2: Floats, moved: Floats, slack: float, lower: Floats) -> float:
    """Write lower bounds of the present squared distances and return the least upper bound.

    With score s (right within `slack`) and r = sqrt(s + slack), a centre that has moved by m since lies between
    s - slack - 2 m r and (r + m)^2.
    """
    least = np.inf
    for c in range(c2.shape[0]):
        s = max(x2 - 2.0 * dots[c] + c2[c], 0.0) + slack
        reach = 2.0 * moved[c] * math.sqrt(s)
        least = min(least, s + reach + moved[c] * moved[c])
        lower[c] = s - 2.0 * slack - reach
    return least


@njit(cache=True, fastmath=SCORES | {"nnan"})
def _score_within(x: Floats, C: Floats, lower: Floats, upper: float, scores: Floats) -> float:
    """`score` where the lower bound is within the least upper bound; the others are infinitely far."""
    k, d = C.shape
    least = np.inf
    for c in range(k):
        s = np.inf
        if lower[c] <= upper:
            s = 0.0
            for j in range(d):
                t = x[j] - C[c, j]
                s += t * t
        scores[c] = s
        least = s if s < least else least
    return least


@njit(cache=True)
def learn_blocked(
    X: Vectors,
    C: Floats,
    counts: Ints,
    order: Ints,
    power: float,
    rates: Floats,
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
    dots = np.zeros((ROWS, k))
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
        products(B, rows, C, dots)
        squares(B, rows, x2)
        squares(C, k, c2)
        furthest = math.sqrt(c2.max())
        moved[:] = 0.0
        for i in range(rows):
            x = B[i]
            size = math.sqrt(x2[i]) + furthest + moved.max()
            upper = _bounds(dots[i], x2[i], c2, moved, rounding * size * size + TINY, lower)
            limit = reach(_score_within(x, C, lower, upper, scores), d)
            c = only_within(scores, limit)
            if c < 0:
                c = exact_nearest(x, C, order, power, scores, limit)
            squared = scores[c]
            labels[start + i] = c
            counts[c] += 1
            step = rates[c]
            if adaptive:
                step = max(1.0 / counts[c], rates[c])
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
    dots = np.zeros((ROWS, k))
    x2, c2 = np.empty(ROWS), np.empty(k)
    moved, lower, scores = np.zeros(k), np.empty(k), np.empty(k)
    squares(C, k, c2)
    furthest = math.sqrt(c2.max())
    rounding = 4.0 * (d + 8) * EPSILON
    for start in range(0, n, ROWS):
        rows = min(ROWS, n - start)
        for i in range(rows):
            for j in range(d):
                B[i, j] = X[start + i, j]
        products(B, rows, C, dots)
        squares(B, rows, x2)
        for i in range(rows):
            size = math.sqrt(x2[i]) + furthest
            upper = _bounds(dots[i], x2[i], c2, moved, rounding * size * size + TINY, lower)
            x = B[i]
            limit = reach(_score_within(x, C, lower, upper, scores), d)
            c = only_within(scores, limit)
            labels[start + i] = c if c >= 0 else exact_nearest(x, C, order, power, scores, limit)
