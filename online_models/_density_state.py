"""What a DBSTREAM knows: micro-clusters and the density that pairs of them share, in arrays with room to spare."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

import numpy as np
import numpy.typing as npt
from river import base

from . import _dbstream
from ._dbstream import EVICTED, FADES, FREE, ID, MICROS, NUMBER, PAIRS, REMEMBERED, SEGMENT, TIME, UPDATED, WANTED
from ._features import Features
from ._macro import Transition

__all__ = ["DensityState", "Floats", "Labels"]

RECLUSTER_EVERY = 1_000  # vectors between macro steps; one of 1,000 micro-clusters takes about a millisecond
MOST = 10_000  # micro-clusters; more make a vector cost milliseconds, and mean that the radius is too small
CHANGES_KEPT = 1_000  # as in k-means

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


class DensityState(base.Clusterer):
    """State of `DBSTREAM`, and what can be read of it; its parameters are described there."""

    def __init__(
        self,
        clustering_threshold: float = 1.0,
        fading_factor: float = 0.01,
        cleanup_interval: int = 2,
        intersection_factor: float = 0.3,
        minimum_weight: float = 1.0,
        recluster_every: int = RECLUSTER_EVERY,
        max_micro_clusters: int = MOST,
    ) -> None:
        if not 0 < clustering_threshold < np.inf or not 0 < fading_factor < np.inf:
            msg = f"clustering_threshold and fading_factor must be above 0, got {clustering_threshold}, {fading_factor}"
            raise ValueError(msg)
        if not 0 < intersection_factor <= 1 or not 0 <= minimum_weight < np.inf:
            given = f"{intersection_factor} and {minimum_weight}"
            msg = f"intersection_factor must be in (0, 1] and minimum_weight at least 0, got {given}"
            raise ValueError(msg)
        whole = (cleanup_interval, recluster_every, max_micro_clusters)
        if any(number < 1 or number != int(number) for number in whole):
            msg = f"cleanup_interval, recluster_every and max_micro_clusters must be whole numbers >= 1, got {whole}"
            raise ValueError(msg)
        self.clustering_threshold = clustering_threshold
        self.fading_factor = fading_factor
        self.cleanup_interval = cleanup_interval
        self.intersection_factor = intersection_factor
        self.minimum_weight = minimum_weight
        self.recluster_every = recluster_every
        self.max_micro_clusters = max_micro_clusters
        weak = 2 ** (-fading_factor * cleanup_interval)
        self._rule = np.zeros(FADES + REMEMBERED)
        self._rule[:FADES] = clustering_threshold, fading_factor, cleanup_interval, intersection_factor, weak, 2.0
        _dbstream.remember_fades(self._rule)
        self._features = Features()
        self._state = np.zeros(7, np.int64)
        self._centers: Floats
        self._next_id = 0
        self._alive: list[int] = []
        self._changes: deque[Transition] = deque(maxlen=CHANGES_KEPT)
        self._place(np.zeros((0, 0)), np.zeros(0), np.zeros((5, 0), np.int64))
        self._hash(np.zeros((2, 0), np.int64), np.zeros(0), np.zeros(0, np.int64))

    # ---- what it knows

    @property
    def micro_centers(self) -> Floats:
        """Centres of the micro-clusters (m, d), oldest first."""
        return self._centers[: self._state[MICROS]].copy()

    @property
    def micro_weights(self) -> Floats:
        """Weights of the micro-clusters at their last update, as River keeps them, (m,)."""
        return self._weights[: self._state[MICROS]].copy()

    @property
    def micro_updated(self) -> Labels:
        """Event of each micro-cluster's last update, (m,)."""
        return self._micro[UPDATED, : self._state[MICROS]].copy()

    @property
    def micro_ids(self) -> Labels:
        """River's ids of the micro-clusters, (m,); an id may come again once the newest has gone."""
        return self._micro[ID, : self._state[MICROS]].copy()

    @property
    def micro_segments(self) -> Labels:
        """Segment of each micro-cluster since the last macro step, -1 for noise, (m,)."""
        return self._micro[SEGMENT, : self._state[MICROS]].copy()

    @property
    def segment_ids(self) -> Labels:
        """Ids of the segments, ascending, (k,)."""
        return np.array(sorted(self._alive), np.int64)

    @property
    def centers(self) -> Floats:
        """Mean of each segment's micro-clusters by their present weight, (k, d), in the order of `segment_ids`."""
        m = self._state[MICROS]
        segments, faded = self._micro[SEGMENT, :m], self._present_weights()
        out = np.zeros((len(self._alive), len(self._features)))
        for place, segment in enumerate(sorted(self._alive)):
            members = segments == segment
            if members.any():  # all of them can have gone since the last macro step
                out[place] = np.average(self._centers[:m][members], axis=0, weights=faded[members])
        return out

    @property
    def features(self) -> list[Hashable]:
        """Names of the columns; 0..d-1 for a model that learned arrays."""
        return self._features.names

    @property
    def learned(self) -> int:
        """Vectors learned."""
        return int(self._state[TIME])

    @property
    def evicted(self) -> int:
        """Micro-clusters that gave way because there were `max_micro_clusters`."""
        return int(self._state[EVICTED])

    @property
    def ready(self) -> bool:
        """Whether there is a segment."""
        return bool(self._alive)

    @property
    def changes(self) -> list[Transition]:
        """Segments that began or ended since this was last drained, the newest 1,000."""
        return list(self._changes)

    def drain_changes(self) -> list[Transition]:
        """Return `changes` and forget them."""
        drained = list(self._changes)
        self._changes.clear()
        return drained

    def shared_density(self) -> tuple[Labels, Floats]:
        """Places of the pairs of micro-clusters that share density (p, 2), and how much of it at present (p,)."""
        numbers, shared, shared_at = self._pairs()
        places = np.searchsorted(self._micro[NUMBER, : self._state[MICROS]], numbers)
        now = self._state[TIME] - shared_at
        return places.T.copy(), shared * 2.0 ** (-self.fading_factor * now)

    # ---- inside

    def _present_weights(self) -> Floats:
        m = self._state[MICROS]
        present: Floats = self._weights[:m] * 2.0 ** (-self.fading_factor * (self.learned - self._micro[UPDATED, :m]))
        return present

    def _add_features(self, names: list[Hashable]) -> None:
        new = [name for name in dict.fromkeys(names) if name not in set(self.features)]
        if new:
            self._features.add(new)
            self._centers = np.hstack([self._centers, np.zeros((len(self._centers), len(new)))])

    def _make_room(self) -> None:
        """Room for as many micro-clusters again and for the pairs wanted; drops the pairs that are dead."""
        m = int(self._state[MICROS])
        self._place(self._centers[:m], self._weights[:m], self._micro[:, :m])
        self._hash(*self._pairs())

    def _place(self, centers: Floats, weights: Floats, micro: Labels) -> None:
        m = len(weights)
        room = max(16, 2 * m)
        self._centers = np.zeros((room, centers.shape[1]))
        self._weights, self._micro = np.zeros(room), np.zeros((5, room), np.int64)
        self._centers[:m], self._weights[:m], self._micro[:, :m] = centers, weights, micro

    def _hash(self, numbers: Labels, shared: Floats, shared_at: Labels) -> None:
        slots = 1 << (4 * max(len(shared) + int(self._state[WANTED]), 500)).bit_length()  # a quarter full at most
        self._pair_a, self._pair_b = np.full((2, slots), FREE, np.int64)
        self._shared, self._shared_at = np.zeros(slots), np.zeros(slots, np.int64)
        _dbstream.insert_pairs(
            numbers[0], numbers[1], shared, shared_at, self._pair_a, self._pair_b, self._shared, self._shared_at
        )
        self._state[PAIRS], self._state[WANTED] = len(shared), 0

    def _pairs(self) -> tuple[Labels, Floats, Labels]:
        """Pairs that are alive, by their micro-clusters' numbers: (2, p), density, event of its last update (p,)."""
        numbers = self._micro[NUMBER, : self._state[MICROS]]
        at = _dbstream.live_pairs(
            self._pair_a, self._pair_b, self._shared, self._shared_at, numbers, self._state, self._rule
        )
        a, b = self._pair_a[at], self._pair_b[at]
        order = np.lexsort((b, a))
        return np.array([a[order], b[order]]), self._shared[at][order], self._shared_at[at][order]

    def _mint(self) -> int:
        self._next_id += 1
        return self._next_id - 1
