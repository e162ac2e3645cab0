"""Bytes to pixels to the array a model takes; what would take more memory than it is worth is refused unread."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from encoders.errors import NoVectorError
from encoders.manifest import ImageInput

__all__ = ["MAX_PIXELS", "decode", "to_array"]

#: A picture from a good phone; three bytes each, 150 MB.
MAX_PIXELS = 50_000_000
#: What the web shows. Formats that only libraries for vectors, fax or film read stay closed: fewer decoders to attack.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def decode(data: bytes, at_least: int = 0) -> Image.Image:
    """Return the picture, upright and in RGB; transparent parts become white, of an animation it is the first frame.

    Parameters
    ----------
    data : bytes
        JPEG, PNG, WebP, GIF or BMP.
    at_least : int
        A JPEG may be decoded at half, a quarter or an eighth of its size, no side shorter than this; 0: at its size.

    Raises
    ------
    NoVectorError
        ``empty``; ``unsupported`` format; ``too_large``, known from the header before a pixel is decoded; ``broken``.
    """
    if not data:
        reason = "empty"
        raise NoVectorError(reason)
    try:
        picture = Image.open(io.BytesIO(data), formats=_FORMATS)
        width, height = picture.size
        if width * height > MAX_PIXELS:
            reason = "too_large"
            raise NoVectorError(reason, f"{width} x {height} pixels")
        if at_least:
            picture.draft("RGB", (at_least, at_least))
        picture.load()
        ImageOps.exif_transpose(picture, in_place=True)
        return _flat(picture)
    except NoVectorError:
        raise
    except UnidentifiedImageError as error:
        reason = "unsupported"
        raise NoVectorError(reason, "none of " + ", ".join(_FORMATS)) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        reason = "too_large"
        raise NoVectorError(reason, str(error)) from error
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, ValueError, EOFError, ...
        reason = "broken"
        raise NoVectorError(reason, str(error)) from error


def to_array(picture: Image.Image, shape: ImageInput) -> npt.NDArray[np.float32]:
    """Return float32 (3, size, size), scaled to 0..1 and standardised by channel.

    The part that is kept is cut out while resizing, not after it: a picture of 1 x 1,000,000 pixels would otherwise be
    blown up before all but its middle is thrown away.
    """
    width, height = picture.size
    box = (0.0, 0.0, float(width), float(height))
    if shape.resize:
        side = min(width, height) * min(1.0, shape.size / shape.resize)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
    small = picture.resize((shape.size, shape.size), _FILTERS[shape.filter], box=box)
    # Channel by channel, each in one sweep over contiguous memory: three times as fast as all at once and then turned.
    pixels = np.asarray(small)
    standard = np.empty((3, shape.size, shape.size), np.float32)
    for channel, (mean, std) in enumerate(zip(shape.mean, shape.std, strict=True)):
        np.multiply(pixels[:, :, channel], np.float32(1 / (255 * std)), out=standard[channel])
        standard[channel] -= np.float32(mean / std)
    return standard


def _flat(picture: Image.Image) -> Image.Image:
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        picture = Image.new("RGBA", layer.size, "white")
        picture.alpha_composite(layer)
    return picture.convert("RGB")
