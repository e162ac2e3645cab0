"""The numba loops of DBSTREAM: micro-clusters and their shared density, and what they make together.

Micro-clusters follow `river.cluster.DBSTREAM` (Hahsler and Bolanos 2016, algorithms 1 and 2) bit for bit. Two things
are done otherwise without another result:

- River decides the radius by its own distance for every micro-cluster. Here a fused score decides, and River's distance
  is computed where the score lies within rounding error of the radius, and where the distance itself is needed.
- River's clean-up walks everything every few events. Here a micro-cluster knows the earliest event at which it can be
  too weak, and a shared density that River would have set to 0 is found to be so when it is next looked at: fading only
  falls, so what the last clean-up would have left had passed all those before.

All kernels are in this file because numba's on-disk cache notices only changes of the file a function stands in.

numba counts references to arrays: two atomic operations for each view of a row, and for each array that is given to a
function with several ends or with calls. They took half of a small event's time, so what runs for every event takes
whole arrays and the numbers of rows, and has one end.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Vectors = npt.NDArray[Any]  # (n, d), float32 or float64
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SCORES = {"reassoc", "contract", "nsz"}
EPSILON = 2.220446049250313e-16
TINY = 1e-300
NOISE = -1
FREE = -1  # of a pair's slot
FOREVER = 2**62

# Places in `state`, an int64 array that the kernels advance.
MICROS, TIME, CLEANED, SERIAL, PAIRS, EVICTED, WANTED = range(7)
# Places in `rule`, a float64 array that they read. BASE is River's 2 in 2 ** x: known only when the kernel runs, so
# that LLVM can't turn libm's pow into exp2. From FADES on: what is left after 0, 1, 2, ... events.
RADIUS, FADING, GAP, OVERLAP, WEAK, BASE, FADES = range(7)
REMEMBERED = 1_024  # events; most fading is over a few, and a power costs as much as the rest of a small event


@njit(cache=True, fastmath=SCORES)
def _score(A: Floats, a: int, B: Floats, b: int) -> float:
    """Squared distance of row a of A and row b of B but for rounding."""
    s = 0.0
    for j in range(A.shape[1]):
        t = A[a, j] - B[b, j]
        s += t * t
    return s


@njit(cache=True, fastmath=SCORES)
def _scores(x: Floats, centers: Floats, m: int, out: Floats) -> None:
    """Squared distances of a vector (1, d) to the first m centres; four at a time, as k-means does."""
    d = x.shape[1]
    for c in range(0, m - 3, 4):
        s0 = s1 = s2 = s3 = 0.0
        for j in range(d):
            t = x[0, j] - centers[c, j]
            s0 += t * t
            t = x[0, j] - centers[c + 1, j]
            s1 += t * t
            t = x[0, j] - centers[c + 2, j]
            s2 += t * t
            t = x[0, j] - centers[c + 3, j]
            s3 += t * t
        out[c], out[c + 1], out[c + 2], out[c + 3] = s0, s1, s2, s3
    for c in range(m - m % 4, m):
        out[c] = _score(x, 0, centers, c)


@njit(cache=True)
def _distance(A: Floats, a: int, B: Floats, b: int) -> float:
    """River's euclidean distance of two dicts with the same keys, bit for bit."""
    s = 0.0
    for j in range(A.shape[1]):
        t = A[a, j] - B[b, j]
        s += t * t
    return math.sqrt(s)


@njit(cache=True)
def _bounds(radius: float, d: int) -> tuple[float, float]:
    """Score up to which a distance is surely less than `radius`, and score from which on it surely isn't."""
    square = radius * radius
    slack = 4.0 * (d + 8) * EPSILON * square + TINY
    return square - slack, square + slack


@njit(cache=True)
def _slot(a: int, b: int, pair_a: Ints, pair_b: Ints) -> int:
    """Slot of a pair in the open-addressed table, or the free one where it belongs."""
    mask = pair_a.shape[0] - 1
    mixed = np.uint64(a) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(b) * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed ^= mixed >> np.uint64(32)
    at = np.int64(mixed & np.uint64(mask))
    while pair_a[at] != FREE and (pair_a[at] != a or pair_b[at] != b):
        at = (at + 1) & mask
    return int(at)


@njit(cache=True)
def _faded(value: float, since: int, now: int, rule: Floats) -> float:
    events = now - since
    known = 0 <= events < len(rule) - FADES
    return value * (rule[FADES + events] if known else math.pow(rule[BASE], -rule[FADING] * events))


@njit(cache=True)
def remember_fades(rule: Floats) -> None:
    """Fill in what is left after 0, 1, 2, ... events."""
    for events in range(len(rule) - FADES):
        rule[FADES + events] = math.pow(rule[BASE], -rule[FADING] * events)


