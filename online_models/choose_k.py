"""How many segments? Two opinions side by side; advice, never a decision."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._arrays import as_block, refuse_unusable
from ._fitting import fit_centres
from ._lloyd import centred, two_nearest
from .errors import ShapeError

__all__ = ["Advice", "Choice", "bic", "choose_k", "simplified_silhouette"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Choice:
    """What was found for one number of segments.

    Attributes
    ----------
    k
        Centres asked for; `found` is smaller where fewer vectors differ.
    found
        Centres fitted.
    inertia
        Mean squared distance to the nearest centre.
    silhouette
        Simplified silhouette in [-1, 1], higher is better; NaN for one centre.
    bic
        Bayesian information criterion, lower is better; -inf when every vector lies on a centre.
    smallest
        Share of the vectors in the smallest segment.
    """

    k: int
    found: int
    inertia: float
    silhouette: float
    bic: float
    smallest: float


@dataclass(frozen=True, slots=True)
class Advice:
    """The table, and the k each of the two would take (None where none has a value)."""

    table: tuple[Choice, ...]
    by_silhouette: int | None
    by_bic: int | None


def simplified_silhouette(vectors: npt.ArrayLike, centers: npt.ArrayLike) -> float:
    """Mean of (b - a) / max(a, b): a the distance to the nearest centre, b to the next (Hruschka et al. 2004).

    Parameters
    ----------
    vectors
        (n, d), at least one.
    centers
        (k, d). One centre has no silhouette: NaN.
    """
    block, place = _pair(vectors, centers)
    if len(place) < 2:
        return math.nan
    labels, first, second = np.empty(len(block), np.int64), np.empty(len(block)), np.empty(len(block))
    two_nearest(block, place, labels, first, second)
    near, next_ = np.sqrt(first), np.sqrt(second)
    # a vector on two centres at once is on the border between them: 0
    return float(np.divide(next_ - near, next_, out=np.zeros(len(block)), where=next_ > 0).mean())


def bic(vectors: npt.ArrayLike, centers: npt.ArrayLike) -> float:
    """BIC of spherical Gaussians of one variance around the centres, as ``p log n - 2 log L``: lower is better.

    The likelihood is that of X-means (Pelleg and Moore 2000, section 3.2) with hard assignments and the unbiased
    variance inertia / (d (n - k)); p = k (d + 1) counts k - 1 shares, k d coordinates and the variance.

    Parameters
    ----------
    vectors
        (n, d), n > k.
    centers
        (k, d).
    """
    block, place = _pair(vectors, centers)
    (n, d), k = block.shape, len(place)
    if n <= k:
        msg = f"BIC needs more vectors than centres, got {n} and {k}"
        raise ShapeError(msg)
    labels, first, second = np.empty(n, np.int64), np.empty(n), np.empty(n)
    two_nearest(block, place, labels, first, second)
    variance = first.sum() / (d * (n - k))
    if variance <= 0:
        return -math.inf
    sizes = np.bincount(labels, minlength=k)
    sizes = sizes[sizes > 0]
    likelihood = float((sizes * np.log(sizes / n)).sum())
    likelihood -= n * d / 2 * math.log(2 * math.pi * variance) + d * (n - k) / 2
    return float(k * (d + 1) * math.log(n) - 2 * likelihood)


def choose_k(
    vectors: npt.ArrayLike,
    ks: Iterable[int] = range(2, 21),
    seed: int | None = None,
    tell: Callable[[Choice], None] = lambda choice: None,
) -> Advice:
    """Fit each number of segments with Lloyd's rounds and say what silhouette and BIC think of it.

    The two disagree by nature: the silhouette likes few segments far apart, BIC takes every bump of the density for one
    more. What a segment is for decides.

    Parameters
    ----------
    vectors
        (n, d), standardised; a sample of some thousands is plenty.
    ks
        Numbers of segments to try, each at least 1 and below n.
    seed
        Makes it repeatable.
    tell
        Told each choice as soon as it is known; the smallest k comes first.

    Examples
    --------
    >>> import numpy as np
    >>> random = np.random.default_rng(0)
    >>> corners = np.array([[0.0, 0.0], [8.0, 0.0], [0.0, 8.0]])
    >>> advice = choose_k(corners[random.integers(3, size=300)] + random.normal(size=(300, 2)), range(2, 6), seed=1)
    >>> advice.by_silhouette, advice.by_bic
    (3, 3)
    """
    block = as_block(vectors, None)
    refuse_unusable(block)
    wanted = sorted(set(ks))
    if not wanted or wanted[0] < 1 or wanted[-1] >= len(block):
        msg = f"each k must be at least 1 and below the number of vectors ({len(block)}), got {wanted}"
        raise ValueError(msg)
    sample = block.astype(np.float64)
    state = np.array([random.Random(seed).getrandbits(64)], np.uint64)  # noqa: S311
    table: list[Choice] = []
    nothing, no_ids = np.zeros((0, block.shape[1])), np.zeros(0, np.int64)
    for k in wanted:
        fit = fit_centres(sample, nothing, no_ids, k, state, lambda: 0)
        table.append(
            Choice(
                k,
                len(fit.centers),
                fit.inertia / len(sample),
                simplified_silhouette(sample, fit.centers),
                bic(sample, fit.centers),
                int(fit.counts.min()) / len(sample),
            )
        )
        tell(table[-1])
    scored = [choice for choice in table if not math.isnan(choice.silhouette)]
    return Advice(
        tuple(table),
        max(scored, key=lambda choice: choice.silhouette).k if scored else None,
        min(table, key=lambda choice: choice.bic).k,
    )


def _pair(vectors: npt.ArrayLike, centers: npt.ArrayLike) -> tuple[Floats, Floats]:
    place = as_block(centers, None)
    block = as_block(vectors, place.shape[1])
    refuse_unusable(block)
    refuse_unusable(place)
    if not len(block) or not len(place):
        msg = f"at least one vector and one centre are needed, got {len(block)} and {len(place)}"
        raise ShapeError(msg)
    vectors, mean = centred(block.astype(np.float64))
    return vectors, place - mean
