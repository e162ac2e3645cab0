"""How good a version is, and what it changed: inertia, silhouette, and who is where, against the version before."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._fitting import squared_distances
from .choose_k import simplified_silhouette
from .errors import ShapeError

__all__ = ["Quality", "assess", "nearest_centres", "overlap_of"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Quality:
    """What some vectors say of a version.

    Attributes
    ----------
    vectors
        How many there were.
    inertia
        Mean squared distance to the nearest centre.
    silhouette
        Simplified silhouette in [-1, 1]; NaN where there is none.
    noise
        Share in no segment.
    moved
        Share in another segment than in the version before, of those that were in one; NaN where none was.
    overlap
        (segment before, segment now, vectors), only where there are any: the matrix between the two versions.
    """

    vectors: int = 0
    inertia: float = 0.0
    silhouette: float = math.nan
    noise: float = 0.0
    moved: float = math.nan
    overlap: tuple[tuple[int, int, int], ...] = ()


def assess(vectors: npt.ArrayLike, centers: Floats, ids: Ints, before: npt.ArrayLike | None = None) -> Quality:
    """Judge centres by vectors.

    Parameters
    ----------
    vectors
        (n, d).
    centers, ids
        (k, d) and (k,).
    before
        Segment of each vector in the version before (n,), below -1 for none; without it nothing is said of that.

    Examples
    --------
    >>> import numpy as np
    >>> places = np.array([[0.0], [1.0], [8.0], [9.0]])
    >>> quality = assess(places, np.array([[0.5], [8.5]]), np.array([3, 7]), before=[3, 4, 4, 4])
    >>> quality.inertia, quality.moved, quality.overlap
    (0.25, 0.75, ((3, 3, 1), (4, 3, 1), (4, 7, 2)))
    """
    block = np.asarray(vectors, np.float64)
    if not len(block) or not len(centers):
        return Quality()
    labels, squared = squared_distances(block, centers)
    now = ids[labels]
    moved, overlap = overlap_of(now if before is None else np.asarray(before, np.int64), now)
    silhouette = simplified_silhouette(block, centers)
    if before is None:
        return Quality(len(block), float(squared.mean()), silhouette)
    return Quality(len(block), float(squared.mean()), silhouette, 0.0, moved, overlap)


def nearest_centres(vectors: Floats, centers: Floats) -> Ints:
    """Return the place of each vector's nearest centre, (n,)."""
    return squared_distances(vectors, centers)[0]


def overlap_of(before: Ints, now: Ints) -> tuple[float, tuple[tuple[int, int, int], ...]]:
    """Return the share that moved, of those that were in a segment, and the matrix as (before, now, how many)."""
    if before.shape != now.shape:
        msg = f"segments of {len(before)} vectors before and of {len(now)} now"
        raise ShapeError(msg)
    pairs, counts = np.unique(np.stack([before, now], axis=1), axis=0, return_counts=True)
    matrix = tuple((int(a), int(b), int(n)) for (a, b), n in zip(pairs.tolist(), counts.tolist(), strict=True))
    had = sum(n for a, _, n in matrix if a >= -1)
    return sum(n for a, b, n in matrix if a >= -1 and a != b) / had if had else math.nan, matrix
