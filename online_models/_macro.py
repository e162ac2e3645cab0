"""Which micro-clusters make a segment, and which of the new segments continues which old one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from . import _dbstream
from ._dbstream import NOISE

__all__ = ["Transition", "connect", "continue_segments"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Transition:
    """A density segment that began or ended.

    Attributes
    ----------
    segment_id
        The segment.
    cause
        "formed" (out of noise), "split" (off `other`), "merged" (into `other`), "faded" (its micro-clusters are gone or
        too light).
    other
        The other segment, -1 where there is none.
    learned
        Vectors learned when it happened.
    """

    segment_id: int
    cause: str
    other: int
    learned: int


def connect(weights: Floats, a: Ints, b: Ints, shared: Floats, minimum: float, overlap: float) -> Ints:
    """Component of each micro-cluster, as the place of its first member; -1 for those lighter than `minimum`.

    Two are connected when ``shared / ((w_a + w_b) / 2) > overlap`` (Hahsler and Bolanos 2016, algorithm 3), both ways.

    Parameters
    ----------
    weights
        Present weights (m,).
    a, b, shared
        Pairs of places, and their present shared density, (p,).
    """
    heavy = weights >= minimum
    strong = heavy[a] & heavy[b] & (shared > overlap * (weights[a] + weights[b]) / 2)
    roots = _dbstream.components(len(weights), a[strong], b[strong])
    return np.where(heavy, roots, NOISE)


def continue_segments(
    roots: Ints, weights: Floats, old: Ints, alive: Iterable[int], mint: Callable[[], int], learned: int
) -> tuple[Ints, list[Transition]]:
    """Segment id of each micro-cluster: a component takes the old id most of its weight had, heaviest first.

    Parameters
    ----------
    roots, weights, old
        Component, present weight and old segment of each micro-cluster, (m,).
    alive
        Segments there were, those included whose micro-clusters have all gone.
    mint
        Gives a new id.
    learned
        For the record.

    Returns
    -------
    tuple
        Segment ids (m,), and what began or ended.
    """
    votes: dict[tuple[int, int], float] = {}
    for root, segment, weight in zip(roots.tolist(), old.tolist(), weights.tolist(), strict=True):
        if NOISE not in {root, segment}:
            votes[root, segment] = votes.get((root, segment), 0.0) + weight
    ranked = sorted(votes, key=lambda pair: (-votes[pair], pair))
    given: dict[int, int] = {}
    taken: dict[int, int] = {}
    for root, segment in ranked:
        if root not in given and segment not in taken:
            given[root] = segment
            taken[segment] = root
    began: list[Transition] = []
    for root in dict.fromkeys(roots.tolist()):
        if root != NOISE and root not in given:
            given[root] = mint()
            parent = next((segment for r, segment in ranked if r == root), NOISE)
            began.append(Transition(given[root], "formed" if parent == NOISE else "split", parent, learned))
    ended: list[Transition] = []
    for segment in alive:
        if segment not in taken:
            into = next((given[root] for root, s in ranked if s == segment), NOISE)
            ended.append(Transition(segment, "faded" if into == NOISE else "merged", into, learned))
    return np.array([given.get(root, NOISE) for root in roots.tolist()], np.int64), began + ended
