"""Where centres begin: k-means++ and the place a centre is missed most; draws from a generator of our own.

The generator is part of a model's state, so that a restored model draws what the original would have drawn.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

SCORES = {"reassoc", "contract", "nsz"}

Floats = npt.NDArray[np.float64]
State = npt.NDArray[np.uint64]


@njit(cache=True)
def uniform(state: State) -> float:
    """Next number in [0, 1) of a splitmix64 generator (Steele, Lea and Flood 2014); `state` is uint64 (1,)."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return float(z >> np.uint64(11)) * 1.1102230246251565e-16


@njit(cache=True)
def _sample(weights: Floats, total: float, state: State) -> int:
    """Index drawn with probability proportional to its weight; never one of weight 0."""
    target = uniform(state) * total
    last = 0
    seen = 0.0
    for i in range(weights.shape[0]):
        if weights[i] > 0.0:
            seen += weights[i]
            last = i
            if seen > target:
                return i
    return last


@njit(cache=True, fastmath=SCORES)
def _with_candidate(X: Floats, row: int, nearest: Floats, out: Floats) -> float:
    """Distances when row `row` becomes a centre beside those behind `nearest`; returns their sum."""
    n, d = X.shape
    total = 0.0
    for i in range(n):
        s = 0.0
        for j in range(d):
            t = X[i, j] - X[row, j]
            s += t * t
        out[i] = min(nearest[i], s)
        total += out[i]
    return total


@njit(cache=True)
def plus_plus(X: Floats, k: int, state: State) -> Floats:
    """Greedy k-means++ start (Arthur and Vassilvitskii 2007, 2 + log k trials a centre).

    Returns fewer than k centres when there are fewer than k distinct vectors.
    """
    n, d = X.shape
    C = np.empty((k, d))
    nearest = np.full(n, np.inf)
    trial = np.empty(n)
    best = np.empty(n)
    first = min(int(uniform(state) * n), n - 1)
    C[0] = X[first]
    total = _with_candidate(X, first, nearest, trial)
    nearest[:] = trial
    trials = 2 + int(math.log(k))
    for c in range(1, k):
        if total <= 0.0:
            return C[:c].copy()
        least = np.inf
        chosen = -1
        for _ in range(trials):
            row = _sample(nearest, total, state)
            inertia = _with_candidate(X, row, nearest, trial)
            if inertia < least:
                least = inertia
                chosen = row
                best[:] = trial
        C[c] = X[chosen]
        nearest[:] = best
        total = least
    return C
