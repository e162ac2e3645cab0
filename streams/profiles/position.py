"""Where a partition stands: what its position row says beside the people (DESIGN 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Position"]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a partition's state stands in its log, and what is needed to go on from there exactly.

    Attributes
    ----------
    suppressed : int
        Events dropped because whom they name was erased (`erase --suppress`, or they were on their way).
    sources : mapping
        Partition of the events topic -> next offset of it that isn't in the state (`streams.contract.marks`).
    """

    next_offset: int = 0
    dedup_start: int = 0
    dedup_time_us: int = 0
    log_time_us: int = 0
    accepted: int = 0
    duplicates: int = 0
    late: int = 0
    clamped: int = 0
    suppressed: int = 0
    sources: Mapping[int, int] = field(default_factory=dict)
