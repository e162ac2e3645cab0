"""Small videos, drawn."""

from __future__ import annotations

import io

import av
import numpy as np

__all__ = ["fading"]


def fading(frames: int = 40, form: str = "mp4", codec: str = "mpeg4", size: tuple[int, int] = (96, 64)) -> bytes:
    """Return a video that fades from black to white."""
    sink = io.BytesIO()
    with av.open(sink, "w", format=form) as container:
        stream = container.add_stream(codec, rate=20)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for i in range(frames):
            grey = np.full((size[1], size[0], 3), round(255 * i / max(1, frames - 1)), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode())
    return sink.getvalue()
