"""Records of `userprism.clicks` on the road: each is compressed by itself, before a producer sees it.

The topic's record times are the broker's, and a broker that writes them into records has to unpack a producer's batch
and pack it again: the embedded one takes longer for that than all else that it does with a block.
"""

from __future__ import annotations

import pyarrow as pa

__all__ = ["closed", "opened"]

_ZSTD = pa.Codec("zstd")
#: What begins a frame. An Arrow stream begins with four bytes 0xFF: what was written before there were frames is read.
_MARK = b"zstd"
_HEADER = len(_MARK) + 4
#: No record says more: a number that was damaged on its way mustn't ask for gigabytes.
_MOST_BYTES = 64 << 20


def closed(data: pa.Buffer) -> bytes:
    """Return a record as it is sent: a mark, how many bytes it has (4, little-endian), and a zstd frame."""
    return _MARK + data.size.to_bytes(4, "little") + _ZSTD.compress(data, asbytes=True)


def opened(data: bytes) -> pa.Buffer:
    """Return what a record says, whether it came in a frame or, as once, without.

    Raises
    ------
    ValueError, OSError
        Not a whole frame, or one of more than 64 MiB.
    """
    if not data.startswith(_MARK):
        return pa.py_buffer(data)
    size = int.from_bytes(data[len(_MARK) : _HEADER], "little")
    if size > _MOST_BYTES:
        msg = f"a frame of {size} bytes; none has more than {_MOST_BYTES}"
        raise ValueError(msg)
    return _ZSTD.decompress(memoryview(data)[_HEADER:], size)
