"""DBSTREAM in arrays: segments of any shape, and noise, the people who are unlike the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping
from dataclasses import asdict
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from river import base

from . import _dbstream, _snapshots
from ._arrays import as_block, finite_features, read_only, refuse_unusable
from ._dbstream import EVICTED, FREE, ID, MICROS, NOISE, NUMBER, PAIRS, SEGMENT, TIME, UPDATED, WANTED
from ._features import Features
from ._frames import arranged, is_frame, read_frame, series_like
from ._macro import Transition, connect, continue_segments
from .errors import SnapshotError

__all__ = ["DBSTREAM"]

RECLUSTER_EVERY = 1_000  # vectors between macro steps; one of 1,000 micro-clusters takes about a millisecond
FIRST_RECLUSTER = 16  # before that the steps double, so that a young model has segments soon
MOST = 10_000  # micro-clusters; more make a vector cost milliseconds, and mean that the radius is too small
CHANGES_KEPT = 1_000  # as in k-means
SNAPSHOT_VERSION = 1

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


class DBSTREAM(base.Clusterer):
    """Density-based segments over dicts (River's contract) and arrays (Hahsler and Bolanos 2016).

    A vector within `clustering_threshold` of micro-clusters moves them towards itself, by a Gaussian of the distance,
    and raises the density they share; any other vector founds one. Weights fade by ``2 ** (-fading_factor * events)``.
    Micro-clusters that share enough density make one segment.

    Parameters
    ----------
    clustering_threshold
        Radius of a micro-cluster, in the units of the vectors: standardise them.
    fading_factor
        Above 0; a weight halves in 1 / fading_factor events.
    cleanup_interval
        Events between clean-ups, a whole number.
    intersection_factor
        Shared density, as part of the mean weight of the two, above which micro-clusters are connected.
    minimum_weight
        Weight below which a micro-cluster is noise.
    recluster_every
        Events between macro steps. They also happen after 16, 32, 64, ... events before the first.
    max_micro_clusters
        Past so many the lightest gives way to a new one and `evicted` counts it, so that memory is bounded.

    Notes
    -----
    Ids, centres, weights and last updates of the micro-clusters equal those of `river.cluster.DBSTREAM` bit for bit,
    for rows that all have the same features in the same order and while `max_micro_clusters` doesn't bite. Otherwise
    this differs from River on purpose:

    - Shared density connects both ways (River follows it from lower to higher ids only, so a segment falls apart by the
      order in which its micro-clusters were founded), weights and densities are faded to the present first, and a pair
      dies with its micro-clusters (River can leave it to a later one of the same id).
    - A label is that of the nearest micro-cluster that has one and lies within the radius, else -1: noise. River
      answers with the nearest mean of a whole segment, which for rings is the same for all.
    - A label is a segment's id: a segment keeps it from one macro step to the next, and it is never used again.
    - A feature missing from a row counts as 0 (River forgets it). Predicting changes nothing.

    Examples
    --------
    >>> import numpy as np
    >>> model = DBSTREAM(clustering_threshold=1.0, fading_factor=0.001, recluster_every=20)
    >>> model.learn_many(np.array([[0.0, 0.0], [0.5, 0.0], [5.0, 5.0], [5.0, 5.5]] * 5))
    >>> model.predict_many(np.array([[0.1, 0.0], [5.0, 5.1], [2.5, 2.5]])).tolist()
    [0, 1, -1]
    """

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
        fades = [2 ** (-fading_factor * events) for events in range(_dbstream.REMEMBERED)]
        self._rule = np.array(
            [clustering_threshold, fading_factor, cleanup_interval, intersection_factor, weak, 2.0, *fades], np.float64
        )
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

    # ---- River's contract: one dict at a time

    def learn_one(self, x: Mapping[Any, Any]) -> None:
        """Learn one mapping of feature to number."""
        self.learn_predict_one(x)

    def learn_predict_one(self, x: Mapping[Any, Any]) -> int:
        """Learn one mapping and return the segment it had before, -1 for noise."""
        values = finite_features(x)
        self._add_features(list(values))
        if not len(self._features):
            return NOISE
        return int(self._learn(read_only(self._features.row(values)))[0])

    def predict_one(self, x: Mapping[Any, Any]) -> int:
        """Segment of one mapping, -1 for noise; features that aren't known are ignored; changes nothing."""
        return int(self._predict(read_only(self._features.row(finite_features(x))))[0])

    # ---- arrays

    def learn_many(self, X: npt.ArrayLike) -> None:
        """Learn vectors (n, d), float32 or float64, in order."""
        self.learn_predict_many(X)

    def learn_predict_many(self, X: npt.ArrayLike) -> Labels:
        """Learn vectors (n, d) in order and return the segments (n,) they had before, -1 for noise.

        However a stream is cut into blocks, the result is the same. A dataframe gives a series.

        Raises
        ------
        NotFiniteError
            A value is NaN, infinite or too large to square; no row was learned.
        ShapeError
            Not the shape (n, d) that the model has learned.
        """
        if is_frame(X):
            names, block = read_frame(X)
            refuse_unusable(block)
            self._add_features(names)
            series: Labels = series_like(self._learn(arranged(names, block, self.features)), X)
            return series
        block = as_block(X, len(self._features) or None)
        refuse_unusable(block)
        if not len(block):
            return np.zeros(0, np.int64)
        if not len(self._features):
            self._add_features(list(range(block.shape[1])))
        return self._learn(block)

    def predict_many(self, X: npt.ArrayLike) -> Labels:
        """Segments (n,) int64 of vectors (n, d), -1 for noise; changes nothing. A dataframe gives a series."""
        if is_frame(X):
            names, block = read_frame(X)
            refuse_unusable(block)
            series: Labels = series_like(self._predict(arranged(names, block, self.features)), X)
            return series
        block = as_block(X, len(self._features) or None)
        refuse_unusable(block)
        return self._predict(block)

    def recluster(self) -> list[Transition]:
        """Make segments of the micro-clusters now; learning does it by itself every `recluster_every` vectors.

        Returns
        -------
        list of Transition
            What began or ended; it is in `changes` too.
        """
        m = self._state[MICROS]
        weights = self._present_weights()
        places, shared = self.shared_density()
        roots = connect(weights, places[:, 0], places[:, 1], shared, self.minimum_weight, self.intersection_factor)
        segments, changes = continue_segments(
            roots, weights, self._micro[SEGMENT, :m], self._alive, self._mint, self.learned
        )
        self._micro[SEGMENT, :m] = segments
        self._alive = sorted(set(segments.tolist()) - {NOISE})
        self._changes.extend(changes)
        return changes

    def forget(self) -> None:
        """Begin anew, in another space perhaps; ids of segments go on from where they were."""
        next_id = self._next_id
        type(self).__init__(self, **self._get_params())
        self._next_id = next_id

    def reserve_ids(self, below: int) -> None:
        """Give no new segment an id below this: those were given by models that this one doesn't know."""
        self._next_id = max(self._next_id, below)

    # ---- snapshots

    def snapshot(self) -> bytes:
        """Everything the model knows, in a versioned format without pickle."""
        if not all(isinstance(name, str | int) for name in self.features):
            msg = f"a snapshot keeps features named by text or whole numbers, not {self.features!r}"
            raise SnapshotError(msg)
        return _snapshots.encode("dbstream", SNAPSHOT_VERSION, self._values())

    @classmethod
    def from_snapshot(cls, data: bytes) -> Self:
        """Model that goes on exactly where the one that took the snapshot stood.

        Raises
        ------
        SnapshotError
            Not a DBSTREAM snapshot, or of a release this one can't read.
        """
        _, values = _snapshots.decode("dbstream", range(1, SNAPSHOT_VERSION + 1), data)
        try:
            model = cls(**values["settings"])
            model._load(values)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            msg = f"this DBSTREAM snapshot is damaged: {error!r}"
            raise SnapshotError(msg) from error
        return model

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle holds: no spare room and no pair that is dead, so equal models give equal bytes."""
        return self._values()

    def __setstate__(self, values: dict[str, Any]) -> None:
        type(self).__init__(self, **values["settings"])
        self._load(values)

    def _values(self) -> dict[str, Any]:
        m = self._state[MICROS]
        numbers, shared, shared_at = self._pairs()
        state = self._state.copy()
        state[PAIRS], state[WANTED] = len(shared), 0
        return {
            "settings": self._get_params(),
            "features": self.features,
            "state": state,
            "next_id": self._next_id,
            "alive": list(self._alive),
            "centers": self._centers[:m].copy(),
            "weights": self._weights[:m].copy(),
            "micro": self._micro[:, :m].copy(),
            "numbers": numbers,
            "shared": shared,
            "shared_at": shared_at,
            "changes": [asdict(change) for change in self._changes],
        }

    def _load(self, values: dict[str, Any]) -> None:
        m, d = len(values["weights"]), len(values["features"])
        state, shared = np.array(values["state"], np.int64), values["shared"]
        shapes = values["centers"].shape, values["micro"].shape, values["numbers"].shape, values["shared_at"].shape
        if shapes != ((m, d), (5, m), (2, len(shared)), shared.shape) or state.shape != (7,) or state[MICROS] != m:
            msg = f"arrays of shapes {shapes} for {m} micro-clusters and {d} features"
            raise ValueError(msg)
        self._features = Features(values["features"])
        self._state = state
        self._next_id, self._alive = values["next_id"], list(values["alive"])
        self._place(values["centers"], values["weights"], values["micro"])
        self._hash(values["numbers"], shared, values["shared_at"])
        self._changes.extend(Transition(**change) for change in values["changes"])

    # ---- inside

    def _learn(self, block: npt.NDArray[Any]) -> Labels:
        labels = np.full(len(block), NOISE, np.int64)
        done = 0
        while done < len(block):
            due = self._next_recluster()
            stop = min(len(block), done + due - self.learned)
            done = _dbstream.learn_rows(
                block[:stop], done, self._centers, self._weights, self._micro, self._pair_a, self._pair_b, self._shared,
                self._shared_at, self._state, self._rule, int(self.max_micro_clusters), labels,
            )  # fmt: skip
            if done < stop:
                self._make_room()
            elif self.learned == due:
                self.recluster()
        return labels

    def _next_recluster(self) -> int:
        every, learned = int(self.recluster_every), self.learned
        if learned >= every:
            return (learned // every + 1) * every
        doubled = FIRST_RECLUSTER
        while doubled <= learned:
            doubled *= 2
        return min(doubled, every)

    def _predict(self, block: npt.NDArray[Any]) -> Labels:
        labels = np.full(len(block), NOISE, np.int64)
        m = self._state[MICROS]
        if m and len(block):
            _dbstream.predict_rows(block, self._centers[:m], self._micro[SEGMENT, :m], self._rule[0], labels)
        return labels

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

    @classmethod
    def _unit_test_params(cls) -> Any:
        yield {"clustering_threshold": 1.0, "fading_factor": 0.01}
