"""Online k-means: River's contract on dicts, numba loops on arrays.

The two modes share one loop and differ in what surrounds it. `strict` is `river.cluster.KMeans`, bit for bit, without
its side effect in `predict_one`. `adaptive` starts from a fit to the first vectors, lets young and drifting centres
move faster, and now and then moves the least useful centre to where it is missed most.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Hashable, Mapping
from dataclasses import asdict
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from river import base

from . import _learning, _snapshots
from ._arrays import as_block, finite_features, read_only, refuse_unusable
from ._distances import POWER
from ._features import Features
from ._fitting import fit_centres, squared_distances
from ._frames import arranged, is_frame, read_frame, series_like
from ._looks import Looks
from ._pace import Pace
from ._search import improve
from ._window import TURN, WINDOW, Window, as_since_2
from .changes import Change
from .errors import ShapeError, SnapshotError
from .shared_model import SharedModel

__all__ = ["UNASSIGNED", "KMeans"]

UNASSIGNED = -2  # label of a vector while the model has no centres; -1 is kept for noise (density models)

WARM_UP = 1_000  # vectors before the first fit (DESIGN 9)
CHANGES_KEPT = 1_000  # undrained changes; memory stays bounded when nobody drains
SNAPSHOT_VERSION = 2  # 1 had no rates and looks, and a window of 2,000

Mode = Literal["adaptive", "strict"]
Centres = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


class KMeans(base.Clusterer):
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

    def __init__(
        self,
        n_clusters: int = 5,
        rate: float = 0.01,
        mode: Mode = "adaptive",
        init: npt.NDArray[Any] | None = None,
        seed: int | None = None,
    ) -> None:
        if n_clusters < 1:
            msg = f"n_clusters must be at least 1, got {n_clusters}"
            raise ValueError(msg)
        if not 0 < rate <= 1:
            msg = f"rate must be in (0, 1], got {rate}"
            raise ValueError(msg)
        if mode not in {"adaptive", "strict"}:
            msg = f'mode must be "adaptive" or "strict", got {mode!r}'
            raise ValueError(msg)
        self.n_clusters = n_clusters
        self.rate = rate
        self.mode = mode
        self.init = init
        self.seed = seed
        self._learned = 0
        self._next_id = 0
        self._changes: deque[Change] = deque(maxlen=CHANGES_KEPT)
        self._draws = random.Random(seed)  # noqa: S311 - River's own generator, so that it draws River's centres
        self._state = np.array([random.Random(seed).getrandbits(64)], np.uint64)  # noqa: S311
        self._centers = self._first_centers()
        self._counts = np.full(len(self._centers), 0 if init is None else 1, np.int64)
        self._ids = np.array([self._mint() for _ in self._centers], np.int64)
        self._features = Features(range(self._centers.shape[1]))
        self._window = Window(len(self._features), vectors=mode == "adaptive")
        self._looks = Looks()
        self._pace = Pace(rate, self._centers, self._counts)

    def _first_centers(self) -> Centres:
        if self.init is None:
            return np.zeros((self.n_clusters if self.mode == "strict" else 0, 0))
        block = as_block(self.init, None)
        if block.shape[0] != self.n_clusters:
            msg = f"init must have shape ({self.n_clusters}, d), got {block.shape}"
            raise ShapeError(msg)
        refuse_unusable(block)
        return np.array(block, np.float64, order="C")

    # ---- what it knows

    @property
    def centers(self) -> Centres:
        """Centres (k, d) float64, a copy; no rows while an adaptive model warms up."""
        return self._centers.copy()

    @property
    def segment_ids(self) -> Labels:
        """Id of each centre, (k,) int64, a copy."""
        return self._ids.copy()

    @property
    def features(self) -> list[Hashable]:
        """Names of the columns; 0..d-1 for a model that learned arrays."""
        return self._features.names

    @property
    def learned(self) -> int:
        """Vectors learned, those of the warm-up included."""
        return self._learned

    @property
    def ready(self) -> bool:
        """Whether there are centres to assign vectors to."""
        return len(self._centers) > 0

    @property
    def inertia_window(self) -> float:
        """Mean squared distance of the last 2,000 vectors to their centres as they were on arrival; 0 before any."""
        known = self._window.newest_squared(self._learned)
        return float(known.mean()) if len(known) else 0.0

    @property
    def recent(self) -> Centres:
        """The newest vectors that an adaptive model has learned, up to 2,000, oldest first; a copy."""
        return self._window.newest(self._learned, TURN)

    @property
    def changes(self) -> list[Change]:
        """Segments that came into being since this was last drained, the newest 1,000."""
        return list(self._changes)

    def drain_changes(self) -> list[Change]:
        """Return `changes` and forget them."""
        drained = list(self._changes)
        self._changes.clear()
        return drained

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

    # ---- fits

    def finish_warmup(self) -> bool:
        """Fit what is buffered without waiting for 1,000 vectors.

        With fewer distinct vectors than n_clusters there are as many centres as distinct vectors; later attempts to
        swap add the others.

        Returns
        -------
        bool
            Whether the model has centres now; False when nothing was learned yet.
        """
        if not self.ready and self._window.filled:
            buffered = self._window.newest(self._learned)
            self._fit(buffered, "warm-up")
            self._window.squared[: len(buffered)] = squared_distances(buffered, self._centers)[1]
        return self.ready

    def refit(self, vectors: npt.ArrayLike, cause: str) -> list[Change]:
        """Replace the centres by Lloyd's rounds on given vectors (the present centres are one of the starts).

        A new centre that continues an old one keeps its id and its label (see `continue_centres`); others get new ids.

        Parameters
        ----------
        vectors
            Vectors (n, d), at least one.
        cause
            Why, for the record.

        Returns
        -------
        list of Change
            The segments that came into being; they are in `changes` too.
        """
        if self.mode == "strict":
            msg = "a strict model is River's and can't be refitted: use mode=\"adaptive\""
            raise ValueError(msg)
        block = as_block(vectors, len(self._features) or None)
        if not len(block):
            msg = "refit needs at least one vector"
            raise ShapeError(msg)
        refuse_unusable(block)
        if not len(self._features):
            self._add_features(dict.fromkeys(range(block.shape[1])))
        return self._fit(block.astype(np.float64), cause)

    def translate(self, centers: npt.ArrayLike) -> None:
        """Go on with the same segments in another space, of another width perhaps: ids and counts stay.

        What was learned of the old space is forgotten; `refit` on vectors of the new one is what should follow.

        Parameters
        ----------
        centers
            Where the present segments lie in the new space (k, d), in the order of `segment_ids`.
        """
        if self.mode == "strict":
            msg = 'a strict model is River\'s and keeps its space: use mode="adaptive"'
            raise ValueError(msg)
        block = as_block(centers, None).astype(np.float64)
        if len(block) != len(self._ids):
            msg = f"{len(block)} centres for {len(self._ids)} segments"
            raise ShapeError(msg)
        refuse_unusable(block)
        self._centers = block
        self._features = Features(range(block.shape[1]))
        self._window = Window(block.shape[1], vectors=True)
        self._looks = Looks()
        self._pace = Pace(self.rate, self._centers, self._counts)

    # ---- one model among several processes (see `sharing`)

    def share(self, version: int, applied: Mapping[str, int] | None = None) -> SharedModel:
        """Return the centres as the version from which learners go on; `applied` as in `SharedModel`."""
        return SharedModel(
            version, self._centers.copy(), self._counts.copy(), self._ids.copy(), self.rate, dict(applied or {}),
            self._next_id,
        )  # fmt: skip

    def take(self, model: SharedModel) -> None:
        """Stand where a shared model stands; the window of vectors is begun anew."""
        if self.mode == "strict":
            msg = "a strict model is River's and can't be shared: use mode=\"adaptive\""
            raise ValueError(msg)
        self._learned += int(np.maximum(model.counts.sum() - self._counts.sum(), 0))
        if not len(self._features):
            self._features = Features(range(model.centers.shape[1]))
        self._centers, self._counts = model.centers.copy(), model.counts.copy()
        self._ids = model.ids.copy()
        self._next_id = max(self._next_id, model.next_id, int(model.ids.max(initial=-1)) + 1)
        self._window = Window(model.centers.shape[1], vectors=True)
        self._looks = Looks()
        self._pace = Pace(self.rate, self._centers, self._counts)

    def reserve_ids(self, below: int) -> None:
        """Give no new segment an id below this: those were given by models that this one doesn't know."""
        self._next_id = max(self._next_id, below)

    # ---- snapshots

    def snapshot(self, *, window: bool = True) -> bytes:
        """Everything the model knows, in a versioned format without pickle.

        Parameters
        ----------
        window
            False leaves out the newest 4,000 vectors of an adaptive model (8 * 4,000 * d bytes): the restored model
            then takes no look until it has collected 2,000 new ones. A model that warms up always keeps them.
        """
        if not all(isinstance(name, str | int) for name in self.features):
            msg = f"a snapshot keeps features named by text or whole numbers, not {self.features!r}"
            raise SnapshotError(msg)
        version, draws, spare = self._draws.getstate()
        values = {
            "n_clusters": self.n_clusters,
            "rate": float(self.rate),
            "mode": self.mode,
            "init": None if self.init is None else np.array(self.init, np.float64),
            "seed": self.seed,
            "features": self.features,
            "learned": self._learned,
            "next_id": self._next_id,
            "centers": self._centers,
            "counts": self._counts,
            "ids": self._ids,
            **self._window.snapshot(self._learned, vectors=window or not self.ready),
            "pace": self._pace.snapshot(),
            "looks": self._looks.snapshot(),
            "state": self._state,
            "draws": [version, np.array(draws, np.uint32), spare],
            "changes": [asdict(change) for change in self._changes],
        }
        return _snapshots.encode("kmeans", SNAPSHOT_VERSION, values)

    @classmethod
    def from_snapshot(cls, data: bytes) -> Self:
        """Model that goes on exactly where the one that took the snapshot stood.

        Raises
        ------
        SnapshotError
            Not a k-means snapshot, or of a release this one can't read.
        """
        version, values = _snapshots.decode("kmeans", range(1, SNAPSHOT_VERSION + 1), data)
        try:
            if version == 1:
                values = as_since_2(values)
            model = cls(values["n_clusters"], values["rate"], values["mode"], values["init"], values["seed"])
            model._load(values)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            msg = f"this k-means snapshot is damaged: {error!r}"
            raise SnapshotError(msg) from error
        return model

    def _load(self, values: dict[str, Any]) -> None:
        k, d = len(values["ids"]), len(values["features"])
        if values["centers"].shape != (k, d) or values["counts"].shape != (k,) or values["window"].shape[1] != d:
            msg = f"centres of shape {values['centers'].shape} for {k} segments and {d} features"
            raise ShapeError(msg)
        self._features = Features(values["features"])
        self._learned, self._next_id = values["learned"], values["next_id"]
        self._centers, self._counts, self._ids = values["centers"], values["counts"], values["ids"]
        self._state = values["state"]
        self._window = Window(d, vectors=self.mode == "adaptive")
        self._window.restore(values, self._learned)
        self._pace = Pace(self.rate, self._centers, self._counts)
        if "pace" in values:
            self._pace.restore(values["pace"])
            self._looks.restore(values["looks"])
        version, draws, spare = values["draws"]
        self._draws.setstate((version, tuple(draws.tolist()), spare))
        for change in values["changes"]:
            self._changes.append(Change(**{**change, "retired": tuple(change["retired"])}))

    # ---- inside

    def _learn(self, block: npt.NDArray[Any]) -> Labels:
        """Learn a checked block; the schedule depends on `learned` alone, so cuts between blocks don't matter."""
        n = len(block)
        labels = np.full(n, UNASSIGNED, np.int64)
        adaptive = self.mode == "adaptive"
        learn = _learning.learn_blocked if _learning.blocked_pays(self._centers) else _learning.learn_rows
        done = 0
        window = self._window
        if not self.ready:
            done = min(n, WARM_UP - window.filled)
            window.vectors[window.filled : window.filled + done] = block[:done]
            window.filled += done
            self._learned += done
            if window.filled >= WARM_UP:
                self.finish_warmup()
        while done < n:
            part = min(n - done, TURN - self._learned % TURN)
            learn(
                block[done : done + part], self._centers, self._counts, self._features.order, POWER, self._pace.rates,
                adaptive, window.vectors, window.squared, self._learned % WINDOW, labels[done : done + part],
            )  # fmt: skip
            done += part
            self._learned += part
            window.filled = min(window.filled + part, len(window.vectors))
            if window.filled >= TURN and self._learned % TURN == 0:
                self._take_turn()
        return labels

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

    def _learn_row(self, values: Mapping[Hashable, float]) -> int:
        """Learn one mapping in adaptive mode."""
        self._add_features(values)
        return int(self._learn(read_only(self._features.row(values)))[0]) if len(self._features) else 0

    def _learn_as_river(self, values: Mapping[Hashable, float]) -> int:
        """Learn one mapping in strict mode: only the features it has move their centre."""
        order = self._features.union_order(values) if self._features.new(values) else self._features.order
        self._add_features(values)
        row = self._features.row(values)
        closest = self._nearest(row, self._centers, order)
        centre = self._centers[closest]
        columns = self._features.columns(values)
        self._window.squared[self._learned % WINDOW] = ((row[0] - centre) ** 2).sum()
        centre[columns] += self.rate * (row[0, columns] - centre[columns])
        self._counts[closest] += 1
        self._learned += 1
        return closest

    def _fit(self, vectors: Centres, cause: str) -> list[Change]:
        old_ids = self._ids
        before = float(squared_distances(vectors, self._centers)[1].sum()) if self.ready else math.inf
        fit = fit_centres(vectors, self._centers, old_ids, self.n_clusters, self._state, self._mint)
        self._centers, self._counts, self._ids = fit.centers, fit.counts, fit.ids
        self._pace = Pace(self.rate, self._centers, self._counts)
        retired = tuple(int(i) for i in old_ids if i not in fit.ids)
        return self._record(cause, fit.minted, retired, before, fit.inertia)

    def _take_turn(self) -> None:
        """Let rates follow what drifts; when it is time, bring the centres to a good optimum of the window."""
        squared = self._window.newest_squared(self._learned)
        self._pace.follow(self._centers, self._counts, float(squared.mean()))
        if self._looks.due(squared, drifts=self._pace.drifts):
            self._looks.done(squared, moved=self._look())

    def _look(self) -> bool:
        """Improve the centres; return whether any moved elsewhere or was added."""
        window = self._window.newest(self._learned, TURN if self._pace.drifts else WINDOW)
        better = improve(window, self._centers, self.n_clusters, 1 / self._pace.rates)
        added = len(better.centers) - len(self._centers)
        self._centers = better.centers
        self._counts = np.append(self._counts, np.zeros(added, np.int64))
        self._ids = np.append(self._ids, np.full(added, UNASSIGNED))
        for move in better.moves:
            retired = self._ids[move.place]
            self._ids[move.place] = minted = self._mint()
            self._counts[move.place] = max(int(better.members[move.place]), 1)
            grown = retired == UNASSIGNED
            self._record(
                "grow" if grown else "swap", (minted,), () if grown else (int(retired),), move.before, move.after
            )
        self._pace.start_again(self._centers, self._counts, better.members, [move.place for move in better.moves])
        return bool(better.moves)

    def _nearest(self, row: Centres, centers: Centres, order: Labels) -> int:
        labels = np.zeros(1, np.int64)
        _learning.predict_rows(read_only(row), centers, order, POWER, labels)
        return int(labels[0])

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

    def _add_features(self, values: Mapping[Hashable, Any]) -> None:
        new = self._features.new(values)
        if not new:
            return
        if self.mode == "strict":
            self._centers = self._drawn(len(new), self._draws)
        else:
            self._centers = np.hstack([self._centers, np.zeros((len(self._centers), len(new)))])
        self._window.add_columns(len(new))
        self._pace.add_columns(len(new))
        self._features.add(new)

    def _drawn(self, columns: int, draws: random.Random) -> Centres:
        """Centres with columns drawn from N(0, 1), centre by centre, as River's defaultdicts draw them."""
        drawn = np.array([[draws.gauss(0, 1) for _ in range(columns)] for _ in range(len(self._centers))])
        return np.hstack([self._centers, drawn])

    def _peek(self) -> random.Random:
        """Copy of the generator, so that looking draws nothing."""
        copy = random.Random()  # noqa: S311
        copy.setstate(self._draws.getstate())
        return copy

    def _mint(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _record(
        self, cause: str, minted: tuple[int, ...], retired: tuple[int, ...], before: float, after: float
    ) -> list[Change]:
        centre_of = dict(zip(self._ids.tolist(), self._centers, strict=True))
        changes = [Change(i, centre_of[i].copy(), cause, self._learned, retired, before, after) for i in minted]
        self._changes.extend(changes)
        return changes

    @classmethod
    def _unit_test_params(cls) -> Any:
        yield {"n_clusters": 5, "mode": "strict", "seed": 1}
        yield {"n_clusters": 5, "mode": "adaptive", "seed": 1}

    @property
    def _mutable_attributes(self) -> set[str]:
        return {"rate"}
