"""A k-means handed on: to other processes as a version, to a later process as a snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Self

import numpy as np

from . import _snapshots
from ._features import Features
from ._kmeans_learning import KMeansLearning
from ._looks import Looks
from ._pace import Pace
from ._window import Window, as_since_2
from .changes import Change
from .errors import ShapeError, SnapshotError
from .shared_model import SharedModel

__all__ = ["KMeansVersions"]

SNAPSHOT_VERSION = 2  # 1 had no rates and looks, and a window of 2,000


class KMeansVersions(KMeansLearning):
    """`KMeans` that can be shared, stored and restored."""

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
