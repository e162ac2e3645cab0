"""Behaviour encoders: baskets in, vectors out; what wasn't there when the model was trained counts for nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from encoders.behaviour.baskets import Basket
from encoders.contract import Encoder, Vectors
from encoders.errors import BrokenEncoderError, NoVectorError
from encoders.session import Session

__all__ = ["BehaviourEncoder"]

_MAX_ITEMS = 100_000

_Entries = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]


class BehaviourEncoder(Encoder[Basket, _Entries]):
    """A model over baskets: item2vec, node2vec or Mult-DAE, all with the same two inputs.

    ``items`` int64 (batch, items), 0 for unknown and padding, and ``weights`` float32 of the same shape.

    Parameters
    ----------
    manifest, threads
        See `Encoder`. Beside the model lies ``items.json``, the vocabulary.
    """

    @property
    def vocabulary(self) -> list[str]:
        """The items that are known, by number from 1 on."""
        return list(self._numbers)

    def run(self, items: npt.NDArray[np.int64], weights: Vectors) -> Vectors:
        """Return vectors (n, dim) of numbers (n, m), 0 for none, and their weights (n, m); zeros where all are 0."""
        return self._session.run(items=items, weights=weights)

    def known(self, baskets: Sequence[Basket]) -> npt.NDArray[np.int64]:
        """Return how many items of each basket the model knows, int64 (n,)."""
        return np.array([sum(item in self._numbers for item in basket.items) for basket in baskets], np.int64)

    def lookup(self, baskets: Sequence[Basket]) -> tuple[Vectors, npt.NDArray[np.int64]]:
        """Return vectors (n, dim) and known counts (n,); where nothing is known the row is zero and the count 0.

        For sums and averages, in which a zero adds nothing. `encode` has NaN there, which nobody takes for a vector.
        """
        vectors, _ = self.encode_with_status(baskets)
        known = self.known(baskets)
        return np.where(np.isfinite(vectors), vectors, np.float32(0)), known

    def prepare(self, content: Basket) -> _Entries:
        """Return item numbers and weights of a basket."""
        if not isinstance(content, Basket):
            reason = "broken"
            raise NoVectorError(reason, f"{type(content).__name__} is no Basket")
        weights = [1.0] * len(content.items) if content.weights is None else content.weights
        if len(content.items) > _MAX_ITEMS:
            reason = "too_large"
            raise NoVectorError(reason, f"{len(content.items):,} items")
        if not content.items:
            reason = "empty"
            raise NoVectorError(reason)
        if len(weights) != len(content.items) or not all(math.isfinite(w) and w >= 0 for w in weights):
            reason = "broken"
            raise NoVectorError(reason, "weights must be as many as the items, finite and not negative")
        numbers = np.array([self._numbers.get(item, 0) for item in content.items], np.int64)
        kept = (numbers > 0) & (np.array(weights) > 0)
        if not kept.any():
            reason = "unknown"
            raise NoVectorError(reason)
        return numbers[kept], np.array(weights, np.float32)[kept]

    def cost(self, prepared: _Entries) -> int:
        """Return how many known items there are."""
        return len(prepared[0])

    def golden(self, text: str) -> Basket:
        """Return the basket that is written as JSON."""
        return msgspec.json.decode(text, type=Basket)

    def _open(self) -> Sequence[Session]:
        path = self.manifest.path("items.json")
        try:
            vocabulary = msgspec.json.decode(path.read_bytes(), type=list[str])
        except (OSError, msgspec.MsgspecError) as error:
            msg = f"{path} is no list of items: {error}"
            raise BrokenEncoderError(msg) from error
        self._numbers = {item: i + 1 for i, item in enumerate(vocabulary)}
        self._session = Session(self.manifest.path("model.onnx"))
        return [self._session]

    def _run(self, batch: Sequence[_Entries]) -> Vectors:
        longest = self._session.length(len(batch), max(len(numbers) for numbers, _ in batch))
        items = np.zeros((len(batch), longest), np.int64)
        weights = np.zeros((len(batch), longest), np.float32)
        for row, (numbers, much) in enumerate(batch):
            items[row, : len(numbers)] = numbers
            weights[row, : len(numbers)] = much
        return self._session.run(items=items, weights=weights)
