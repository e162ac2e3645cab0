"""From wherever a picture is to what a model takes of it, in one call."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from encoders.images.decode import decode, to_array
from encoders.images.source import ImageContent, ImageSource
from encoders.manifest import ImageInput

__all__ = ["PixelReader"]


class PixelReader:
    """Finds a picture, decodes no more of it than the model can see, and makes the model's input of it.

    Parameters
    ----------
    shape : ImageInput
        What the model takes.
    source : ImageSource
        Where pictures may come from.
    """

    def __init__(self, shape: ImageInput, source: ImageSource) -> None:
        self._shape = shape
        self._source = source

    def __call__(self, content: ImageContent) -> npt.NDArray[np.float32]:
        """Return float32 (3, size, size).

        Raises
        ------
        NoVectorError
            See `ImageSource.read` and `decode`.
        """
        if isinstance(content, Image.Image):
            return to_array(content, self._shape)
        wanted = 2 * max(self._shape.size, self._shape.resize)
        return to_array(decode(self._source.read(content), at_least=wanted), self._shape)
