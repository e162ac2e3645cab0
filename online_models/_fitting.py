"""Many vectors at once: a fit of all centres that keeps ids where it can, and the swap of a single one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from . import _kernels, _seeding
from ._arrays import read_only
from .changes import continue_centres

__all__ = ["POWER", "Fit", "Swap", "best_swap", "fit_centres", "settle", "squared_distances"]

POWER = 2.0  # River's p; an argument of the kernels so that LLVM can't turn libm's pow into a product
RESTARTS = 10  # k-means++ starts of a fit; with 5, one mixture in six missed a component (inertia 1.14 of batch)
ROUNDS = 50  # Lloyd's rounds at most; 1,000 vectors converge in 10 to 25
CANDIDATES = 8  # places tried for a swap (DESIGN 9)
HOPELESS = 1.1  # a swap that starts above this multiple of the inertia isn't refined
REFINE = 3  # Lloyd's rounds before a swap is judged: digits 1.035 of batch Lloyd with 3, 1.046 with none (6 seeds)

Centres = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fit:
    """Centres (k, d), vectors and id of each (k,), new ids, and the inertia of the vectors fitted."""

    centers: Centres
    counts: Ints
    ids: Ints
    minted: tuple[int, ...]
    inertia: float


def squared_distances(vectors: Centres, centers: Centres) -> tuple[Ints, npt.NDArray[np.float64]]:
    """Nearest centre of each vector and the squared distance to it, both (n,)."""
    labels = np.zeros(len(vectors), np.int64)
    order = np.arange(vectors.shape[1])
    _kernels.predict_rows(read_only(vectors), centers, order, POWER, labels)
    return labels, ((vectors - centers[labels]) ** 2).sum(axis=1)


def fit_centres(
    vectors: Centres,
    old: Centres,
    old_ids: Ints,
    n_clusters: int,
    state: npt.NDArray[np.uint64],
    mint: Callable[[], int],
) -> Fit:
    """Fit up to n_clusters centres by Lloyd's rounds, from k-means++ starts and from the old centres.

    Parameters
    ----------
    vectors
        (n, d), at least one. Fewer distinct ones than n_clusters give as many centres as distinct vectors.
    old, old_ids
        Present centres and their ids. A new centre that continues an old one keeps id and, where it can, place.
    state
        State of the generator, uint64 (1,), advanced.
    mint
        Gives a new id.
    """
    order = np.arange(vectors.shape[1])
    block = read_only(vectors)
    best: tuple[float, Centres, Ints] | None = None
    for attempt in range(RESTARTS + 1):
        if attempt < RESTARTS:
            start = _seeding.plus_plus(block, n_clusters, state)
        elif len(old):
            start = old.copy()
        else:
            break
        inertia, counts = _kernels.lloyd(block, start, order, POWER, ROUNDS)
        # an empty cluster: more centres than distinct vectors; k-means++ makes no more than there are
        if counts.all() and (best is None or inertia < best[0]):
            best = inertia, start, counts
    if best is None:  # vectors so close together that distances round to 0
        best = 0.0, vectors[:1].copy(), np.array([len(vectors)])
    inertia, centers, counts = best
    labels, squared = squared_distances(vectors, centers)
    members = np.maximum(np.bincount(labels, minlength=len(centers)), 1)
    radii = np.sqrt(np.bincount(labels, squared, len(centers)) / members)
    continued = continue_centres(old, centers, radii)
    at_place = {place: new for new, place in continued.items() if place < len(centers)}
    others = iter([new for new in range(len(centers)) if new not in at_place.values()])
    places = [at_place[place] if place in at_place else next(others) for place in range(len(centers))]
    ids = {new: int(old_ids[continued[new]]) if new in continued else mint() for new in places}
    return Fit(
        np.ascontiguousarray(centers[places]),
        np.ascontiguousarray(counts[places]),
        np.array([ids[new] for new in places], np.int64),
        tuple(ids[new] for new in places if new not in continued),
        float(inertia),
    )


def settle(window: Centres, centers: Centres, memory: float) -> None:
    """Move each centre that took few vectors of the window to their mean, in place.

    A centre remembers its last `memory` (1 / rate) vectors, and one that took fewer of the window remembers others from
    before it. On `embeddings` with drift (Zipf weights) inertia fell from 1.02-1.07 of batch Lloyd to 1.00-1.05.
    """
    labels = np.zeros(len(window), np.int64)
    _kernels.predict_rows(read_only(window), centers, np.arange(window.shape[1]), POWER, labels)
    taken = np.bincount(labels, minlength=len(centers))
    for centre in np.flatnonzero((taken > 0) & (taken < memory)):
        centers[centre] = window[labels == centre].mean(axis=0)


@dataclass(frozen=True, slots=True)
class Swap:
    """Centres (k, d) with the one at `moved` swapped or added, its vectors, and the inertia without and with that."""

    centers: Centres
    moved: int
    count: int
    before: float
    after: float


def best_swap(window: Centres, centers: Centres, *, grow: bool, state: npt.NDArray[np.uint64]) -> Swap | None:
    """Best move of the centre whose removal costs least (with `grow`: the best addition of one), on a window.

    It goes to the best of 8 D2-sampled vectors. A vector is a poor centre in many dimensions, so what is compared is
    the inertia after a few of Lloyd's rounds, with the swap and without.

    Returns
    -------
    Swap or None
        None where no swap can pay: the removal alone costs too much, which is the rule once all centres are right.
    """
    block = read_only(window)
    order = np.arange(window.shape[1])
    labels = np.empty(len(window), np.int64)
    first, second = np.empty(len(window)), np.empty(len(window))
    _kernels.two_nearest(block, centers, order, POWER, labels, first, second)
    moved = len(centers)
    if not grow:
        moved = int(np.argmin(np.bincount(labels, second - first, len(centers))))
    without = np.where(labels == moved, second, first)
    place, start = _seeding.best_place(block, first, without, CANDIDATES, state)
    if place < 0 or start > HOPELESS * first.sum():
        return None
    swapped = np.vstack([centers, window[place]]) if grow else centers.copy()
    swapped[moved] = window[place]
    after, counts = _kernels.lloyd(block, swapped, order, POWER, REFINE)
    before, _ = _kernels.lloyd(block, centers.copy(), order, POWER, REFINE)
    return Swap(swapped, moved, max(int(counts[moved]), 1), float(before), float(after))
