"""The log as baskets: who touched what, and how much."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

__all__ = ["Basket", "Interactions", "Pairs", "Tell", "in_silence"]

#: A pair of arrays of one length.
Pairs = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
#: Told during a training what share of it is done.
Tell = Callable[[float], None]


def in_silence(_share: float) -> None:
    """Tell nobody how far a training is."""


class Basket(msgspec.Struct, frozen=True):
    """What one person touched; `weights` are 1 where none are given."""

    items: list[str]
    weights: list[float] | None = None


@dataclass(frozen=True)
class Interactions:
    """A log in rows of people, one entry for each item of theirs (compressed sparse rows).

    Attributes
    ----------
    users : ndarray, shape (users,)
        Whose row it is, sorted.
    vocabulary : list of str
        Items; number `i` of it is known to models as `i + 1`, for 0 is every item that is unknown.
    start : ndarray of int64, shape (users + 1,)
        Row `u` is `start[u]` to `start[u + 1]`.
    items : ndarray of int64
        Numbers in 1 ..  len(vocabulary).
    weights : ndarray of float32
        Sums of the log's.
    """

    users: npt.NDArray[Any]
    vocabulary: list[str]
    start: npt.NDArray[np.int64]
    items: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]

    @classmethod
    def from_arrays(
        cls, user: npt.ArrayLike, item: npt.ArrayLike, weight: npt.ArrayLike | None = None, *, at_least: int = 1
    ) -> Interactions:
        """Arrange a log.

        Parameters
        ----------
        user, item : array_like, shape (n,)
            Integers or strings.
        weight : array_like of float, shape (n,), optional
            Positive and finite; 1 by default.
        at_least : int
            Items with fewer entries than that are left out; they are unknown later.

        Raises
        ------
        ValueError
            Arrays differ in length, nothing is left, or a weight isn't positive and finite.
        """
        people, things = np.asarray(user), np.asarray(item)
        much = np.ones(len(people), np.float64) if weight is None else np.asarray(weight, np.float64)
        if not len(people) == len(things) == len(much):
            msg = f"user, item and weight have {len(people)}, {len(things)} and {len(much)} entries"
            raise ValueError(msg)
        if not (np.isfinite(much) & (much > 0)).all():
            msg = f"weights must be positive and finite, found {much[~(np.isfinite(much) & (much > 0))][0]}"
            raise ValueError(msg)
        names, number, count = np.unique(things, return_inverse=True, return_counts=True)
        kept = count >= at_least
        renumbered = np.cumsum(kept) * kept
        entry = renumbered[number] > 0
        if not entry.any():
            msg = f"no item has {at_least} entries or more among {len(people)}"
            raise ValueError(msg)
        users, row = np.unique(people[entry], return_inverse=True)
        width = int(kept.sum()) + 1
        cells, cell = np.unique(row.astype(np.int64) * width + renumbered[number][entry], return_inverse=True)
        total = np.bincount(cell, much[entry]).astype(np.float32)
        start = np.searchsorted(cells // width, np.arange(len(users) + 1)).astype(np.int64)
        return cls(users, [str(name) for name in names[kept]], start, cells % width, total)

    def __len__(self) -> int:
        """Return how many people there are."""
        return len(self.users)

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """The row of each entry."""
        return np.repeat(np.arange(len(self), dtype=np.int64), np.diff(self.start))

    def baskets(self) -> list[Basket]:
        """Return everybody's basket, by row."""
        names, weights = [self.vocabulary[i - 1] for i in self.items.tolist()], self.weights.tolist()
        bounds = self.start.tolist()
        return [Basket(names[a:b], weights[a:b]) for a, b in pairwise(bounds)]

    def dense(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return float32 (len(rows), 1 + items) of some people; column 0 is the unknown's and empty."""
        found = np.zeros((len(rows), len(self.vocabulary) + 1), np.float32)
        for place, row in enumerate(rows.tolist()):
            entries = slice(self.start[row], self.start[row + 1])
            found[place, self.items[entries]] = self.weights[entries]
        return found