@njit(cache=True)
def _move(source: int, target: int, centers: Floats, weights: Floats, micro: Ints) -> None:
    for j in range(centers.shape[1]):
        centers[target, j] = centers[source, j]
    weights[target] = weights[source]
    for j in range(micro.shape[0]):
        micro[j, target] = micro[j, source]


@njit(cache=True)
def _drop(place: int, centers: Floats, weights: Floats, micro: Ints, state: Ints) -> None:
    """Remove a micro-cluster; the others keep their order, which is that of their ids."""
    state[MICROS] -= 1
    for i in range(place, state[MICROS]):
        _move(i + 1, i, centers, weights, micro)


# Rows of `micro` (5, capacity): the id River gives (used again when the newest has gone), a number that is never used
# again, the event of the last update, the first event at which it can be too weak, and its segment.
ID, NUMBER, UPDATED, CHECK, SEGMENT = range(5)


@njit(cache=True)
def _clean(centers: Floats, weights: Floats, micro: Ints, state: Ints, rule: Floats) -> int:
    """Remove the micro-clusters that are too weak, in one pass; return the event before which no other can be."""
    now = state[TIME]
    first = FOREVER
    kept = 0
    for i in range(state[MICROS]):
        if micro[CHECK, i] <= now:
            if _faded(weights[i], micro[UPDATED, i], now, rule) < rule[WEAK]:
                continue
            micro[CHECK, i] = _earliest_weak(weights[i], micro[UPDATED, i], rule)
        first = min(first, micro[CHECK, i])
        if kept < i:
            _move(i, kept, centers, weights, micro)
        kept += 1
    state[MICROS] = kept
    return first


@njit(cache=True)
def _earliest_weak(weight: float, now: int, rule: Floats) -> int:
    """Event before which a micro-cluster of this weight, updated now, surely isn't too weak."""
    events = rule[GAP] + math.log2(weight) / rule[FADING]
    return FOREVER if events > 1e15 else now + int(events * (1.0 - 1e-9)) - 1


@njit(cache=True)
def _weakest(weights: Floats, micro: Ints, state: Ints, rule: Floats) -> int:
    place = 0
    least = np.inf
    for i in range(state[MICROS]):
        weight = _faded(weights[i], micro[UPDATED, i], state[TIME], rule)
        if weight < least:
            place, least = i, weight
    return place


