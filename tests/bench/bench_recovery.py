"""Recovery: many profiles, a kill -9 of the profiler, and how long until its successor's first commit.

`userprism bench recovery`: prints a row a kill (whether a spare process stood by, as `userprism up` keeps one; restored
people, s until the new process says ready, s until ClickHouse holds an event that came after the kill) and one JSON
line. Events keep coming meanwhile.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client

from streams.embedded.backoff import Backoff
from streams.embedded.role_process import RoleProcess
from streams.embedded.supervisor import Supervisor
from streams.memory import resident_bytes
from streams.replay.publish import Event, publish
from streams.serving.arrival import Arrival
from streams.settings import Settings
from streams.storage.client import connect
from tests.bench.common import machine, main, print_table, progress

_PEOPLE, _KILLS = 250_000, 3
_QUICK_PEOPLE = 20_000
_CHUNK = 2_000
_PATIENCE_S = 300.0


def people(count: int) -> Iterator[list[Event]]:
    """Yield one event a person."""
    for first in range(0, count, _CHUNK):
        yield [_event(f"u{who}", f"first-{who}") for who in range(first, min(first + _CHUNK, count))]


def trickle(mark: str) -> Iterator[list[Event]]:
    """Yield some events of known people, a few a time, for ever."""
    number = 0
    while True:
        yield [_event(f"u{who}", f"{mark}-{number}-{who}") for who in range(20)]
        number += 1


def _event(who: str, message: str) -> Event:
    event = {"type": "page", "userId": who, "messageId": message, "timestamp": "2026-01-02T03:04:05Z",
             "properties": {"category": "c1", "product_id": "p1", "name": "a title"}}  # fmt: skip
    return who.encode(), json.dumps(event).encode()


def run(*, quick: bool) -> dict[str, Any]:
    """Kill some times; the last line is JSON."""
    count = _QUICK_PEOPLE if quick else _PEOPLE
    with tempfile.TemporaryDirectory(prefix="userprism-recovery-", ignore_cleanup_errors=True) as folder:
        settings = Settings(data_dir=str(Path(folder) / "data"))
        role_args = ["--data-dir", settings.data_dir]
        with Supervisor(settings, role_args=role_args, spares=True, stop=threading.Event()) as stack:
            stack.start_roles()
            stack.wait_ready()
            progress(f"{count:,} people go down the road")
            publish(stack.settings, people(count))
            _arrived(stack)
            rows = [("yes", *_kill(stack, number)) for number in range(_KILLS) if _a_spare_stands_by(stack)]
            rows.append(("no", *_kill(stack, _KILLS)))
    print_table("kill -9 of the profiler", ["spare", "people", "ready s", "first commit s"], rows)
    return {
        "people": count,
        "first_commit_s": [round(row[3], 2) for row in rows[:-1]],
        "without_spare_s": round(rows[-1][3], 2),
        **machine(),
    }


def _a_spare_stands_by(stack: Supervisor) -> bool:
    """Wait for one, and until it has done what it can do beforehand."""
    profiler = stack.roles["profiler"]
    deadline = time.monotonic() + _PATIENCE_S
    while profiler.spare_pid is None or not _waits(profiler.spare_pid) or not _holds_as_much(profiler):
        stack.check()
        assert time.monotonic() < deadline, "no spare process stands by"
        time.sleep(0.2)
    return True


def _holds_as_much(profiler: RoleProcess) -> bool:
    """Whether the spare process has been told how much memory it will need, and has it."""
    return resident_bytes(profiler.spare_pid or 0) > 0.9 * resident_bytes(profiler.pid or 0) > 0


def _waits(pid: int) -> bool:
    """Whether a process waits for a line: it reads its standard input."""
    return Path(f"/proc/{pid}/wchan").read_text() in {"pipe_read", "anon_pipe_read"}


def _arrived(stack: Supervisor) -> None:
    arrival = Arrival(stack.settings)
    deadline = time.monotonic() + _PATIENCE_S
    while not arrival.settled(arrival.lag()):
        stack.check()
        assert time.monotonic() < deadline, "not all has arrived"
        time.sleep(0.2)
    arrival.close()


def _kill(stack: Supervisor, number: int) -> tuple[int, float, float]:
    """Kill the profiler amid a trickle; return (people, s until ready, s until a commit holds a later event)."""
    stop = threading.Event()
    pace = {"per_second": 500.0, "stop": stop}
    sender = threading.Thread(target=publish, args=(stack.settings, trickle(f"t{number}")), kwargs=pace)
    sender.start()
    time.sleep(3.0)
    profiler = stack.roles["profiler"]
    assert profiler.pid is not None
    profiler._backoff = Backoff()  # each is a first death: it isn't the longer wait after several that is measured
    killed_at = time.monotonic()
    os.kill(profiler.pid, signal.SIGKILL)
    with connect(stack.settings) as client:
        ready_s, before = 0.0, _versions(client)
        versions = before
        while all(version <= before.get(partition, 0) for partition, version in versions.items()):
            stack.check()
            if profiler.restarts > number and profiler.ready and not ready_s:
                ready_s = time.monotonic() - killed_at
            time.sleep(0.05)
            versions = _versions(client)
            if profiler.restarts <= number:
                before = versions  # the dead one's last insert may still have been on its way
        commit_s = time.monotonic() - killed_at
        found = client.query("SELECT count() FROM current_profiles").result_rows[0][0]
    stop.set()
    sender.join()
    return found, ready_s or commit_s, commit_s


def _versions(client: Client) -> dict[int, int]:
    """Return the newest version of each partition: a commit needn't hold something of the one that is furthest."""
    query = "SELECT kafka_partition, max(version) FROM profiles GROUP BY kafka_partition"
    return dict(client.query(query).result_rows)


if __name__ == "__main__":
    sys.exit(main(run))
