"""Golden pictures: drawn by arithmetic and packed as PNG, which every decoder reads alike."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

__all__ = ["golden_pictures"]


def golden_pictures() -> list[str]:
    """Return data URLs of three pictures: a ramp of colours, rings on a wide one, a board with a transparent half."""
    y, x = np.mgrid[0:40, 0:40]
    ramp = np.stack([6 * x, 6 * y, 3 * (x + y)], axis=-1)
    y, x = np.mgrid[0:24, 0:60]
    rings = np.stack([(x - 30) ** 2 + (y - 12) ** 2, 4 * x, 255 - 9 * y], axis=-1) % 256
    y, x = np.mgrid[0:32, 0:20]
    board = np.stack([255 * ((x // 4 + y // 4) % 2), 8 * y, 12 * x, 255 * (y < 16)], axis=-1)
    return [_data_url(pixels.astype(np.uint8)) for pixels in (ramp, rings, board)]


def _data_url(pixels: np.ndarray) -> str:
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(sink.getvalue()).decode()
