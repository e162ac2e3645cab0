"""Which feature is which column, and the order in which River would walk them.

River walks the set ``{*centre.keys(), *x.keys()}``; the order of that set decides the order in which new coordinates
are drawn and distances are summed. Here the same set is built the same way. `.keys()` matters: a set takes over a dict
in one go, with another table size and hence another order.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Features"]


class Features:
    """Features in the order in which they were first learned.

    Attributes
    ----------
    order
        Columns in River's order of summation, (d,) int64.
    """

    def __init__(self, names: Iterable[Hashable] = ()) -> None:
        self._columns: dict[Hashable, int] = {name: column for column, name in enumerate(names)}
        self.order = self.union_order({})

    def __len__(self) -> int:
        return len(self._columns)

    @property
    def names(self) -> list[Hashable]:
        """Names by column."""
        return list(self._columns)

    def new(self, values: Mapping[Hashable, Any]) -> list[Hashable]:
        """Features of `values` that aren't known, in the order River would draw them."""
        if all(name in self._columns for name in values):
            return []
        return [name for name in {*self._columns.keys(), *values.keys()} if name not in self._columns]

    def union_order(self, values: Mapping[Hashable, Any]) -> npt.NDArray[np.int64]:
        """Columns of known and new features in River's order; new ones follow the known, as `add` would place them."""
        columns = dict(self._columns)
        union = {*self._columns.keys(), *values.keys()}
        for name in union:
            columns.setdefault(name, len(columns))
        return np.array([columns[name] for name in union], np.int64)

    def add(self, names: Iterable[Hashable]) -> None:
        """Append columns."""
        for name in names:
            self._columns[name] = len(self._columns)
        self.order = self.union_order({})

    def columns(self, values: Mapping[Hashable, Any]) -> list[int]:
        """Columns of the features of `values`, all of them known."""
        return [self._columns[name] for name in values]

    def row(self, values: Mapping[Hashable, float], more: Iterable[Hashable] = ()) -> npt.NDArray[np.float64]:
        """Row (1, d + len(more)): missing features are 0, features neither known nor in `more` are ignored."""
        extra = {name: len(self._columns) + place for place, name in enumerate(more)}
        row = np.zeros((1, len(self._columns) + len(extra)))
        for name, value in values.items():
            column = self._columns.get(name, extra.get(name))
            if column is not None:
                row[0, column] = value
        return row
