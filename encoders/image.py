"""Image encoders: pictures in, vectors out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from encoders.contract import Encoder, Vectors
from encoders.errors import BrokenEncoderError
from encoders.images import ImageContent, ImageSource, decode, to_array
from encoders.manifest import Manifest
from encoders.session import Session

__all__ = ["ImageEncoder"]

Pixels = npt.NDArray[np.float32]


class ImageEncoder(Encoder[ImageContent, Pixels]):
    """A vision model over squares of pixels.

    Parameters
    ----------
    manifest : Manifest
        See `Encoder`; its `image` says how a picture becomes the model's input.
    threads : int
        Threads within an operator.
    source : ImageSource, optional
        Where pictures may come from; by default only from what is inline.
    """

    rows = 16
    ahead = 64  # 38 MB of pixels wait for the model, not a whole catalogue's

    def __init__(self, manifest: Manifest, threads: int = 1, source: ImageSource | None = None) -> None:
        if manifest.image is None:
            msg = f"{manifest.id}: its manifest doesn't say how a picture becomes its input"
            raise BrokenEncoderError(msg)
        self._shape = manifest.image
        self._threads = threads
        # Golden pictures are inline; nothing is fetched while an encoder is loaded.
        self._source = source or ImageSource()
        super().__init__(manifest)

    @property
    def provider(self) -> str:
        """The execution provider that runs the model."""
        return self._session.provider

    @property
    def steps_down(self) -> Sequence[str]:
        """Why each faster provider wasn't chosen."""
        return self._session.steps_down

    def prepare(self, content: ImageContent) -> Pixels:
        """Return the pixels of a picture as float32 (3, size, size)."""
        wanted = 2 * max(self._shape.size, self._shape.resize)
        return to_array(decode(self._source.read(content), at_least=wanted), self._shape)

    def cost(self, prepared: Pixels) -> int:
        """Return 1: every picture is as large as the other."""
        return 1

    def golden(self, text: str) -> ImageContent:
        """Return the text: golden pictures are data URLs."""
        return text

    def _open(self) -> None:
        self._session = Session(self.manifest.path("model.onnx"), self._threads)

    def _run(self, batch: Sequence[Pixels]) -> Vectors:
        return self._session.run(pixels=np.stack(batch))
