"""How far the events topic has come into each partition of `userprism.clicks`: what survives a broker that forgets.

Intake writes, beside the last block of a transaction in each partition, how far the transaction had read. The profiler
keeps the highest of these marks in the partition's position row. Normally a mark never lies beyond what intake's group
has committed. It does after a broker has lost its newest records and offsets while ClickHouse has kept what came of
them: intake then reads events again that count already, and leaves those out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

__all__ = ["MORE_HEADER", "SOURCES_HEADER", "Applied", "decode_sources", "encode_sources"]

#: Name of the header of a transaction's last block in a partition.
SOURCES_HEADER = "userprism-sources"
#: Name of another one of the same blocks, there when many more events wait: the next transaction comes soon.
MORE_HEADER = "userprism-more"


def encode_sources(next_offsets: Mapping[int, int]) -> bytes:
    """Return the header's value: partition of the events topic -> next offset."""
    return msgspec.json.encode(next_offsets)


def decode_sources(value: bytes) -> dict[int, int]:
    """Read one back.

    Raises
    ------
    ValueError
        Not such a header.
    """
    return msgspec.json.decode(value, type=dict[int, int])


class Applied:
    """Which events count already.

    Parameters
    ----------
    marks : mapping
        Partition of `userprism.clicks` -> partition of the events topic -> next offset that doesn't count yet.
    """

    def __init__(self, marks: Mapping[int, Mapping[int, int]]) -> None:
        self._marks = marks
        self._highest: dict[int, int] = {}
        for sources in marks.values():
            for source, offset in sources.items():
                self._highest[source] = max(offset, self._highest.get(source, 0))

    def concerns(self, reading_from: Mapping[int, int]) -> bool:
        """Whether any event at or behind these places may count already."""
        return any(offset < self._highest.get(source, 0) for source, offset in reading_from.items())

    def mask(
        self, targets: npt.NDArray[np.int64], sources: Sequence[int], offsets: Sequence[int]
    ) -> npt.NDArray[np.bool_]:
        """Return which events, given their target partition and where they come from, count already."""
        return np.array(
            [
                target >= 0 and offset < self._marks.get(target, {}).get(source, 0)
                for target, source, offset in zip(targets.tolist(), sources, offsets, strict=True)
            ],
            np.bool_,
        )
