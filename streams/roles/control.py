"""Control: what needs to see all profilers at once. A Faust app; its agents are listed in `AGENTS`.

`userprism control` runs it as the other roles run, and so does `faust -A streams.roles.control worker --without-web`,
which takes its settings from `userprism.toml` and the environment. Nothing here is on an event's way: profilers go on
when it is away, and it reads on where it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from typing import Any

import faust

from streams.control import Plane, courier, create_plane, housekeeping, merge, report, shifts
from streams.errors import UnavailableError
from streams.kafka import wait_for_broker
from streams.settings import Settings, load_settings

__all__ = ["AGENTS", "create_app", "run"]

#: What is registered with the app, in this order.
AGENTS = (report.attach, housekeeping.attach, merge.attach, shifts.attach, courier.attach)

_LOOK_S = 0.1
_BROKER_WITHIN_S = 30.0
#: Faust waits for its streams and its consumer one by one; a stopping stack has less patience (DESIGN 13: 5 s in all).
_STOP_S = 2.0


def create_app(settings: Settings) -> faust.App:
    """Return the app with all its agents."""
    app: faust.App = _create(settings).app
    return app


def run(settings: Settings, stop: threading.Event) -> None:
    """Work until `stop` is set.

    Raises
    ------
    UnavailableError
        The broker doesn't answer, or an agent has ended with an error (the cause); a new process goes on.
    """
    for chatty in ("faust", "mode", "aiokafka"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    wait_for_broker(settings, _BROKER_WITHIN_S, alive=lambda: not stop.is_set())
    asyncio.run(_work(settings, stop))


async def _work(settings: Settings, stop: threading.Event) -> None:
    app = create_app(settings)
    work = asyncio.create_task(app.start())
    while not stop.is_set() and not app.crashed and not (work.done() and work.exception()):
        await asyncio.sleep(_LOOK_S)
    reason = app.crash_reason or (work.exception() if work.done() else None)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(app.stop(), _STOP_S)
    work.cancel()
    if reason is not None:
        msg = f"the control plane has ended: {reason!r}"
        raise UnavailableError(msg) from reason


def _create(settings: Settings) -> Plane:
    plane = create_plane(settings)
    for attach in AGENTS:
        attach(plane)
    return plane


def __getattr__(name: str) -> Any:
    """Make the app that `faust -A streams.roles.control` asks for, when it asks."""
    if name == "app":
        return create_app(load_settings())
    raise AttributeError(name)
