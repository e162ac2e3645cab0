"""The role's status file, written by a service of the app so that `faust worker` leaves one as well."""

from __future__ import annotations

from typing import Any

from mode import Service

from streams.control.plane import Plane
from streams.telemetry import RoleStatus

__all__ = ["attach"]

_INTERVAL_S = 0.25


def attach(plane: Plane) -> None:
    """Say what the app does for as long as it lives."""

    @plane.app.service
    class Report(Service):
        """Writes `<run_dir>/<instance>.json`."""

        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self._status: RoleStatus | None = None

        async def on_start(self) -> None:
            self._status = RoleStatus(plane.settings.run_dir, plane.settings.control.instance_id)

        async def on_stop(self) -> None:
            if self._status is not None:
                self._status.close()

        @Service.task
        async def _tell(self) -> None:
            while not self.should_stop:
                if self._status is not None:
                    self._status.update(state=_state(plane), waiting_for=_waits(plane), **plane.numbers)
                await self.sleep(_INTERVAL_S)


def _state(plane: Plane) -> str:
    app = plane.app
    if not app.consumer.assignment() or app.rebalancing or not app.tables.recovery.completed.is_set():
        return "starting"
    return "paused" if plane.waiting_for else "ready"


def _waits(plane: Plane) -> str:
    return "; ".join(plane.waiting_for.values())
