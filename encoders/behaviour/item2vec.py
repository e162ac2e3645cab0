"""item2vec (Barkan and Koenigstein 2016, arXiv:1603.04259): a basket's items are each other's context. Needs torch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from encoders.behaviour.baskets import Interactions, Pairs, Tell, in_silence
from encoders.behaviour.skipgram import Mode, train_table, windows

__all__ = ["train_item2vec"]


def train_item2vec(
    log: Interactions, *, mode: Mode = "skipgram", dim: int = 64, window: int = 5, negatives: int = 5, epochs: int = 8,
    seed: int = 0, tell: Tell = in_silence,
) -> npt.NDArray[np.float32]:  # fmt: skip
    """Return vectors float32 (items + 1, dim); row 0, the unknown's, is zero.

    A basket has no order, so each epoch shuffles it; an item seen often isn't more of a neighbour than one seen once.

    Parameters
    ----------
    log : Interactions
        What people touched.
    mode : {"skipgram", "cbow"}
        See `encoders.behaviour.skipgram.train_table`.
    dim, window, negatives, epochs, seed : int
        See there.
    tell : callable
        Told what share is done.
    """

    def shuffled() -> Iterator[Pairs]:
        random = np.random.default_rng(seed)
        rows = log.rows
        for epoch in range(epochs):
            tell(epoch / epochs)
            order = np.lexsort((random.random(len(rows)), rows))
            things = log.items[order]
            yield things, windows(things, rows, window)

    count = np.bincount(log.items, minlength=len(log.vocabulary) + 1).astype(np.int64)
    return train_table(shuffled(), count, dim=dim, mode=mode, negatives=negatives, seed=seed)
