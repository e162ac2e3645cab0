"""How a k-means learns: its warm-up, the loop over rows, the looks at the window, and fits to many vectors at once."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _learning
from ._arrays import aligned, as_block, read_only, refuse_unusable
from ._distances import POWER
from ._features import Features
from ._fitting import fit_centres, saved_by_a_fit, squared_distances
from ._kmeans_state import UNASSIGNED, Centres, KMeansState, Labels
from ._looks import Looks
from ._pace import Pace
from ._search import improve
from ._window import TURN, WINDOW, Window
from .changes import Change
from .errors import ShapeError

__all__ = ["WARM_UP", "KMeansLearning"]

WARM_UP = 1_000  # vectors before the first fit (DESIGN 9)


class KMeansLearning(KMeansState):
    """`KMeans` without the forms in which vectors come."""

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

    def saved_by_refit(self, vectors: npt.ArrayLike) -> float:
        """Return the part of the inertia that a refit would save; nothing changes.

        Every other vector is fitted, the rest are judged by: what is saved isn't what fits these vectors alone.

        Parameters
        ----------
        vectors
            (n, d), at least two, in no order.
        """
        block = as_block(vectors, len(self._features) or None).astype(np.float64)
        if len(block) < 2:
            msg = f"{len(block)} vectors are too few to judge a fit by"
            raise ShapeError(msg)
        refuse_unusable(block)
        if not self.ready:
            return 1.0
        return saved_by_a_fit(block[::2], block[1::2], self._centers, self.n_clusters, self._state)

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

    # ---- inside

    def _learn(self, block: npt.NDArray[Any]) -> Labels:
        """Learn a checked block; the schedule depends on `learned` alone, so cuts between blocks don't matter."""
        n = len(block)
        labels = np.full(n, UNASSIGNED, np.int64)
        adaptive = self.mode == "adaptive"
        self._centers = aligned(self._centers)
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
        better = improve(window, self._centers, self.n_clusters, 1 / self._pace.rates, swaps=self.swaps)
        self.restless = better.restless
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
