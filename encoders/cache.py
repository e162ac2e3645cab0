"""Vectors that were computed already, by what was encoded and by what."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

import numpy as np
import numpy.typing as npt

from encoders.content import ContentSpace

__all__ = ["VectorCache"]


class VectorCache:
    """A bounded memory of vectors; the key holds everything a vector depends on, so spaces can't mix."""

    def __init__(self, space: ContentSpace, entries: int = 50_000) -> None:
        parts = [space.space_id]
        for manifest in space.manifests:
            parts += [f"{k}={v}" for k, v in sorted(manifest.sha256.items())] + [manifest.preprocessing]
        self._prefix = "\0".join(parts).encode()
        self._entries = entries
        self._known: OrderedDict[bytes, npt.NDArray[np.float32]] = OrderedDict()
        self._allowed = all(manifest.batch_invariant for manifest in space.manifests)

    def key(self, text: str) -> bytes:
        """Return the key of content, written as text: all that its vector depends on."""
        return hashlib.sha256(self._prefix + b"\0" + text.encode("utf-8", "surrogatepass")).digest()

    def get(self, text: str) -> npt.NDArray[np.float32] | None:
        """Return the vector, or None."""
        key = self.key(text)
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
        return found

    def put(self, text: str, vector: npt.NDArray[np.float32]) -> None:
        """Remember a vector; those of encoders whose batches influence it are not kept."""
        if self._allowed:
            self._known[self.key(text)] = vector
            if len(self._known) > self._entries:
                self._known.popitem(last=False)
