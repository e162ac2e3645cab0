"""Memory of every process over simulated hours: the same people come again and again, an hour of their time a row.

Resident MB after each hour, when all of it has arrived. People, content and names stay the same, so what grows is what
isn't bounded: message ids of the last ten real minutes, and what the embedded broker keeps of its topics.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from streams.embedded.supervisor import Supervisor
from streams.replay.publish import Event, publish
from streams.serving.arrival import Arrival
from streams.settings import Settings
from tests.bench.common import machine, main, print_table, progress

__all__ = ["run"]

_HOURS, _EVENTS = 12, 25_000
_PEOPLE, _ITEMS = 5_000, 2_000
_START_S = 1_767_225_600
_CHUNK = 2_500
_PATIENCE_S = 120.0
_MB = 1 << 20


def hour(number: int, chance: random.Random, events: int) -> Iterator[list[Event]]:
    """Yield the events of one hour."""
    for first in range(0, events, _CHUNK):
        yield [_event(number, at, chance) for at in range(first, min(first + _CHUNK, events))]


def _event(hour_number: int, number: int, chance: random.Random) -> Event:
    who, item = chance.randrange(_PEOPLE), chance.randrange(_ITEMS)
    at = datetime.fromtimestamp(_START_S + 3_600 * hour_number + 3_600 * number / _EVENTS, UTC)
    event = {
        "type": "track", "event": chance.choice(("Product Viewed", "Product Added", "Order Completed")),
        "userId": f"u{who}", "messageId": f"{hour_number}-{number}", "timestamp": at.isoformat(timespec="milliseconds"),
        "properties": {"product_id": f"p{item}", "name": f"title {item}", "category": f"c{item % 20}", "price": 9.5},
    }  # fmt: skip
    return b"", json.dumps(event).encode()


def run(*, quick: bool) -> dict[str, Any]:
    """Look at every process after each hour."""
    hours = 3 if quick else _HOURS
    chance, rows = random.Random(1), []
    with tempfile.TemporaryDirectory(prefix="userprism-memory-", ignore_cleanup_errors=True) as folder:
        settings = Settings(data_dir=str(Path(folder) / "data"))
        with Supervisor(settings, role_args=["--data-dir", settings.data_dir], stop=threading.Event()) as stack:
            stack.start_roles()
            stack.wait_ready()
            for number in range(hours):
                publish(stack.settings, hour(number, chance, _EVENTS))
                _arrived(stack)
                rows.append([number + 1, *_resident(stack).values()])
                progress(f"hour {number + 1} of {hours}")
            names = list(_resident(stack))
    print_table("resident MB", ["hour", *names], rows)
    half = len(rows) // 2
    grown = {name: round(rows[-1][i] - rows[half][i], 1) for i, name in enumerate(names, start=1)}
    return {"hours": hours, "events_an_hour": _EVENTS, "grown_in_second_half_mb": grown, **machine()}


def _resident(stack: Supervisor) -> dict[str, float]:
    pids = {name: role.pid for name, role in stack.roles.items()}
    for name, engine in (("ClickHouse", stack.clickhouse), ("broker", stack.broker)):
        pids[name] = engine.child.pid if engine is not None and engine.child is not None else None
    alive = {name: psutil.Process(pid) for name, pid in pids.items() if pid is not None}
    return {name: round(process.memory_info().rss / _MB, 1) for name, process in alive.items()}


def _arrived(stack: Supervisor) -> None:
    arrival = Arrival(stack.settings)
    deadline = time.monotonic() + _PATIENCE_S
    while not arrival.settled(arrival.lag()):
        stack.check()
        assert time.monotonic() < deadline, "not all has arrived"
        time.sleep(0.2)
    arrival.close()


if __name__ == "__main__":
    sys.exit(main(run))
