"""Vectors of content on their way from the encoder to the profiler: one Arrow record batch an encoded batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.contract.block import BlockError

__all__ = ["VectorBatch", "decode_vectors", "encode_vectors"]

_VERSION = b"1"


@dataclass(frozen=True, slots=True)
class VectorBatch:
    """Vectors of n pieces of content, all of one space.

    Attributes
    ----------
    content_ids : ndarray of uint64, shape (n,)
    vectors : ndarray of float32, shape (n, dim)
        Rows that are not `ok` hold zeros and mean nothing.
    ok : ndarray of bool, shape (n,)
        Whether the encoder could read it.
    status : list of str
        ``ok``, or the reason why there is no vector.
    """

    space_id: str
    encoder: str
    content_ids: npt.NDArray[np.uint64]
    vectors: npt.NDArray[np.float32]
    ok: npt.NDArray[np.bool_]
    status: list[str]


def encode_vectors(
    content_ids: npt.NDArray[np.uint64],
    vectors: npt.NDArray[np.float32],
    status: list[str],
    *,
    space_id: str,
    encoder: str,
) -> bytes:
    """Write vectors (n, dim) of `content_ids` (n,) as one Arrow IPC stream; `status` says ok or why not."""
    flat = pa.array(np.nan_to_num(vectors.astype(np.float32, copy=False)).ravel())
    schema = pa.schema(
        [("content_id", pa.uint64()), ("vector", pa.list_(pa.float32(), vectors.shape[1])), ("status", pa.utf8())],
        metadata={b"userprism_vectors": _VERSION, b"space_id": space_id.encode(), b"encoder": encoder.encode()},
    )
    columns = [
        pa.array(content_ids, pa.uint64()),
        pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
        pa.array(status, pa.utf8()),
    ]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
    return bytes(sink.getvalue())


def decode_vectors(data: bytes) -> VectorBatch:
    """Read a batch back.

    Raises
    ------
    BlockError
        Not such a batch, or of a version we don't know.
    """
    try:
        reader = pa.ipc.open_stream(pa.py_buffer(data))
        metadata = reader.schema.metadata or {}
        batch = reader.read_next_batch()
        batch.validate(full=True)
        if metadata.get(b"userprism_vectors") != _VERSION:
            found = metadata.get(b"userprism_vectors")
            msg = f"a batch of vectors of version {found!r}; this userprism reads {_VERSION!r}"
            raise BlockError(msg)
        dim = batch.schema.field("vector").type.list_size
        status = batch.column("status").to_pylist()
        return VectorBatch(
            space_id=metadata[b"space_id"].decode(),
            encoder=metadata[b"encoder"].decode(),
            content_ids=batch.column("content_id").to_numpy(),
            vectors=batch.column("vector").flatten().to_numpy().reshape(-1, dim),
            ok=np.array([entry == "ok" for entry in status], bool),
            status=status,
        )
    except (pa.ArrowException, StopIteration, EOFError, OSError, ValueError, KeyError, AttributeError) as error:
        if isinstance(error, BlockError):
            raise
        msg = f"not a batch of vectors ({len(data)} bytes): {error}"
        raise BlockError(msg) from error
