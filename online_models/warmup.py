"""Compile every kernel before the stream runs, into numba's on-disk cache beside the sources."""

from __future__ import annotations

import numpy as np

from ._learning import BLOCKED_DEPTH
from ._window import TURN
from .density import DBSTREAM
from .kmeans import KMeans
from .scaling import StandardScaler
from .stability import Stabiliser

__all__ = ["warm_up_kernels"]


def warm_up_kernels() -> None:
    """Run every kernel once for each type of input; about 15 s the first time, under 1 s from the cache."""
    vectors = np.random.default_rng(0).normal(size=(TURN, 4))
    for block in (vectors, vectors.astype(np.float32)):
        adaptive = KMeans(n_clusters=2, seed=0)
        adaptive.learn_many(block)
        adaptive.predict_many(block[:8])
        adaptive.saved_by_refit(block)
        strict = KMeans(n_clusters=2, mode="strict", seed=0)
        strict.learn_many(block[:8])
        wide = KMeans(32, init=np.zeros((32, BLOCKED_DEPTH)))
        wide.learn_many(np.zeros((1, BLOCKED_DEPTH), block.dtype))
        wide.predict_many(np.zeros((1, BLOCKED_DEPTH), block.dtype))
        density = DBSTREAM()
        density.learn_many(block[:64])
        density.predict_many(block[:8])
        scaler = StandardScaler()
        scaler.learn_many(block)
        scaler.transform_many(block)
        people = Stabiliser()
        people.assign(np.arange(8), block[:8], adaptive)
        people.totals(np.arange(8), [0])
