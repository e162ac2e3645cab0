"""How fast each centre should move: as fast as it drifts.

A centre that takes steps of `rate` towards its vectors forgets its past at that rate: it lies off by `rate / 2` of its
vectors' mean squared distance because of the few it remembers, and by the square of `v / rate` behind a drift of `v` a
vector. The sum is least at ``rate^3 = 4 v^2 / s^2`` (s^2 the mean squared distance). How far a centre has gone while it
took as many vectors as it remembers, beyond what chance moves it, says what v is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ShapeError

__all__ = ["Pace"]

FASTEST = 0.05  # a centre remembers 20 vectors at least
CHANCE = 4.0  # multiples of the squared way that chance alone makes; less counts as no drift

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Pace:
    """Rates (k,) of centres, and where each stood when it was last judged.

    Parameters
    ----------
    rate
        The least; all rates while nothing drifts.
    """

    def __init__(self, rate: float, centers: Floats, counts: Ints) -> None:
        self.rate = rate
        self.rates = np.full(len(centers), rate)
        self.stood = centers.copy()
        self.had = counts.copy()
        self.error = 1 / np.maximum(counts, 1)

    @property
    def drifts(self) -> bool:
        """Whether any centre has to move faster than the least rate."""
        return bool((self.rates > self.rate).any())

    def follow(self, centers: Floats, counts: Ints, spread: float) -> None:
        """Judge the centres that have taken as many vectors as they remember, and set their rates.

        Parameters
        ----------
        centers, counts
            (k, d) and (k,), as they are now.
        spread
            Mean squared distance of vectors to their centres.
        """
        taken = counts - self.had
        judged = taken >= 1 / self.rates
        way = ((centers - self.stood) ** 2).sum(axis=1)
        renewed = 1 - (1 - self.rates) ** np.maximum(taken, 0)
        chance = spread * (self.rates * renewed + self.error * renewed**2)
        real = np.where(way > CHANCE * chance, way - chance, 0.0)
        speed = real / np.maximum(taken, 1) ** 2
        wanted = np.cbrt(4 * speed / spread) if spread > 0 else np.zeros(len(centers))
        rates = np.clip((self.rates + wanted) / 2, self.rate, max(self.rate, FASTEST))
        self.rates = np.where(judged & (taken > 0), rates, self.rates)
        self.stood[judged], self.had[judged], self.error[judged] = centers[judged], counts[judged], 0.0

    def start_again(self, centers: Floats, counts: Ints, members: Ints, began: Sequence[int]) -> None:
        """Take note that a look has moved centres; those that have just begun (indices) start with the least rate.

        `members` (k,) are the vectors of the window each has: one that has few lies where these few say.
        """
        rates = np.full(len(centers), self.rate)
        rates[: len(self.rates)] = self.rates
        rates[list(began)] = self.rate
        self.rates, self.stood, self.had = rates, centers.copy(), counts.copy()
        self.error = np.where(members < 1 / rates, 1 / np.maximum(members, 1), 0.0)

    def add_columns(self, count: int) -> None:
        """Widen by columns of zeros, as the centres are."""
        self.stood = np.hstack([self.stood, np.zeros((len(self.stood), count))])

    def snapshot(self) -> list[Any]:
        """Return what `restore` needs."""
        return [self.rates, self.stood, self.had, self.error]

    def restore(self, values: list[Any]) -> None:
        """Go on from a snapshot."""
        rates, stood, had, error = (np.array(value) for value in values)
        shapes = [(len(self.rates),)] * 3
        if stood.shape != self.stood.shape or [rates.shape, had.shape, error.shape] != shapes:
            msg = f"rates of shape {rates.shape} for {len(self.rates)} centres"
            raise ShapeError(msg)
        self.rates, self.stood, self.had, self.error = rates, stood, had, error
