"""Records of `userprism.clicks` on the road: each is compressed by itself, before a producer sees it.

The topic's record times are the broker's, and a broker that writes them into records has to unpack a producer's batch
and pack it again: the embedded one takes longer for that than all else that it does with a block.
"""

from __future__ import annotations

import pyarrow as pa

__all__ = ["closed", "opened"]

_ZSTD = pa.Codec("zstd")
#: What begins a frame; an Arrow stream begins with four bytes 0xFF.
_MARK = b"zstd"
_HEADER = len(_MARK) + 4
#: No record says more: a number that was damaged on its way mustn't ask for gigabytes.
_MOST_BYTES = 64 << 20


def closed(data: bytes | pa.Buffer) -> bytes:
    """Return a record as it is sent: a mark, how many bytes it has (4, little-endian), and a zstd frame."""
    frame: bytes = _ZSTD.compress(data, asbytes=True)
    return b"".join([_MARK, memoryview(data).nbytes.to_bytes(4, "little"), frame])


def opened(data: bytes | pa.Buffer) -> pa.Buffer:
    """Return what a record says, whether it came in a frame or without.

    Raises
    ------
    ValueError, OSError
        Not a whole frame, or one of more than 64 MiB.
    """
    whole = pa.py_buffer(data)
    header = whole[:_HEADER].to_pybytes()
    if not header.startswith(_MARK):
        return whole
    size = int.from_bytes(header[len(_MARK) :], "little")
    if size > _MOST_BYTES:
        msg = f"a frame of {size} bytes; none has more than {_MOST_BYTES}"
        raise ValueError(msg)
    return _ZSTD.decompress(whole[_HEADER:], size)
