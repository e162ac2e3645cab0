"""Text encoders: strings in, vectors out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from encoders.contract import Encoder, Vectors
from encoders.errors import NoVectorError
from encoders.session import Session
from encoders.tokenizing import Tokenize, load_tokenizer

__all__ = ["TextEncoder", "pad_tokens", "tokens_of"]

#: A producer is untrusted: a text this long is no title, and tokenizing megabytes would hold up everybody else's.
_MAX_CHARS = 200_000


class TextEncoder(Encoder[str, list[int]]):
    """A sentence encoder; what is longer than the manifest's `max_len` tokens is cut."""

    def prepare(self, content: str) -> list[int]:
        """Return the token numbers of a text, begin and end included."""
        return tokens_of(content, self._tokenize)

    def cost(self, prepared: list[int]) -> int:
        """Return how many tokens there are."""
        return len(prepared)

    def golden(self, text: str) -> str:
        """Return the text itself."""
        return text

    def _open(self) -> Sequence[Session]:
        self._tokenize = load_tokenizer(self.manifest)
        self._session = Session(self.manifest.path("model.onnx"))
        return [self._session]

    def _run(self, batch: Sequence[list[int]]) -> Vectors:
        length = self._session.length(len(batch), max(map(len, batch)), self.manifest.max_len)
        ids, mask = pad_tokens(batch, self.manifest.pad_id, length)
        return self._session.run(input_ids=ids, mask=mask.astype(self.manifest.dtype("mask")))


def tokens_of(text: str, tokenize: Tokenize) -> list[int]:
    """Return a text's token numbers.

    Raises
    ------
    NoVectorError
        No text, nothing in it, far too much of it, or halves of surrogate pairs.
    """
    if not isinstance(text, str):
        reason = "broken"
        raise NoVectorError(reason, f"{type(text).__name__} is no text")
    if len(text) > _MAX_CHARS:
        reason = "too_large"
        raise NoVectorError(reason, f"{len(text):,} characters")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        reason = "broken"
        raise NoVectorError(reason, str(error)) from error
    ids = tokenize(text) if text.strip() else []
    if not ids:
        reason = "empty"
        raise NoVectorError(reason)
    return ids


def pad_tokens(batch: Sequence[list[int]], pad_id: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ids int64 (n, length) and mask bool (n, length), padded on the right."""
    ids = np.full((len(batch), length), pad_id, np.int64)
    mask = np.zeros((len(batch), length), np.bool_)
    for row, entry in enumerate(batch):
        ids[row, : len(entry)] = entry
        mask[row, : len(entry)] = True
    return ids, mask
