"""Image encoders: pictures in, vectors out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from encoders.contract import Encoder, Vectors
from encoders.errors import BrokenEncoderError
from encoders.images import ImageContent, ImageSource, PixelReader
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
        See `Encoder`.
    source : ImageSource, optional
        Where pictures may come from; by default only from what is inline.
    """

    rows = 4  # larger batches leave the cache: two threads run 201 pictures a second by four, 109 by sixteen (measured)
    gpu_rows = 8  # with eight threads 1,673 pictures a second by eight, 1,393 by 128 (measured)
    ahead = 16  # 10 MB of pixels wait for the model, not a whole catalogue's

    def __init__(self, manifest: Manifest, threads: int = 1, source: ImageSource | None = None) -> None:
        if manifest.image is None:
            msg = f"{manifest.id}: its manifest doesn't say how a picture becomes its input"
            raise BrokenEncoderError(msg)
        # Golden pictures are inline; nothing is fetched while an encoder is loaded.
        self._pixels = PixelReader(manifest.image, source or ImageSource())
        super().__init__(manifest, threads)

    def prepare(self, content: ImageContent) -> Pixels:
        """Return the pixels of a picture as float32 (3, size, size)."""
        return self._pixels(content)

    def cost(self, prepared: Pixels) -> int:
        """Return 1: every picture is as large as the other."""
        return 1

    def golden(self, text: str) -> ImageContent:
        """Return the text: golden pictures are data URLs."""
        return text

    def _open(self) -> Sequence[Session]:
        self._session = Session(self.manifest.path("model.onnx"))
        return [self._session]

    def _run(self, batch: Sequence[Pixels]) -> Vectors:
        return self._session.run(pixels=np.stack(batch))
