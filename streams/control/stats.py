"""What profilers say of their segments, record by record."""

from __future__ import annotations

from typing import Any

from streams.control.plane import Plane

__all__ = ["attach"]


def attach(plane: Plane) -> None:
    """Read `userprism.segment-stats` and count its records, empty ones (they pad a log that lost its end) apart."""

    async def stats(records: Any) -> None:
        async for record in records:
            if record:
                plane.count("segment_stats")

    plane.agent(plane.settings.kafka.topics.segment_stats, stats)
