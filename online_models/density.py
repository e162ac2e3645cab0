"""DBSTREAM in arrays: segments of any shape, and noise, the people who are unlike the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from . import _dbstream, _snapshots
from ._arrays import as_block, finite_features, read_only, refuse_unusable
from ._dbstream import MICROS, NOISE, PAIRS, SEGMENT, WANTED
from ._density_state import DensityState, Labels
from ._features import Features
from ._frames import arranged, is_frame, read_frame, series_like
from ._macro import Transition, connect, continue_segments
from .errors import SnapshotError

__all__ = ["DBSTREAM"]

FIRST_RECLUSTER = 16  # before that the steps double, so that a young model has segments soon
SNAPSHOT_VERSION = 1


class DBSTREAM(DensityState):
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

    @classmethod
    def _unit_test_params(cls) -> Any:
        yield {"clustering_threshold": 1.0, "fading_factor": 0.01}
