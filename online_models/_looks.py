"""When a look at the window is worth its time: often while something changes, seldom while nothing does."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["Looks"]

RAREST = 8  # turns between looks at the most; a look costs up to ten times what learning the vectors of a turn costs
RISE = 3.0  # standard errors by which the mean squared distance may rise before a look is due at once

Floats = npt.NDArray[np.float64]


class Looks:
    """Turns until the next look: one after a look that moved a centre and the one after it, then twice as many."""

    def __init__(self) -> None:
        self.quiet = 0
        self.left = 1
        self.mean, self.error = math.inf, 0.0

    def due(self, squared: Floats, *, drifts: bool) -> bool:
        """Count one turn, whose vectors had these squared distances on arrival; say whether to look now."""
        self.left -= 1
        error = math.hypot(self.error, _error(squared))
        return self.left <= 0 or drifts or float(squared.mean()) > self.mean + RISE * error

    def done(self, squared: Floats, *, moved: bool) -> None:
        """Note what a look came to; `squared` are the distances to the centres as they are now."""
        self.quiet = 0 if moved else self.quiet + 1
        self.left = min(1 << max(self.quiet - 1, 0), RAREST)
        self.mean, self.error = float(squared.mean()), _error(squared)

    def snapshot(self) -> list[float]:
        """Return what `restore` needs."""
        return [float(self.quiet), float(self.left), self.mean, self.error]

    def restore(self, values: list[float]) -> None:
        """Go on from a snapshot."""
        self.quiet, self.left, self.mean, self.error = int(values[0]), int(values[1]), values[2], values[3]


def _error(squared: Floats) -> float:
    return float(squared.std()) / math.sqrt(max(len(squared), 1))
