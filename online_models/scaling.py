"""Online standardisation of arrays: running mean and variance per column, missing values counted."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from numba import njit

from . import _snapshots
from ._arrays import as_block
from ._distances import LARGEST
from .errors import NotFiniteError, ShapeError, SnapshotError

__all__ = ["StandardScaler"]

Rows = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SNAPSHOT_VERSION = 1


@njit(cache=True)
def _first_unusable(X: Rows) -> int:
    """Flat index of the first value that is infinite or too large; -1 when there is none. NaN is usable: missing."""
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            if abs(X[i, j]) > LARGEST:
                return int(i * X.shape[1] + j)
    return -1


@njit(cache=True)
def _learn_rows(X: Rows, counts: Ints, mean: Floats, squares: Floats, missing: Ints) -> None:
    """Welford's update (Knuth, TAOCP vol. 2, 4.2.2), row by row: however rows are cut into blocks, the bits agree."""
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            x = float(X[i, j])
            if np.isnan(x):
                missing[j] += 1
            else:
                counts[j] += 1
                delta = x - mean[j]
                mean[j] += delta / counts[j]
                squares[j] += delta * (x - mean[j])


@njit(cache=True)
def _transform_rows(X: Rows, mean: Floats, scales: Floats, out: Rows) -> None:
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            x = float(X[i, j])
            out[i, j] = 0.0 if np.isnan(x) else (x - mean[j]) * scales[j]


class StandardScaler:
    """Column-wise standardisation to mean 0 and variance 1, learned as the stream goes.

    On complete data it equals `river.preprocessing.StandardScaler` (population variance). NaN means missing: it is not
    learned, it is counted, and it becomes 0, the standardised mean. A column without variance becomes 0.

    Examples
    --------
    >>> import numpy as np
    >>> scaler = StandardScaler()
    >>> scaler.learn_many(np.array([[1.0, 5.0], [3.0, np.nan]]))
    >>> scaler.transform_many(np.array([[3.0, 5.0], [np.nan, 9.0]])).tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    >>> scaler.missing.tolist()
    [0, 1]
    """

    def __init__(self) -> None:
        self._counts = np.zeros(0, np.int64)
        self._mean = np.zeros(0)
        self._squares = np.zeros(0)
        self._missing = np.zeros(0, np.int64)

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Values learned per column, (d,)."""
        return self._counts.copy()

    @property
    def missing(self) -> npt.NDArray[np.int64]:
        """Missing values met while learning per column, (d,)."""
        return self._missing.copy()

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        """Mean per column, (d,)."""
        return self._mean.copy()

    @property
    def var(self) -> npt.NDArray[np.float64]:
        """Population variance per column, (d,); 0 for a column that was never present."""
        return self._squares / np.maximum(self._counts, 1)

    def learn_many(self, X: npt.ArrayLike) -> None:
        """Learn rows (n, d), float32 or float64.

        Raises
        ------
        NotFiniteError
            A value is infinite or too large to square; nothing was learned.
        ShapeError
            Not the shape (n, d) that was learned before.
        """
        block = self._block(X)
        if not len(block):
            return
        if not len(self._counts):
            d = block.shape[1]
            self._counts, self._missing = np.zeros(d, np.int64), np.zeros(d, np.int64)
            self._mean, self._squares = np.zeros(d), np.zeros(d)
        _learn_rows(block, self._counts, self._mean, self._squares, self._missing)

    def merge(self, other: StandardScaler) -> None:
        """Add what another one has learned, as if these rows had been learned here (Chan et al. 1979).

        Raises
        ------
        ShapeError
            The other one knows another number of columns.
        """
        if not len(other._counts):
            return
        if not len(self._counts):
            d = len(other._counts)
            self._counts, self._missing = np.zeros(d, np.int64), np.zeros(d, np.int64)
            self._mean, self._squares = np.zeros(d), np.zeros(d)
        if len(self._counts) != len(other._counts):
            msg = f"moments of {len(other._counts)} columns can't be added to those of {len(self._counts)}"
            raise ShapeError(msg)
        n, m = self._counts, other._counts
        total = np.maximum(n + m, 1)
        apart = other._mean - self._mean
        self._mean = self._mean + apart * m / total
        self._squares = self._squares + other._squares + apart**2 * n * m / total
        self._counts, self._missing = n + m, self._missing + other._missing

    def transform_many(self, X: npt.ArrayLike) -> npt.NDArray[Any]:
        """Standardised copy of rows (n, d), in the float type that came in; learns nothing.

        Before anything was learned every value becomes 0.
        """
        block = self._block(X)
        out = np.zeros(block.shape, block.dtype)
        if len(self._counts):
            deviations = np.sqrt(self.var)
            scales = np.divide(1.0, deviations, out=np.zeros_like(deviations), where=deviations > 0)
            _transform_rows(block, self._mean, scales, out)
        return out

    def snapshot(self) -> bytes:
        """Pack what was learned, in a versioned format without pickle."""
        values = {"counts": self._counts, "mean": self._mean, "squares": self._squares, "missing": self._missing}
        return _snapshots.encode("standard-scaler", SNAPSHOT_VERSION, values)

    @classmethod
    def from_snapshot(cls, data: bytes) -> Self:
        """Scaler that goes on where the one that took the snapshot stood.

        Raises
        ------
        SnapshotError
            Not a scaler's snapshot, or of a release this one can't read.
        """
        _, values = _snapshots.decode("standard-scaler", range(1, SNAPSHOT_VERSION + 1), data)
        scaler = cls()
        try:
            scaler._counts, scaler._mean = values["counts"], values["mean"]
            scaler._squares, scaler._missing = values["squares"], values["missing"]
            shapes = {array.shape for array in vars(scaler).values()}
        except (AttributeError, KeyError, TypeError) as error:
            msg = f"this scaler snapshot is damaged: {error!r}"
            raise SnapshotError(msg) from error
        if len(shapes) != 1:
            msg = f"this scaler snapshot is damaged: columns of different lengths {sorted(shapes)}"
            raise SnapshotError(msg)
        return scaler

    def _block(self, X: npt.ArrayLike) -> npt.NDArray[Any]:
        block = as_block(X, len(self._counts) or None)
        at = int(_first_unusable(block))
        if at >= 0:
            row, column = divmod(at, block.shape[1])
            msg = (
                f"row {row}, column {column} is {block[row, column]}: values must be within ±{LARGEST:g} or NaN for "
                "missing; nothing of this block was used"
            )
            raise NotFiniteError(msg)
        return block
