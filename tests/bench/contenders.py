"""The models that the quality benchmark compares, under one small interface."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from sklearn.cluster import MiniBatchKMeans

from online_models import KMeans, StandardScaler

__all__ = ["RATE", "Model", "Ours", "contenders"]

RATE = 0.01


class Model(Protocol):
    """What is compared: it learns blocks and has centres in the space of the vectors."""

    def learn(self, block: np.ndarray) -> None:
        """Learn vectors in order."""

    def centers(self) -> np.ndarray:
        """Centres (k, d)."""


class Ours:
    """Our k-means in either mode; strict is River's."""

    def __init__(self, model: KMeans) -> None:
        self.model = model

    def learn(self, block: np.ndarray) -> None:
        """Learn vectors in order."""
        self.model.learn_many(block)

    def centers(self) -> np.ndarray:
        """Centres (k, d)."""
        return self.model.centers


class Standardised(Ours):
    """River's pipeline of StandardScaler and KMeans; the centres are brought back to the vectors' space."""

    def __init__(self, model: KMeans) -> None:
        super().__init__(model)
        self.scaler = StandardScaler()

    def learn(self, block: np.ndarray) -> None:
        """Learn the scale, then the scaled vectors."""
        self.scaler.learn_many(block)
        self.model.learn_many(self.scaler.transform_many(block))

    def centers(self) -> np.ndarray:
        """Centres (k, d)."""
        return self.model.centers * np.sqrt(self.scaler.var) + self.scaler.mean


class MiniBatches:
    """scikit-learn's mini-batch k-means."""

    def __init__(self, k: int, seed: int) -> None:
        self.model = MiniBatchKMeans(k, random_state=seed, n_init=3)

    def learn(self, block: np.ndarray) -> None:
        """Learn vectors as one mini-batch."""
        self.model.partial_fit(block)

    def centers(self) -> np.ndarray:
        """Centres (k, d)."""
        return self.model.cluster_centers_ if hasattr(self.model, "cluster_centers_") else np.zeros((0, 0))


def contenders(k: int, seed: int, first: np.ndarray) -> dict[str, Model]:
    """Return fresh models by name; those of ours with a bad start aren't warmed up.

    All centres about the first vector, all fifty standard deviations away, or all from N(0, 1).
    """
    noise = np.random.default_rng(seed).normal(size=(k, len(first)))
    return {
        "ours": Ours(KMeans(k, RATE, seed=seed)),
        "ours, from one place": Ours(KMeans(k, RATE, init=first + 1e-3 * noise, seed=seed)),
        "ours, from far away": Ours(KMeans(k, RATE, init=50.0 + noise, seed=seed)),
        "ours, from N(0, 1)": Ours(KMeans(k, RATE, init=noise, seed=seed)),
        "River as is": Ours(KMeans(k, 0.5, "strict", seed=seed)),
        "River standardised": Standardised(KMeans(k, 0.5, "strict", seed=seed)),
        "MiniBatchKMeans": MiniBatches(k, seed),
    }