@njit(cache=True)
def learn_rows(
    X: Vectors,
    start: int,
    centers: Floats,
    weights: Floats,
    micro: Ints,
    pair_a: Ints,
    pair_b: Ints,
    shared: Floats,
    shared_at: Ints,
    state: Ints,
    rule: Floats,
    most: int,
    labels: Ints,
) -> int:
    """Label each row from `start` on, then learn it; rows in order.

    Returns the row at which it stopped because there was no room for a new micro-cluster or for the row's pairs;
    nothing of that row has been learned. `most` micro-clusters are the most there may be: then the weakest gives way.
    """
    n, d = X.shape
    x = np.empty((1, d))
    near = np.empty(len(weights) + 1, np.int64)  # one more: the place after the last is written to as well
    old = np.empty((16, d))
    scores = np.empty(len(weights))
    radius = rule[RADIUS]
    inside, outside = _bounds(radius, d)
    faint = rule[OVERLAP] * rule[WEAK]
    gap = int(rule[GAP])
    first = state[TIME]  # before this event no micro-cluster is too weak; unknown yet
    patience = _earliest_weak(1.0, 0, rule)  # a weight is at least 1 when it was just updated
    for i in range(start, n):
        for j in range(d):
            x[0, j] = X[i, j]
        count = 0
        label = NOISE
        least = np.inf
        _scores(x, centers, state[MICROS], scores)
        maybe = 0
        for c in range(state[MICROS]):  # without branches: which are near can't be foretold
            near[maybe] = c
            maybe += scores[c] <= outside
        for a in range(maybe):
            c = near[a]
            if scores[c] < inside or _distance(x, 0, centers, c) < radius:
                near[count] = c
                count += 1
                if micro[SEGMENT, c] != NOISE and scores[c] < least:
                    least, label = scores[c], micro[SEGMENT, c]
        now = state[TIME]
        if count == 0:
            if state[MICROS] == most:
                _drop(_weakest(weights, micro, state, rule), centers, weights, micro, state)
                state[EVICTED] += 1
            place = state[MICROS]
            if place == len(weights):
                return i
            for j in range(d):
                centers[place, j] = x[0, j]
            weights[place] = 1.0
            micro[ID, place] = micro[ID, place - 1] + 1 if place else 0
            micro[NUMBER, place] = state[SERIAL]
            micro[UPDATED, place] = now
            micro[CHECK, place] = now + patience
            first = min(first, micro[CHECK, place])
            micro[SEGMENT, place] = NOISE
            state[MICROS] += 1
            state[SERIAL] += 1
        else:
            if 2 * (state[PAIRS] + count * (count - 1) // 2) > len(pair_a):
                state[WANTED] = count * (count - 1) // 2
                return i
            if count > len(old):
                old = np.empty((2 * count, d))
            sigma = radius / 3
            for a in range(count):
                c = near[a]
                weights[c] = _faded(weights[c], micro[UPDATED, c], now, rule) + 1.0
                distance = _distance(x, 0, centers, c)
                h = math.exp(-(distance * distance) / (2 * (sigma * sigma)))
                for j in range(d):
                    old[a, j] = centers[c, j]
                    centers[c, j] = old[a, j] + h * (x[0, j] - old[a, j])
                micro[UPDATED, c] = now
                micro[CHECK, c] = max(micro[CHECK, c], now + patience)  # an update makes it only stronger
                for b in range(a + 1, count):
                    one, other = micro[NUMBER, c], micro[NUMBER, near[b]]
                    slot = _slot(one, other, pair_a, pair_b)
                    if pair_a[slot] == FREE:
                        pair_a[slot], pair_b[slot] = one, other
                        shared[slot] = 1.0
                        state[PAIRS] += 1
                    else:
                        density, since = shared[slot], shared_at[slot]
                        left = _faded(density, since, now, rule)
                        if left < faint and _faded(density, since, state[CLEANED], rule) < faint:
                            left = 0.0  # the last clean-up had found it too weak
                        shared[slot] = left + 1.0
                    shared_at[slot] = now
            for a in range(count):
                for b in range(a + 1, count):
                    one, other = near[a], near[b]
                    s = _score(centers, one, centers, other)
                    if s <= outside and (s < inside or _distance(centers, one, centers, other) < radius):
                        for j in range(d):
                            centers[one, j] = old[a, j]
                            centers[other, j] = old[b, j]
        labels[i] = label
        state[TIME] = now + 1
        if state[TIME] % gap == 0:
            state[CLEANED] = state[TIME]
            if first <= state[TIME]:
                first = _clean(centers, weights, micro, state, rule)
    return int(n)


@njit(cache=True)
def predict_rows(X: Vectors, centers: Floats, segments: Ints, radius: float, labels: Ints) -> None:
    """Segment of the nearest micro-cluster that has one and lies within the radius, else noise."""
    n, d = X.shape
    x = np.empty((1, d))
    scores = np.empty(len(segments))
    inside, outside = _bounds(radius, d)
    for i in range(n):
        for j in range(d):
            x[0, j] = X[i, j]
        labels[i] = NOISE
        least = np.inf
        _scores(x, centers, len(segments), scores)
        for c in range(len(segments)):
            nearer = scores[c] < least and segments[c] != NOISE and scores[c] <= outside
            if nearer and (scores[c] < inside or _distance(x, 0, centers, c) < radius):
                least, labels[i] = scores[c], segments[c]


@njit(cache=True)
def live_pairs(
    pair_a: Ints, pair_b: Ints, shared: Floats, shared_at: Ints, numbers: Ints, state: Ints, rule: Floats
) -> Ints:
    """Slots of the pairs whose micro-clusters are both there and whose density passed the last clean-up."""
    kept = np.empty(len(pair_a), np.int64)
    count = 0
    for at in range(len(pair_a)):
        if pair_a[at] == FREE:
            continue
        a, b = np.searchsorted(numbers, pair_a[at]), np.searchsorted(numbers, pair_b[at])
        if a == len(numbers) or b == len(numbers) or numbers[a] != pair_a[at] or numbers[b] != pair_b[at]:
            continue
        if _faded(shared[at], shared_at[at], state[CLEANED], rule) >= rule[OVERLAP] * rule[WEAK]:
            kept[count] = at
            count += 1
    return kept[:count].copy()


@njit(cache=True)
def insert_pairs(a: Ints, b: Ints, values: Floats, at: Ints, pair_a: Ints, pair_b: Ints, s: Floats, s_at: Ints) -> None:
    """Put pairs into an empty table."""
    for i in range(len(a)):
        slot = _slot(a[i], b[i], pair_a, pair_b)
        pair_a[slot], pair_b[slot], s[slot], s_at[slot] = a[i], b[i], values[i], at[i]


@njit(cache=True)
def components(n: int, a: Ints, b: Ints) -> Ints:
    """Smallest member of each vertex's connected component, by union-find; edges a-b."""
    parent = np.arange(n)
    for i in range(len(a)):
        u, v = a[i], b[i]
        while parent[u] != u:
            parent[u] = parent[parent[u]]
            u = parent[u]
        while parent[v] != v:
            parent[v] = parent[parent[v]]
            v = parent[v]
        parent[max(u, v)] = min(u, v)
    for i in range(n):
        parent[i] = parent[parent[i]]
    return parent
