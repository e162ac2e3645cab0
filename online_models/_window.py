"""The newest vectors a model has learned, and how far each lay from its centre when it came: two rings."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["TURN", "WINDOW", "Window", "as_since_2"]

TURN = 2_000  # vectors between looks
# Vectors a look is taken at. With TURN of them digits ended at 1.03-1.09 of batch Lloyd, with twice as many at
# 1.01-1.05: which outliers are among 2,000 vectors decides too much. While centres drift, only TURN are looked at.
WINDOW = 4_000

Floats = npt.NDArray[np.float64]


class Window:
    """Vectors (WINDOW, d), squared distances (WINDOW,), both written at slot `learned % WINDOW`.

    Parameters
    ----------
    columns
        d.
    vectors
        Whether vectors are kept; squared distances always are.
    """

    def __init__(self, columns: int, *, vectors: bool) -> None:
        self.vectors = np.zeros((WINDOW if vectors else 0, columns))
        self.squared = np.full(WINDOW, np.nan)
        self.filled = 0

    def newest(self, learned: int, most: int = WINDOW) -> Floats:
        """Newest vectors, oldest first; at most so many."""
        count = min(self.filled, most)
        rows: Floats = self.vectors[np.arange(learned - count, learned) % WINDOW]
        return rows

    def newest_squared(self, learned: int) -> Floats:
        """Squared distances of the newest TURN vectors, without those that came before there were centres."""
        squared = self.squared[np.arange(learned - TURN, learned) % WINDOW]
        known: Floats = squared[~np.isnan(squared)]
        return known

    def add_columns(self, count: int) -> None:
        """Widen by columns of zeros."""
        self.vectors = np.hstack([self.vectors, np.zeros((len(self.vectors), count))])

    def snapshot(self, learned: int, *, vectors: bool) -> dict[str, Any]:
        """Return what `restore` needs; oldest first."""
        return {"window": self.newest(learned, WINDOW if vectors else 0), "inertias": self.newest_squared(learned)}

    def restore(self, values: dict[str, Any], learned: int) -> None:
        """Go on from a snapshot."""
        window, squared = values["window"], values["inertias"]
        self.filled = len(window)
        self.vectors[np.arange(learned - len(window), learned) % WINDOW] = window
        self.squared[np.arange(learned - len(squared), learned) % WINDOW] = squared


def as_since_2(values: dict[str, Any]) -> dict[str, Any]:
    """Turn the rings of a snapshot of version 1, TURN slots each, into vectors oldest first."""
    learned, filled = values["learned"], values["filled"]
    at = np.arange(learned - filled, learned) % TURN
    squared = values["inertias"][np.arange(learned - TURN, learned) % TURN]
    return {**values, "window": values["window"][at], "inertias": squared[~np.isnan(squared)]}
