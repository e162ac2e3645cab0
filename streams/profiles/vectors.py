"""A person's vector: behaviour ++ categories ++ interest (++ latent), standardised, each part with its weight.

Behaviour columns are standardised one by one. The columns of the other parts are coordinates of one space (a hashed
category profile, a projection of content vectors, a trained model's latent), so each of those parts is centred by
column and scaled as a whole: scaling every coordinate by itself would blow the directions that carry nothing up to the
size of those that do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from online_models import StandardScaler
from streams.kernel import kernel
from streams.profiles.interest import VectorTable, interest
from streams.profiles.state import PartitionState

__all__ = ["PART_NAMES", "VectorSpace"]

Floats = npt.NDArray[np.float64]

#: The last one is there when a model was trained.
PART_NAMES = ("behaviour", "categories", "interest", "latent")

_SCALED_BY_COLUMN = {"behaviour"}
_SMALLEST_SCALE = 1e-6


class VectorSpace:
    """Turns the state of people into points that k-means can compare.

    Parameters
    ----------
    table : VectorTable
        Projected content vectors; its width is the width of the interest part.
    weights : mapping
        Weight of each part; 0 leaves a part out of distances. A part's columns share its weight, so that a part with
        more columns doesn't count more.
    columns : sequence of str
        Features that make the part `behaviour`, "events" for how many; none given means all.
    """

    def __init__(self, table: VectorTable, weights: Mapping[str, float], columns: Sequence[str] = ()) -> None:
        self._table = table
        self._weights = weights
        self._columns = columns
        self._scaler = StandardScaler()
        self._scale: Floats | None = None
        self._behaviour_weights: Floats = np.empty(0)
        self._widths: tuple[int, ...] = ()

    @property
    def width(self) -> int:
        """Columns of a vector; 0 before the first one was built."""
        return sum(self._widths)

    def raw(self, state: PartitionState, rows: npt.NDArray[np.int32]) -> tuple[Floats, npt.NDArray[np.float64]]:
        """Return (vectors (n, width) with NaN where a part is missing, known share of each person's interest (n,))."""
        ids, weights = state.touches(rows)
        liked, known = interest(ids, weights, self._table)
        parts = [*state.behaviour(rows), liked]
        if self._table.latent is not None:
            parts.append(self._table.latent.of(ids, weights))
        self._widths = tuple(part.shape[1] for part in parts)
        self._behaviour_weights = state.behaviour_weights(self._columns)
        return np.hstack(parts, dtype=np.float64), known

    def fit(self, raw: Floats) -> None:
        """Take mean and scale from these vectors."""
        self._scaler = StandardScaler()
        self.learn(raw)

    def learn(self, raw: Floats) -> None:
        """Let mean and scale follow the stream."""
        self._scaler.learn_many(raw)
        deviation = np.sqrt(self._scaler.var)
        scales = []
        start = 0
        for name, width in zip(PART_NAMES, self._widths, strict=False):
            part = deviation[start : start + width]
            start += width
            if name not in _SCALED_BY_COLUMN:
                part = np.full(width, np.sqrt(np.mean(part**2)))
            columns = self._behaviour_weights if name == "behaviour" else np.ones(width)
            share = self._weights.get(name, 0.0) * columns / max(float(np.linalg.norm(columns)), _SMALLEST_SCALE)
            scales.append(np.where(part > _SMALLEST_SCALE, share / np.maximum(part, _SMALLEST_SCALE), 0.0))
        self._scale = np.concatenate(scales)

    def transform(self, raw: Floats) -> Floats:
        """Return comparable points (n, width); what is missing becomes 0, the standardised mean."""
        if self._scale is None:
            msg = "transform before fit"
            raise RuntimeError(msg)
        points = np.empty(raw.shape)
        _standardise(raw, self._scaler.mean, self._scale, points)
        return points

    def snapshot(self) -> tuple[bytes, tuple[int, ...], list[float]]:
        """Return what `restore` needs."""
        return self._scaler.snapshot(), self._widths, self._behaviour_weights.tolist()

    def restore(self, snapshot: bytes, widths: tuple[int, ...], behaviour_weights: list[float]) -> None:
        """Go on from a snapshot."""
        self._scaler = StandardScaler.from_snapshot(snapshot)
        self._widths = widths
        self._behaviour_weights = np.array(behaviour_weights)
        self.learn(np.empty((0, sum(widths))))


@kernel
def _standardise(raw: Floats, mean: Floats, scale: Floats, points: Floats) -> None:
    for i in range(raw.shape[0]):
        for j in range(raw.shape[1]):
            value = (raw[i, j] - mean[j]) * scale[j]
            points[i, j] = value if math.isfinite(value) else 0.0
