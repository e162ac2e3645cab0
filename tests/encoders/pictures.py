"""Pictures for tests, drawn here."""

from __future__ import annotations

import base64
import io
import struct
import zlib

import numpy as np
from PIL import Image


def drawn(width: int = 64, height: int = 48, form: str = "PNG", seed: int = 0, mode: str = "RGB") -> bytes:
    """Return an encoded picture of smooth random colours."""
    channels = len(mode) if mode != "L" else 1
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, channels), dtype=np.uint8)
    small = Image.fromarray(coarse.squeeze() if channels == 1 else coarse)
    return encoded(small.resize((width, height), Image.Resampling.BICUBIC), form)


def encoded(picture: Image.Image, form: str = "PNG", **options: object) -> bytes:
    sink = io.BytesIO()
    picture.save(sink, form, **options)
    return sink.getvalue()


def data_url(data: bytes, mime: str = "image/png") -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def bomb(width: int, height: int) -> bytes:
    """Return a PNG of a few hundred bytes or so that claims to be enormous, and whose data would really unfold."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width // 8 + 1) * min(height, 2_000)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
