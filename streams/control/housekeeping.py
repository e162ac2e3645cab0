"""What has to be done now and then, whoever else is there."""

from __future__ import annotations

from datetime import UTC, datetime

from streams.control.plane import Plane
from streams.storage.client import connect
from streams.storage.erasures import end_erasures

__all__ = ["attach"]

_EVERY_S = 60.0


def attach(plane: Plane) -> None:
    """End erasures whose topics have forgotten."""

    def end_due_erasures() -> int:
        with connect(plane.settings) as client:
            return end_erasures(client, datetime.now(UTC))

    async def keep_house() -> None:
        plane.count("erasures_ended", await plane.blocking(end_due_erasures))

    plane.every(_EVERY_S, keep_house)
