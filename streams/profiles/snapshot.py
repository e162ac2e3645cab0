"""What a stored version of a segmentation holds: its model, and the space that its centres lie in."""

from __future__ import annotations

import msgspec

from online_models import SnapshotError

__all__ = ["Snapshot"]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One version.

    Attributes
    ----------
    model : bytes
        The model's own snapshot.
    scaler : bytes
        Mean and variance of the raw vectors' columns.
    widths : tuple of int
        Columns of each part of the vector.
    behaviour_weights : list of float
        Weight of each behaviour column.
    events, known : int, float
        Events, and the share of known interest, when it was last fitted.
    fitted : int
        Version that the newest fit became; 0 where a profiler that was alone made it.
    applied : dict
        Learner -> number of its newest update that is in it.
    restless : bool
        The newest vectors of all learners ask for segments elsewhere.
    """

    model: bytes = msgspec.field(name="kmeans")
    scaler: bytes
    widths: tuple[int, ...]
    behaviour_weights: list[float]
    events: int
    known: float
    fitted: int = 0
    applied: dict[str, int] = {}
    restless: bool = False

    def encode(self) -> bytes:
        """Pack it, without pickle."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> Snapshot:
        """Unpack it.

        Raises
        ------
        SnapshotError
            It is none.
        """
        try:
            return msgspec.msgpack.decode(data, type=cls)
        except msgspec.DecodeError as error:
            msg = f"these {len(data)} bytes are no version of a segmentation: {error}"
            raise SnapshotError(msg) from error
