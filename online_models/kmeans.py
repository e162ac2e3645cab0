"""Online k-means: River's contract on dicts, numba loops on arrays.

The two modes share one loop and differ in what surrounds it. `strict` is `river.cluster.KMeans`, bit for bit, without
its side effect in `predict_one`. `adaptive` starts from a fit to the first vectors, lets young and drifting centres
move faster, and now and then moves the least useful centre to where it is missed most.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _learning
from ._arrays import as_block, finite_features, refuse_unusable
from ._distances import POWER
from ._frames import arranged, is_frame, read_frame, series_like
from ._kmeans_state import UNASSIGNED, Centres, Labels
from ._kmeans_versions import KMeansVersions

__all__ = ["UNASSIGNED", "KMeans"]


class KMeans(KMeansVersions):
    """Online k-means over dicts (River's contract) and arrays.

    A label is the index of a centre, as in River; `segment_ids[label]` is an id that is never used again once its
    centre is gone. Labels that learning returns are those BEFORE the centre moves, as River's code does.

    Parameters
    ----------
    n_clusters
        Number of centres (k); there are fewer while fewer distinct vectors are known.
    rate
        Part of the way a centre moves towards a vector (River's `halflife`), in (0, 1].
    mode
        "strict": labels and centres equal `river.cluster.KMeans(n_clusters, halflife=rate, seed=seed)` bit for bit.
        "adaptive": the first 1,000 vectors are collected, then fitted; from then on the step of a centre is
        max(1 / its vectors, rate), more while it drifts (`_pace`). After every 2,000 vectors, seldom while nothing
        changes (`_looks`), the newest 4,000 are looked at (`_search`): centres follow Lloyd's rounds on them, and the
        one that is missed least moves to halve the cluster that gains most, as long as that saves .5 %.
    init
        First centres (k, d), for features 0..d-1. Without it strict draws them as River does and adaptive warms up.
    seed
        Makes everything repeatable.

    Attributes
    ----------
    swaps : bool
        Whether a look may move a centre to another cluster; set it to False where the newest vectors are only some of
        all that matter.
    restless : bool
        By the last look a swap would have paid, and wasn't allowed.

    Notes
    -----
    Predicting changes nothing. A feature that strict has not learned is drawn as River would draw it now, and
    forgotten; adaptive ignores it. A feature missing from a dict counts as 0; adaptive learns that 0, strict (as River)
    does not.

    Before an adaptive model has centres the array methods return -2, and `predict_one` returns the nearest of the first
    n_clusters distinct vectors collected (0 when there are none), because River's contract has no "not yet".

    Examples
    --------
    >>> import numpy as np
    >>> model = KMeans(n_clusters=2, rate=0.5, mode="strict", init=np.array([[0.0, 0.0], [5.0, 5.0]]))
    >>> model.learn_predict_many(np.array([[0.5, 0.0], [4.0, 4.0]])).tolist()
    [0, 1]
    >>> model.centers.tolist()
    [[0.25, 0.0], [4.5, 4.5]]
    """

    # ---- River's contract: one dict at a time

    def learn_one(self, x: Mapping[Any, Any]) -> None:
        """Learn one mapping of feature to number."""
        values = finite_features(x)
        if self.mode == "strict":
            self._learn_as_river(values)
        else:
            self._learn_row(values)

    def learn_predict_one(self, x: Mapping[Any, Any]) -> int:
        """Learn one mapping and return the label it had before its centre moved."""
        values = finite_features(x)
        if self.mode == "strict":
            return self._learn_as_river(values)
        if self.ready:
            return self._learn_row(values)
        label = self._provisional(values)
        self._learn_row(values)
        return label

    def predict_one(self, x: Mapping[Any, Any]) -> int:
        """Label of one mapping, at least 0; changes nothing."""
        values = finite_features(x)
        if not self.ready:
            return self._provisional(values)
        new = self._features.new(values) if self.mode == "strict" else []
        if not new:
            return self._nearest(self._features.row(values), self._centers, self._features.order)
        drawn = self._drawn(len(new), self._peek())
        return self._nearest(self._features.row(values, new), drawn, self._features.union_order(values))

    # ---- arrays

    def learn_many(self, X: npt.ArrayLike) -> None:
        """Learn vectors (n, d), float32 or float64, in order."""
        self.learn_predict_many(X)

    def learn_predict_many(self, X: npt.ArrayLike) -> Labels:
        """Learn vectors (n, d) in order and return the labels (n,) they had before their centres moved.

        However a stream is cut into blocks, the result is the same. A dataframe is learned as its rows as dicts would
        be, and gives a series.

        Raises
        ------
        NotFiniteError
            A value is NaN, infinite or too large to square; no row was learned.
        ShapeError
            Not the shape (n, d) that the model has learned.
        """
        if is_frame(X):
            labels: Labels = series_like(self._learn_frame(*read_frame(X)), X)
            return labels
        block = as_block(X, len(self._features) or None)
        refuse_unusable(block)
        if not len(block):
            return np.zeros(0, np.int64)
        if not len(self._features):
            self._add_features(dict.fromkeys(range(block.shape[1])))
        return self._learn(block)

    def predict_many(self, X: npt.ArrayLike) -> Labels:
        """Labels (n,) int64 of vectors (n, d), or -2 while there are no centres; changes nothing.

        A dataframe gives a series; its columns are found by name, as `predict_one` finds features.
        """
        if is_frame(X):
            series: Labels = series_like(self._predict_frame(*read_frame(X)), X)
            return series
        block = as_block(X, len(self._features) or None)
        refuse_unusable(block)
        labels = np.full(len(block), UNASSIGNED, np.int64)
        if len(block) and self.ready:
            centers, order = self._centers, self._features.order
            if not len(self._features):
                centers, order = self._drawn(block.shape[1], self._peek()), np.arange(block.shape[1])
            predict = _learning.predict_blocked if _learning.blocked_pays(centers) else _learning.predict_rows
            predict(block, centers, order, POWER, labels)
        return labels

    # ---- inside

    def _learn_frame(self, names: list[Hashable], block: Centres) -> Labels:
        """Learn rows whose columns have names; in strict mode what a row alone can say is learned row by row."""
        refuse_unusable(block)
        n = len(block)
        if not n:
            return np.zeros(0, np.int64)
        known = dict.fromkeys(names)
        singly = 0
        if self.mode == "strict":  # new features are drawn at a row, and missing ones leave their centre where it is
            missing = not set(self.features) <= known.keys()
            singly = n if missing else min(n, len(self._features.new(known)))
        labels = [self._learn_as_river(dict(zip(names, row, strict=True))) for row in block[:singly].tolist()]
        self._add_features(known)
        return np.append(np.array(labels, np.int64), self._learn(arranged(names, block[singly:], self.features)))

    def _predict_frame(self, names: list[Hashable], block: Centres) -> Labels:
        refuse_unusable(block)
        if self.mode == "strict" and self._features.new(dict.fromkeys(names)):
            rows = [dict(zip(names, row, strict=True)) for row in block.tolist()]
            return np.array([self.predict_one(row) for row in rows], np.int64)
        return self.predict_many(arranged(names, block, self.features))

    def _provisional(self, values: Mapping[Hashable, float]) -> int:
        """Label before there are centres: the nearest of the first n_clusters distinct vectors collected."""
        distinct: dict[bytes, Centres] = {}
        for vector in self._window.newest(self._learned):
            distinct.setdefault(vector.tobytes(), vector)
            if len(distinct) == self.n_clusters:
                break
        if not distinct:
            return 0
        return int(np.argmin(((np.array(list(distinct.values())) - self._features.row(values)) ** 2).sum(axis=1)))

    @classmethod
    def _unit_test_params(cls) -> Any:
        yield {"n_clusters": 5, "mode": "strict", "seed": 1}
        yield {"n_clusters": 5, "mode": "adaptive", "seed": 1}

    @property
    def _mutable_attributes(self) -> set[str]:
        return {"rate"}
