"""The part of a person's vector that a model of behaviour makes of their touches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from streams.profiles._kernel import UInt64s

__all__ = ["Latent", "Vectors"]

Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]

#: People in one run of the model: 64 touches of 64 dimensions each then take 33 MB.
_ROWS = 2_048


class Latent:
    """A model over baskets of content.

    Parameters
    ----------
    space_id : str
        Vectors are comparable only within one training.
    vocabulary : ndarray of uint64, shape (items,)
        Content that the model knows; number i of it is i + 1 to the model.
    dim : int
        Width of a vector.
    run : callable
        From numbers int64 (n, m), 0 for unknown, and weights float32 (n, m) to vectors float32 (n, dim).
    """

    def __init__(
        self, space_id: str, vocabulary: UInt64s, dim: int,
        run: Callable[[npt.NDArray[np.int64], Vectors], Vectors],
    ) -> None:  # fmt: skip
        self.space_id = space_id
        self.dim = dim
        self._order = np.argsort(vocabulary)
        self._sorted = vocabulary[self._order]
        self._run = run

    def of(self, ids: UInt64s, weights: Floats) -> Floats:
        """Return (n, dim) of touches: ids and weights (n, m), weight 0 where there is none.

        NaN where a person touched nothing that the model knows: such a part is missing, not a taste of zeros.
        """
        found = np.full((len(ids), self.dim), np.nan)
        places, known = self._places(ids, weights)
        numbers = np.where(known, self._order[places] + 1, 0).astype(np.int64)
        much = np.where(known, weights, 0.0).astype(np.float32)
        rows = np.flatnonzero(known.any(axis=1))
        for start in range(0, len(rows), _ROWS):
            part = rows[start : start + _ROWS]
            found[part] = self._run(numbers[part], much[part])
        return found

    def known(self, ids: UInt64s, weights: Floats) -> npt.NDArray[np.bool_]:
        """Return which touches (n, m) the model knows."""
        return self._places(ids, weights)[1]

    def _places(self, ids: UInt64s, weights: Floats) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        places = np.minimum(np.searchsorted(self._sorted, ids), len(self._sorted) - 1)
        return places, (self._sorted[places] == ids) & (weights > 0)
