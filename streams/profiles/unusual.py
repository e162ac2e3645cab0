"""How unusual a person is, by a trained model of behaviour: two columns beside the declared features.

Not part of the exact state: like labels, they are said by a model, and another model says something else.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.profiles._kernel import Int32s
from streams.profiles.latent import Latent, Vectors
from streams.profiles.state import PartitionState

__all__ = ["SCORE", "SHARE", "Unusual", "with_columns"]

Floats = npt.NDArray[np.float64]

#: Names in `features`: the model's score, whose order alone means something, and the share of people who have less.
SCORE, SHARE = "anomaly", "anomaly_share"


class Unusual:
    """Scores people by what they touched.

    Parameters
    ----------
    latent : Latent
        The model of baskets that the score was trained on.
    profile : callable
        From latent vectors (n, dim), zeros where nothing is known, and the weights of what is known (n, m) to the
        score's input float32 (n, dim + habits).
    score : callable
        From that to scores (n,).
    ladder : ndarray, shape (steps,)
        Scores of people when it was trained, ascending, at equal shares.
    """

    def __init__(
        self, latent: Latent, profile: Callable[[Vectors, Floats], Vectors], score: Callable[[Vectors], Vectors],
        ladder: Floats,
    ) -> None:  # fmt: skip
        self._latent, self._profile, self._score, self._ladder = latent, profile, score, ladder
        self.space_id = latent.space_id

    def columns(self, state: PartitionState, rows: Int32s) -> dict[str, Floats]:
        """Return score and share (n,) of some people; NaN for those who touched nothing that the model knows."""
        ids, weights = state.touches(rows)
        latent, known = self._latent.of(ids, weights), np.where(self._latent.known(ids, weights), weights, 0.0)
        some = known.any(axis=1)
        score = np.full(len(rows), np.nan)
        if some.any():
            score[some] = self._score(self._profile(latent[some].astype(np.float32), known[some]))
        share = np.interp(score, self._ladder, np.linspace(0.0, 1.0, len(self._ladder)))
        return {SCORE: score, SHARE: share}


def with_columns(features: pa.MapArray, columns: dict[str, Floats]) -> pa.MapArray:
    """Return maps of dictionary<utf8> to float64 with entries added behind the others; none for NaN."""
    n = len(features)
    offsets, named, values = features.offsets.to_numpy(), features.keys, features.items.to_numpy()
    first, last = offsets[0], offsets[-1]
    codes, known = named.indices.to_numpy()[first:last], named.dictionary
    row = np.repeat(np.arange(n), np.diff(offsets))
    values = values[first:last]
    for number, column in enumerate(columns.values()):
        said = np.flatnonzero(np.isfinite(column))
        row = np.concatenate([row, said])
        codes = np.concatenate([codes, np.full(len(said), len(known) + number, codes.dtype)])
        values = np.concatenate([values, column[said]])
    order = np.argsort(row, kind="stable")
    counts = np.bincount(row, minlength=n)
    names = pa.concat_arrays([known.cast(pa.utf8()), pa.array(list(columns), pa.utf8())])
    return pa.MapArray.from_arrays(
        pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)),
        pa.DictionaryArray.from_arrays(pa.array(codes[order].astype(np.int32)), names),
        pa.array(values[order]),
    )
