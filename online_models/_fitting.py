"""A fit of all centres to many vectors at once that keeps ids where it can."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from . import _seeding
from ._lloyd import centred, lloyd, two_nearest
from ._search import search
from .changes import continue_centres

__all__ = ["Fit", "fit_centres", "saved_by_a_fit", "squared_distances"]

RESTARTS = 3  # k-means++ starts of a fit; the search behind them finds what the best of ten found, and more
ROUNDS = 50  # Lloyd's rounds at most; 1,000 vectors converge in 10 to 25

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
    labels, first, second = np.zeros(len(vectors), np.int64), np.empty(len(vectors)), np.empty(len(vectors))
    block, mean = centred(vectors)
    two_nearest(block, centers - mean, labels, first, second)
    return labels, first


def fit_centres(
    vectors: Centres,
    old: Centres,
    old_ids: Ints,
    n_clusters: int,
    state: npt.NDArray[np.uint64],
    mint: Callable[[], int],
) -> Fit:
    """Fit up to n_clusters centres: Lloyd's rounds from k-means++ starts and from the old centres, then a search.

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
    centers, counts, inertia = _fitted(vectors, old, n_clusters, state)
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
        inertia,
    )


def saved_by_a_fit(
    vectors: Centres, others: Centres, present: Centres, n_clusters: int, state: npt.NDArray[np.uint64]
) -> float:
    """Return the part of the inertia of `others` that centres fitted to `vectors` save beside the present ones.

    Others, since centres fit the vectors that they were fitted to in any case; negative where the present ones are
    better. `state` is not advanced.
    """
    fitted, _, _ = _fitted(vectors, present, n_clusters, state.copy())
    before = float(squared_distances(others, present)[1].sum())
    return 1.0 - float(squared_distances(others, fitted)[1].sum()) / before if before else 0.0


def _fitted(
    vectors: Centres, old: Centres, n_clusters: int, state: npt.NDArray[np.uint64]
) -> tuple[Centres, Ints, float]:
    """Return centres, vectors of each, and the inertia."""
    block, mean = centred(vectors)
    spare = np.empty(len(block), np.int64), np.empty(len(block)), np.empty(len(block))
    best: tuple[float, Centres] | None = None
    for attempt in range(RESTARTS + 1):
        if attempt < RESTARTS:
            start = _seeding.plus_plus(block, n_clusters, state)
        elif len(old):
            start = old - mean
        else:
            break
        inertia, counts = lloyd(block, start, ROUNDS, 0.0, True, *spare)
        # an empty cluster: more centres than distinct vectors; k-means++ makes no more than there are
        if counts.all() and (best is None or inertia < best[0]):
            best = inertia, start
    if best is None:  # vectors so close together that distances round to 0
        return vectors[:1].copy(), np.array([len(vectors)]), 0.0
    found, _, _ = search(block, best[1], len(best[1]))
    inertia, counts = lloyd(block, found, ROUNDS, 0.0, False, *spare)
    return found + mean, counts, float(inertia)
