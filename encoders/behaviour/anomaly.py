"""How unusual a person is: a score of a profile, by whichever model was installed for it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from encoders.behaviour.baskets import Basket
from encoders.contract import Vectors
from encoders.errors import BrokenEncoderError
from encoders.manifest import Manifest
from encoders.session import Session

__all__ = ["AnomalyScorer", "profiles", "profiles_of"]


class AnomalyScorer:
    """A model from profiles to scores; more is more unusual, and only the order means something.

    Parameters
    ----------
    manifest : Manifest
        Of kind ``anomaly``; files and golden profiles are checked.
    threads : int
        Threads within an operator.

    Raises
    ------
    BrokenEncoderError
        A file was changed, or a golden profile has another score than it should.
    """

    def __init__(self, manifest: Manifest, threads: int = 1) -> None:
        manifest.verify()
        self.manifest = manifest
        self._session = Session(manifest.path("model.onnx"), threads)
        for golden in manifest.goldens:
            found = float(self.score(np.array([msgspec.json.decode(golden.text)], np.float32))[0])
            if not abs(found - golden.vector[0]) <= manifest.tolerance * max(1.0, abs(golden.vector[0])):
                msg = f"{manifest.id} on {self._session.provider}: a golden profile scores {found}, not {golden.vector}"
                raise BrokenEncoderError(msg)

    @property
    def provider(self) -> str:
        """The execution provider that runs the model."""
        return self._session.provider

    def score(self, people: Vectors) -> Vectors:
        """Return scores float32 (n,) of profiles float32 (n, dim).

        Raises
        ------
        ValueError
            Profiles have another width than those the model was trained on, or aren't finite.
        """
        if people.ndim != 2 or people.shape[1] != self.manifest.dim or not np.isfinite(people).all():
            msg = f"profiles must be finite and (n, {self.manifest.dim}), found {people.shape}"
            raise ValueError(msg)
        if not len(people):
            return np.zeros(0, np.float32)
        return self._session.run(profiles=np.asarray(people, np.float32))[:, 0]

    def ladder(self) -> npt.NDArray[np.float64]:
        """Return the scores of the people it was trained on, ascending, at equal shares of them (101,).

        Raises
        ------
        BrokenEncoderError
            The file beside the model isn't there: it was installed by an earlier version.
        """
        path = self.manifest.path("ladder.json")
        try:
            return np.array(msgspec.json.decode(path.read_bytes(), type=list[float]))
        except (OSError, msgspec.MsgspecError) as error:
            msg = f"{path} holds no scores: train it again ({error})"
            raise BrokenEncoderError(msg) from error


def profiles(latent: Vectors, baskets: Sequence[Basket]) -> Vectors:
    """Return what a person is scored by, float32 (n, dim + 3).

    Parameters
    ----------
    latent : ndarray of float32, shape (n, dim)
        What they like, as a behaviour encoder says; rows that are missing count as zeros.
    baskets : sequence of Basket
        How they like it: the logarithm of how much, how many different items to each touch, and the share of the one
        item touched most.
    """
    weights = np.zeros((len(baskets), max((len(basket.items) for basket in baskets), default=0) or 1))
    for row, basket in enumerate(baskets):
        weights[row, : len(basket.items)] = 1.0 if basket.weights is None else basket.weights
    return profiles_of(latent, weights)


def profiles_of(latent: Vectors, weights: npt.NDArray[np.float64]) -> Vectors:
    """Return the same of weights (n, m), 0 where there is no item."""
    total, items = weights.sum(axis=1), (weights > 0).sum(axis=1)
    touches = np.maximum(np.maximum(total, items), 1e-12)
    habits = [np.log1p(total), items / touches, weights.max(axis=1) / np.maximum(total, 1e-12)]
    return np.column_stack([np.nan_to_num(latent), *habits]).astype(np.float32)
