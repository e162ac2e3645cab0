"""Dataframes in and series out, for any backend River takes (pandas, polars, pyarrow), none of them imported."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from river.utils import dataframe

from ._arrays import as_block, read_only
from .errors import ShapeError

__all__ = ["arranged", "is_frame", "read_frame", "series_like"]


def is_frame(X: Any) -> bool:
    """Whether the columns of X have names."""
    return hasattr(X, "columns") or hasattr(X, "column_names")


def read_frame(X: Any) -> tuple[list[Hashable], npt.NDArray[np.float64]]:
    """Names of the columns and a read-only array (n, d) float64; what is missing in the frame is NaN.

    Raises
    ------
    ShapeError
        Two columns of one name, or a column that isn't numbers.
    """
    try:
        frame = dataframe.into_frame(X)
        values = dataframe.to_numpy(frame)
    except (TypeError, ValueError) as error:
        msg = f"a dataframe needs columns of numbers, each with a name of its own: {error}"
        raise ShapeError(msg) from error
    names: list[Hashable] = list(frame.columns)
    return names, as_block(values, None)


def arranged(
    names: Sequence[Hashable], block: npt.NDArray[np.float64], features: Sequence[Hashable]
) -> npt.NDArray[np.float64]:
    """Columns of a block (n, len(names)) in a model's order: what is missing is 0, what it doesn't know is left out."""
    out = np.zeros((len(block), len(features)))
    known = {name: column for column, name in enumerate(names)}
    for column, name in enumerate(features):
        if name in known:
            out[:, column] = block[:, known[name]]
    return read_only(out)


def series_like(labels: npt.NDArray[np.int64], X: Any) -> Any:
    """Labels (n,) as a series of the backend, and with the index, of the dataframe X."""
    return dataframe.to_native_series(labels, name="segment", like=dataframe.into_frame(X))
