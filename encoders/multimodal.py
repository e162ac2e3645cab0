"""Encoders of things that have a text, a picture, or both: two graphs, one space.

The rule for a thing with both: the mean of the two unit vectors, brought back to unit length. With one of them it is
that one. What is given and can't be used leaves the thing with the other, and `encode_with_status` says ``ok``; only a
thing with neither is missing, for the text's reason if there was text, else for the picture's.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from encoders.contract import Encoder, Vectors
from encoders.errors import BrokenEncoderError, NoVectorError
from encoders.image import ImageEncoder
from encoders.images import ImageContent, ImageSource, PixelReader
from encoders.manifest import Manifest
from encoders.session import Session
from encoders.text import pad_tokens, tokens_of
from encoders.tokenizing import load_tokenizer

__all__ = ["COMBINE", "MultimodalEncoder", "Thing"]

#: What a manifest's `combine` must say: the one rule there is.
COMBINE = "unit(text + image)"


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """A product, an article, a post: what it says and how it looks; each may be left out.

    Frames of a video are pictures to `encoders.content.ContentEncoder`; the encoders themselves don't look at it.
    """

    text: str | None = None
    image: ImageContent | None = None
    video: str | bytes | None = None


class _Prepared(msgspec.Struct, frozen=True):
    tokens: list[int]
    pixels: npt.NDArray[np.float32] | None


class MultimodalEncoder(Encoder[Thing, _Prepared]):
    """A text tower and an image tower whose vectors are comparable.

    Parameters
    ----------
    manifest : Manifest
        See `Encoder`. Its files are ``text.onnx``, ``image.onnx`` and the tokenizer.
    threads : int
        See `Encoder`.
    source : ImageSource, optional
        Where pictures may come from; by default only from what is inline.
    """

    rows = ImageEncoder.rows
    gpu_rows = ImageEncoder.gpu_rows
    ahead = ImageEncoder.ahead

    def __init__(self, manifest: Manifest, threads: int = 1, source: ImageSource | None = None) -> None:
        if manifest.image is None or manifest.combine != COMBINE:
            msg = f"{manifest.id}: its manifest has no `image`, or another rule to combine than {COMBINE!r}"
            raise BrokenEncoderError(msg)
        self._pixels = PixelReader(manifest.image, source or ImageSource())
        super().__init__(manifest, threads)

    def prepare(self, content: Thing) -> _Prepared:
        """Return tokens (none: an empty list) and pixels (none: None)."""
        if not isinstance(content, Thing):
            reason = "broken"
            raise NoVectorError(reason, f"{type(content).__name__} is no Thing")
        tokens: list[int] = []
        pixels = None
        why: list[NoVectorError] = []
        if content.text is not None:
            try:
                tokens = tokens_of(content.text, self._tokenize)
            except NoVectorError as error:
                why.append(error)
        if content.image is not None:
            try:
                pixels = self._pixels(content.image)
            except NoVectorError as error:
                why.append(error)
        if not tokens and pixels is None:
            reason = why[0].reason if why else "empty"
            raise NoVectorError(reason)
        return _Prepared(tokens, pixels)

    def cost(self, prepared: _Prepared) -> int:
        """Return how many tokens there are, at least 1."""
        return max(1, len(prepared.tokens))

    def golden(self, text: str) -> Thing:
        """Return the thing that is written as JSON."""
        return msgspec.json.decode(text, type=_Written).thing()

    def _open(self) -> Sequence[Session]:
        self._tokenize = load_tokenizer(self.manifest)
        self._text = Session(self.manifest.path("text.onnx"))
        self._image = Session(self.manifest.path("image.onnx"))
        return [self._text, self._image]

    def _run(self, batch: Sequence[_Prepared]) -> Vectors:
        total = np.zeros((len(batch), self.dim), np.float32)
        texts = [i for i, one in enumerate(batch) if one.tokens]
        if texts:
            tokens = [batch[i].tokens for i in texts]
            length = self._text.length(len(texts), max(map(len, tokens)), self.manifest.max_len)
            ids, mask = pad_tokens(tokens, self.manifest.pad_id, length)
            total[texts] += self._text.run(input_ids=ids, mask=mask.astype(np.int64))
        seen = [(i, one.pixels) for i, one in enumerate(batch) if one.pixels is not None]
        if seen:
            total[[i for i, _ in seen]] += self._image.run(pixels=np.stack([pixels for _, pixels in seen]))
        # Opposite vectors leave nothing: such a thing has no direction, and `Encoder` makes it missing.
        length = np.linalg.norm(total, axis=1, keepdims=True)
        return np.asarray(np.divide(total, length, out=np.zeros_like(total), where=length > 0), np.float32)


class _Written(msgspec.Struct):
    """A thing in JSON: its picture is a data URL."""

    text: str | None = None
    image: str | None = None

    def thing(self) -> Thing:
        return Thing(text=self.text, image=self.image)
