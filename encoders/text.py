"""Text encoders: strings in, vectors out."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import sentencepiece

from encoders.errors import BrokenEncoderError
from encoders.manifest import Manifest
from encoders.session import Session

__all__ = ["TextEncoder"]

_BATCH = 32
_BOS, _EOS = 1, 2


class TextEncoder:
    """A sentence encoder with a sentencepiece tokenizer.

    Parameters
    ----------
    manifest : Manifest
        Names the files; they are verified, and the golden texts encoded, before anything else.
    threads : int
        Threads within an operator.

    Raises
    ------
    BrokenEncoderError
        A file was changed, or a golden text has another vector than it should.
    """

    def __init__(self, manifest: Manifest, threads: int = 1) -> None:
        manifest.verify()
        self.manifest = manifest
        self._tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(manifest.path("tokenizer.model")))
        self._lock = threading.Lock()
        self._session = Session(manifest.path("model.onnx"), threads)
        self._check_goldens()

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self.manifest.dim

    @property
    def provider(self) -> str:
        """The execution provider that runs the model."""
        return self._session.provider

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return vectors (n, dim) of unit length; a row of NaN where a text has nothing to encode."""
        vectors, _ = self.encode_with_status(texts)
        return vectors

    def encode_with_status(self, texts: Sequence[str]) -> tuple[npt.NDArray[np.float32], list[str]]:
        """Return vectors (n, dim) and, for each, ``ok`` or why there is none: ``empty``."""
        vectors = np.full((len(texts), self.dim), np.nan, np.float32)
        status = ["ok" if text.strip() else "empty" for text in texts]
        tokens = [self._tokens(text) if good == "ok" else [] for text, good in zip(texts, status, strict=True)]
        order = sorted((i for i, good in enumerate(status) if good == "ok"), key=lambda i: len(tokens[i]))
        with self._lock:
            for start in range(0, len(order), _BATCH):
                chosen = order[start : start + _BATCH]
                vectors[chosen] = self._run([tokens[i] for i in chosen])
        return vectors, status

    def _tokens(self, text: str) -> list[int]:
        normal = unicodedata.normalize("NFKC", text)
        ids: list[int] = self._tokenizer.encode(normal)
        return [_BOS, *ids[: self.manifest.max_len - 2], _EOS]

    def _run(self, tokens: list[list[int]]) -> npt.NDArray[np.float32]:
        longest = max(map(len, tokens))
        ids = np.zeros((len(tokens), longest), np.int64)
        mask = np.zeros((len(tokens), longest), np.float32)
        for row, entry in enumerate(tokens):
            ids[row, : len(entry)] = entry
            mask[row, : len(entry)] = 1.0
        return self._session.run(input_ids=ids, mask=mask)

    def _check_goldens(self) -> None:
        goldens = self.manifest.goldens
        found = self.encode([golden.text for golden in goldens])
        for golden, vector in zip(goldens, found, strict=True):
            worst = float(np.abs(vector - np.array(golden.vector, np.float32)).max())
            if not worst <= self.manifest.tolerance:
                msg = (
                    f"encoder {self.manifest.id} on {self.provider}: golden text {golden.text!r} off by {worst:.2g}, "
                    f"allowed {self.manifest.tolerance}; its vectors can't be compared with stored ones"
                )
                raise BrokenEncoderError(msg)
