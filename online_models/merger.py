"""The end of sharing that sees every learner: updates in, the next version of the model out (see `sharing`)."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from ._search import improve
from .changes import Change
from .shared_model import SharedModel, Update
from .sharing import merge_centres

__all__ = ["Merger"]

WINDOW = 2_000  # vectors a look is taken at, and vectors between looks
SWAP_EVERY = 2_000
WORKERS_KEPT = 1_000  # workers a model remembers, the newest; a name is one life of one process, so names pile up
CHANGES_KEPT = 1_000

Outcome = Literal["taken", "repeat", "wrong base", "misfit"]


class Merger:
    """Makes the next version of updates to the present one; the only one to mint versions and segment ids.

    Parameters
    ----------
    model
        Version to go on from.
    seed
        Makes swaps repeatable.

    Attributes
    ----------
    swaps : bool
        Whether a look at the newest vectors may take a centre elsewhere, as in `KMeans`.
    restless : bool
        The newest look would have taken one elsewhere, which isn't allowed.
    """

    def __init__(self, model: SharedModel, seed: int | None = None) -> None:
        self._model = model
        self.swaps, self.restless = True, False
        self._next_id = max(model.next_id, int(model.ids.max(initial=-1)) + 1)
        self._updates: dict[str, Update] = {}
        self._window: deque[npt.NDArray[np.float32]] = deque(maxlen=WINDOW)
        self._since_swap = 0
        self._learned = int(model.counts.sum())
        self._changes: deque[Change] = deque(maxlen=CHANGES_KEPT)
        self.outcomes: dict[Outcome, int] = {"taken": 0, "repeat": 0, "wrong base": 0, "misfit": 0}

    @property
    def model(self) -> SharedModel:
        """The present version."""
        return self._model

    @property
    def next_id(self) -> int:
        """Lowest segment id that was never given."""
        return self._next_id

    @property
    def pending(self) -> int:
        """Vectors in the updates that wait for `merge`."""
        return sum(int(update.counts.sum()) for update in self._updates.values())

    @property
    def recent(self) -> npt.NDArray[np.float64]:
        """The newest vectors that updates brought, up to 2,000."""
        return np.array(self._window, np.float64).reshape(-1, self._model.centers.shape[1])

    def drain_changes(self) -> list[Change]:
        """Return the segments that swaps brought, and forget them."""
        drained = list(self._changes)
        self._changes.clear()
        return drained

    def receive(self, update: Update) -> Outcome:
        """Take an update in for the next version, or say why not: it is dropped then, and counted in `outcomes`."""
        outcome = self._judge(update)
        if outcome == "taken":
            self._updates[update.worker] = update
        self.outcomes[outcome] += 1
        return outcome

    def merge(self) -> SharedModel:
        """Mint the next version of the updates taken; without any, the present version is returned."""
        updates = [self._updates[worker] for worker in sorted(self._updates)]
        if not updates:
            return self._model
        counts = np.array([update.counts for update in updates])
        centers, learned = merge_centres(self._model, counts, np.array([update.centers for update in updates]))
        applied = {worker: seq for worker, seq in self._model.applied.items() if worker not in self._updates}
        applied |= {update.worker: update.seq for update in updates}
        applied = dict(list(applied.items())[-WORKERS_KEPT:])
        version = self._model.version + 1
        self._model = replace(self._model, version=version, centers=centers, counts=learned, applied=applied)
        self._updates = {}
        for update in updates:
            self._window.extend(update.sample)
        self._learned += int(counts.sum())
        self._since_swap += int(counts.sum())
        if self._since_swap >= SWAP_EVERY and len(self._window) == WINDOW:
            self._since_swap = 0
            self._look()
        return self._model

    def _judge(self, update: Update) -> Outcome:
        model, held = self._model, self._updates.get(update.worker)
        if update.seq <= max(model.applied.get(update.worker, 0), held.seq if held else 0):
            return "repeat"
        if update.base_version != model.version:
            return "wrong base"
        fits = update.centers.shape == model.centers.shape and update.counts.shape == model.counts.shape
        if not fits or update.sample.ndim != 2 or update.sample.shape[1] != model.centers.shape[1]:
            return "misfit"
        if (update.counts < 0).any() or not (np.isfinite(update.centers).all() and np.isfinite(update.sample).all()):
            return "misfit"
        return "taken"

    def _look(self) -> None:
        """Bring the centres to a good optimum of the window, as KMeans does."""
        model = self._model
        k = len(model.centers)
        window, memories = np.array(self._window, np.float64), np.full(k, 1 / model.rate)
        better = improve(window, model.centers, k, memories, swaps=self.swaps)
        self.restless = better.restless
        ids, counts = model.ids.copy(), model.counts.copy()
        for move in better.moves:
            retired, centre = int(ids[move.place]), better.centers[move.place].copy()
            ids[move.place], counts[move.place] = self._next_id, max(int(better.members[move.place]), 1)
            self._next_id += 1
            self._changes.append(
                Change(int(ids[move.place]), centre, "swap", self._learned, (retired,), move.before, move.after)
            )
        self._model = replace(model, centers=better.centers, counts=counts, ids=ids, next_id=self._next_id)
