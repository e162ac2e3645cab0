"""Snapshots: a kind, a version and named values as MessagePack; arrays in NumPy's own format, never pickled."""

from __future__ import annotations

import io
from typing import Any

import msgspec
import numpy as np

from .errors import SnapshotError

__all__ = ["decode", "encode"]

_ARRAY = 1


def _to_ext(value: Any) -> msgspec.msgpack.Ext:
    if isinstance(value, np.ndarray):
        buffer = io.BytesIO()
        np.save(buffer, value, allow_pickle=False)
        return msgspec.msgpack.Ext(_ARRAY, buffer.getvalue())
    msg = f"a snapshot can't hold {value!r} of type {type(value).__name__}"
    raise SnapshotError(msg)


def _from_ext(code: int, data: memoryview) -> Any:
    if code == _ARRAY:
        return np.load(io.BytesIO(bytes(data)), allow_pickle=False)
    msg = f"unknown extension {code} in a snapshot: it was written by a newer release"
    raise SnapshotError(msg)


def encode(kind: str, version: int, values: dict[str, Any]) -> bytes:
    """Pack named values.

    Parameters
    ----------
    kind
        What the values belong to, such as "kmeans".
    version
        Version of the layout of `values`.
    values
        None, bool, int, float, str, lists, dicts and arrays.
    """
    return msgspec.msgpack.encode({"kind": kind, "version": version, "values": values}, enc_hook=_to_ext)


def decode(kind: str, versions: range, data: bytes) -> tuple[int, dict[str, Any]]:
    """Unpack what `encode` packed.

    Returns
    -------
    tuple
        Version of the layout, and the values.

    Raises
    ------
    SnapshotError
        The bytes are no snapshot, of another kind, or of a version outside `versions`.
    """
    try:
        packed = msgspec.msgpack.decode(data, ext_hook=_from_ext)
        found, version, values = packed["kind"], packed["version"], packed["values"]
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, EOFError) as error:
        msg = f"these {len(data)} bytes are no {kind} snapshot: {error}"
        raise SnapshotError(msg) from error
    if found != kind:
        msg = f"this is a snapshot of {found!r}, not of {kind!r}"
        raise SnapshotError(msg)
    if version not in versions:
        msg = f"{kind} snapshot version {version!r} is not one of {list(versions)}: use the release that wrote it"
        raise SnapshotError(msg)
    return version, values
