"""JPEGs as shops have them: 500 x 400, smooth patches of colour; no file needed."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

__all__ = ["PICTURES", "jpegs"]

PICTURES = "JPEG 500 x 400"


def jpegs(n: int) -> list[bytes]:
    """Return `n` different pictures, the same ones each time."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(n):
        coarse = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        sink = io.BytesIO()
        coarse.resize((500, 400), Image.Resampling.BICUBIC).save(sink, "JPEG", quality=85)
        found.append(sink.getvalue())
    return found
