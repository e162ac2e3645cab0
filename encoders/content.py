"""What a thing says and shows as ONE vector: the rules, and the encoders behind them.

- **Text** of more than a model sees is cut into chunks (`encoders.chunks`); its vector is the mean of the chunks' unit
  vectors, weighted by their lengths, brought back to unit length.
- **Pictures**: the picture itself and up to eight frames of a video; their vector is the mean of their unit vectors,
  brought back to unit length. What can't be read counts for nothing while something else can.
- **Both**, by one multimodal encoder: unit(text + pictures), in its one space; with one of them it is that one.
- **Both**, by a text and an image encoder side by side: the two vectors one behind the other, zeros where a thing has
  no text or no picture. The space is that of the pair; a projection takes zeros for the middle of their part.

A thing with neither is missing, for the text's reason if there was text, else for the picture's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from encoders.chunks import chunks
from encoders.contract import OK, Encoder, Vectors
from encoders.errors import BrokenEncoderError, NoVectorError
from encoders.images import ImageContent, ImageSource
from encoders.manifest import Manifest, load_manifest
from encoders.multimodal import Thing
from encoders.projection import Projection, load_projection
from encoders.registry import load_encoder
from encoders.video import frames

__all__ = ["ContentEncoder", "ContentSpace", "content_space"]

#: A chunk has so many characters fewer than its model sees tokens: no token is shorter than a character, and begin
#: and end take two.
_ROOM = 2
#: Share of a pair's projection that shows pictures: what a thing is called says more of it.
_SHARE_OF_PICTURES = 0.25


@dataclass(frozen=True, slots=True)
class ContentSpace:
    """Where vectors of content lie, without the models that make them.

    Attributes
    ----------
    space_id : str
        Vectors are comparable exactly when this is equal.
    manifests : tuple of Manifest
        One multimodal or text encoder; beside a text encoder perhaps one for pictures.
    """

    space_id: str
    manifests: tuple[Manifest, ...]

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return sum(manifest.dim for manifest in self.manifests)

    def projection(self, dim: int) -> Projection:
        """Return the way down to `dim` columns.

        Raises
        ------
        BrokenEncoderError
            An encoder has fewer directions.
        """
        if len(self.manifests) == 1:
            return load_projection(self.manifests[0], dim)
        pictures = max(1, round(dim * _SHARE_OF_PICTURES))
        parts = [
            load_projection(manifest, width)
            for manifest, width in zip(self.manifests, (dim - pictures, pictures), strict=True)
        ]
        return Projection.beside(parts)


def content_space(text: str, image: str = "", models_dir: str | Path | None = None) -> ContentSpace:
    """Return the space of a text or multimodal encoder, or of a text encoder with an image encoder beside it.

    Raises
    ------
    UnknownEncoderError, BrokenEncoderError
        One isn't installed, or is of a kind that doesn't go there.
    """
    manifests = [load_manifest(text, models_dir)]
    if image:
        manifests.append(load_manifest(image, models_dir))
    kinds = tuple(manifest.kind for manifest in manifests)
    if kinds not in {("text",), ("multimodal",), ("text", "image")}:
        msg = (
            f"content can't be encoded by {' and '.join(f'{m.id} ({m.kind})' for m in manifests)}: take one encoder "
            "of text, a multimodal one, or one of text and one of pictures"
        )
        raise BrokenEncoderError(msg)
    return ContentSpace(" + ".join(manifest.space_id for manifest in manifests), tuple(manifests))


class ContentEncoder:
    """Things in, one vector each out, by the rules above.

    Parameters
    ----------
    space : ContentSpace
        Which encoders.
    models_dir : str or Path, optional
        Where they are installed.
    threads : int
        See `Encoder`.
    source : ImageSource, optional
        Where pictures and videos may come from; by default only from what is inline.
    """

    def __init__(
        self, space: ContentSpace, models_dir: str | Path | None = None, threads: int = 1,
        source: ImageSource | None = None,
    ) -> None:  # fmt: skip
        self.space = space
        self._source = source or ImageSource()
        loaded: list[Encoder[Any, Any]] = [
            load_encoder(manifest.id, models_dir, threads, self._source) for manifest in space.manifests
        ]
        self._text, self._image = loaded[0], loaded[-1]
        self._together = space.manifests[0].kind == "multimodal"
        self._longest = max(1, space.manifests[0].max_len - _ROOM)
        self.sees = self._together or len(loaded) > 1

    @property
    def name(self) -> str:
        """The encoders' ids."""
        return " + ".join(manifest.id for manifest in self.space.manifests)

    @property
    def provider(self) -> str:
        """The execution provider that runs the text model."""
        return self._text.provider

    @property
    def batches(self) -> tuple[int, int]:
        """How many batches its models were given, and how many texts and pictures these held."""
        counts = [encoder.batches for encoder in ({self._text, self._image} if self.sees else {self._text})]
        return sum(runs for runs, _ in counts), sum(pieces for _, pieces in counts)

    def encode_with_status(self, things: Sequence[Thing]) -> tuple[Vectors, list[str]]:
        """Return float32 vectors (n, dim) and, for each, ``ok`` or why it is missing; such a row is NaN."""
        said, why_not_said = self._said([thing.text for thing in things])
        if not self.sees:
            return said, why_not_said
        seen, why_not_seen = self._seen(things)
        status = [
            OK if OK in {one, other} else (one if thing.text else other)
            for thing, one, other in zip(things, why_not_said, why_not_seen, strict=True)
        ]
        missing = np.array([state != OK for state in status], bool)
        said, seen = np.nan_to_num(said), np.nan_to_num(seen)
        vectors = _unit(said + seen) if self._together else np.hstack([said, seen])
        # Opposite vectors leave nothing: such a thing has no direction.
        lost = ~missing & ~vectors.any(axis=1)
        vectors[missing | lost] = np.nan
        status = ["no_vector" if nothing else state for nothing, state in zip(lost, status, strict=True)]
        return vectors, status

    def _said(self, texts: Sequence[str | None]) -> tuple[Vectors, list[str]]:
        """Return the vectors of texts, chunk by chunk."""
        pieces = [chunks(text, self._longest) or [""] if text else [""] for text in texts]
        flat = [piece for some in pieces for piece in some]
        found, status = self._text.encode_with_status([Thing(text=piece) for piece in flat] if self._together else flat)
        found = found / np.linalg.norm(found, axis=1, keepdims=True)
        if len(flat) == len(texts):
            return found, status
        return _means(found, status, [len(some) for some in pieces], [len(piece) for piece in flat])

    def _seen(self, things: Sequence[Thing]) -> tuple[Vectors, list[str]]:
        """Return the vectors of pictures and of frames of videos."""
        pictures, counts, why = [], [], []
        for thing in things:
            own: list[ImageContent] = [thing.image] if thing.image else []
            reason = "empty"
            if thing.video:
                try:
                    own += frames(self._source.read(thing.video))
                except NoVectorError as error:
                    reason = error.reason
            pictures += own
            counts.append(len(own))
            why.append(reason)
        found, status = self._image.encode_with_status(
            [Thing(image=picture) for picture in pictures] if self._together else pictures
        )
        found = found / np.linalg.norm(found, axis=1, keepdims=True)
        vectors, states = _means(found, status, counts, [1] * len(pictures))
        return vectors, [
            reason if state == "empty" and not count else state
            for state, reason, count in zip(states, why, counts, strict=True)
        ]


def _means(
    vectors: Vectors, status: Sequence[str], counts: Iterable[int], weights: Sequence[int]
) -> tuple[Vectors, list[str]]:
    """Return the weighted mean of each run of `counts` unit vectors as a unit vector; NaN and a reason without any."""
    counts = list(counts)
    means = np.full((len(counts), vectors.shape[1]), np.nan, np.float32)
    states = []
    start = 0
    for row, count in enumerate(counts):
        run = range(start, start + count)
        start += count
        good = [i for i in run if status[i] == OK]
        states.append(OK if good else (status[run[0]] if count else "empty"))
        if good:
            total = np.array([weights[i] for i in good], np.float32) @ vectors[good]
            if not total.any():
                states[-1] = "no_vector"
                continue
            means[row] = _unit(total[None])[0]
    return means, states


def _unit(vectors: Vectors) -> Vectors:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0), np.float32)
