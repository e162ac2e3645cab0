"""Bodies of HTTP requests and replies: chunked or of known length, compressed or plain."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable
from io import BufferedIOBase
from typing import Any

import lz4.frame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["BodyError", "compress", "decompress", "read_body"]

_MAX_BODY_BYTES = 1 << 30


class BodyError(Exception):
    """A body that can't be read; `status` is the HTTP answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def read_body(source: BufferedIOBase, length: str | None, transfer_encoding: str | None) -> bytes:
    """Read a request's body to its end.

    Raises
    ------
    BodyError
        It is longer than 1 GiB, cut short, or its chunks are malformed.
    """
    if transfer_encoding and transfer_encoding.strip().lower() == "chunked":
        return _read_chunks(source)
    if length is None:
        return b""
    if not length.isascii() or not length.isdigit():
        raise BodyError(400, f"Content-Length {length!r} is no number")
    return _read_exactly(source, int(length))


def _read_exactly(source: BufferedIOBase, size: int) -> bytes:
    if size > _MAX_BODY_BYTES:
        raise BodyError(413, f"a body of {size} bytes is more than {_MAX_BODY_BYTES}")
    body = source.read(size)
    if len(body) != size:
        raise BodyError(400, f"the body ended after {len(body)} of {size} bytes")
    return body


def _read_chunks(source: BufferedIOBase) -> bytes:
    parts: list[bytes] = []
    total = 0
    while True:
        header = source.readline(1024)
        try:
            size = int(header.split(b";")[0], 16)
        except ValueError:
            raise BodyError(400, f"a chunk starts with {header[:40]!r}") from None
        if size == 0:
            while source.readline(65536).strip():
                pass
            return parts[0] if len(parts) == 1 else b"".join(parts)
        total += size
        if total > _MAX_BODY_BYTES:
            raise BodyError(413, f"a body of more than {_MAX_BODY_BYTES} bytes")
        parts.append(_read_exactly(source, size))
        source.readline(2)


def decompress(body: bytes, encoding: str | None) -> bytes:
    """Undo a request's Content-Encoding; several frames in a row count as one stream.

    Raises
    ------
    BodyError
        The encoding is unknown or the body isn't in it.
    """
    name = (encoding or "identity").strip().lower()
    if name == "identity":
        return body
    new = _DECOMPRESSORS.get(name)
    if new is None:
        raise BodyError(400, f"Content-Encoding {name!r} is none of {', '.join(_DECOMPRESSORS)}")
    parts = []
    rest = body
    try:
        while rest:
            stream = new()
            parts.append(stream.decompress(rest))
            if not stream.eof:
                raise BodyError(400, f"the {name} body is cut short")
            rest = stream.unused_data or b""
    except (RuntimeError, zlib.error, zstd.ZstdError) as error:
        raise BodyError(400, f"the body is no {name}: {error}") from error
    return parts[0] if len(parts) == 1 else b"".join(parts)


_DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "zstd": zstd.ZstdDecompressor,
    "gzip": lambda: zlib.decompressobj(wbits=31),
    "deflate": zlib.decompressobj,
}

_COMPRESSORS: dict[str, Callable[[memoryview | bytes], bytes]] = {
    "lz4": lz4.frame.compress,
    "zstd": lambda data: zstd.compress(data, 1),
    "gzip": lambda data: gzip.compress(data, 1),
    "deflate": lambda data: zlib.compress(data, 1),
}


def compress(payload: memoryview | bytes, accepted: str | None) -> tuple[memoryview | bytes, str | None]:
    """Compress a reply with the cheapest method that the client accepts; return it with the method's name."""
    names = {part.split(";")[0].strip().lower() for part in (accepted or "").split(",")}
    for name, method in _COMPRESSORS.items():
        if name in names:
            return method(payload), name
    return payload, None
