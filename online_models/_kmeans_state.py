"""What a k-means knows: centres, counts, ids and features, the window of vectors, and what has changed."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Hashable, Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from river import base

from ._arrays import as_block, refuse_unusable
from ._features import Features
from ._looks import Looks
from ._pace import Pace
from ._window import TURN, Window
from .changes import Change
from .errors import ShapeError

__all__ = ["UNASSIGNED", "Centres", "KMeansState", "Labels"]

UNASSIGNED = -2  # label of a vector while the model has no centres; -1 is kept for noise (density models)

CHANGES_KEPT = 1_000  # undrained changes; memory stays bounded when nobody drains

Mode = Literal["adaptive", "strict"]
Centres = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


class KMeansState(base.Clusterer):
    """State of `KMeans`, and what can be read of it; its parameters are described there."""

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
        self.swaps, self.restless = True, False
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

    # ---- inside

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
