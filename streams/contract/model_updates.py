"""Records of `userprism.model-updates`: what a profiler has learned, or has fitted, for the agent that merges."""

from __future__ import annotations

import math

import msgspec

__all__ = ["Learned", "Minted", "ModelUpdate", "ModelUpdateError", "Proposed", "decode_update", "encode_update"]


class ModelUpdateError(ValueError):
    """A record that isn't one of ours."""


class Minted(msgspec.Struct, frozen=True, array_like=True):
    """A segment that a fit brought: the id it has in the proposal, why, and its centre."""

    segment: int
    cause: str
    centre: list[float]
    retired: list[int] = []


class Learned(msgspec.Struct, frozen=True, tag_field="kind", tag="learned"):
    """What a learner has learned since a version.

    Attributes
    ----------
    segmentation : str
        Whose model.
    update : bytes
        An `online_models.Update`.
    moments : bytes
        An `online_models.StandardScaler` of the raw vectors behind it: columns move and spread.
    """

    segmentation: str
    update: bytes
    moments: bytes


class Proposed(msgspec.Struct, frozen=True, tag_field="kind", tag="proposed"):
    """A model fitted anew, to follow the present version.

    Attributes
    ----------
    segmentation : str
        Whose model.
    base_version : int
        The version it was fitted after, 0 for none.
    cause : str
        Why.
    space_id, layout : str, int
        Of the vectors it was fitted to.
    snapshot : bytes
        A `streams.profiles.snapshot.Snapshot`.
    minted : list of Minted
        Segments it brings; the merger gives them their ids.
    quality : tuple
        Vectors, inertia, silhouette, noise and share that moved, as in `online_models.Quality`.
    overlap : list
        (segment before, segment in the proposal, vectors).
    """

    segmentation: str
    base_version: int
    cause: str
    space_id: str
    layout: int
    snapshot: bytes
    minted: list[Minted]
    quality: tuple[int, float, float, float, float] = (0, 0.0, math.nan, 0.0, math.nan)
    overlap: list[tuple[int, int, int]] = []


ModelUpdate = Learned | Proposed
_decoder = msgspec.msgpack.Decoder(ModelUpdate)


def encode_update(record: ModelUpdate) -> bytes:
    """Return a record's value."""
    return msgspec.msgpack.encode(record)


def decode_update(value: bytes) -> ModelUpdate:
    """Read a record's value.

    Raises
    ------
    ModelUpdateError
        It is no such record.
    """
    try:
        record: ModelUpdate = _decoder.decode(value)
    except msgspec.DecodeError as error:
        msg = f"{len(value)} bytes that are no model update: {error}"
        raise ModelUpdateError(msg) from error
    return record
