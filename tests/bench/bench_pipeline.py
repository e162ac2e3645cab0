"""The whole road against two peers, in one run on the same topic: a confluent-kafka loop and a Faust agent with River.

The peers write nothing to ClickHouse; ours does. Peers read the first events only (a rate needs no more), ours all.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from streams.demo.run import wait_for_arrival
from streams.embedded.supervisor import Supervisor
from streams.replay.publish import publish
from streams.serving.summary import summarise
from streams.settings import Settings
from streams.telemetry import read_statuses
from tests.bench.clicks import clicks
from tests.bench.common import machine, main, print_table, progress

__all__ = ["run"]


def run(quick: bool = False) -> dict[str, Any]:
    """Measure events per second of all three, one after the other."""
    count, for_peers = (50_000, 5_000) if quick else (200_000, 20_000)
    events = clicks(count)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=folder)
        with Supervisor(settings, role_args=["--data-dir", folder]) as stack:
            publish(stack.settings, [events])
            peers = {name: _peer(name, stack.settings, for_peers) for name in ("river", "faust")}
            progress(f"ours, {count:,} events")
            for names in (("encoder", "profiler"), ("intake",)):
                stack.start_roles(names)
                stack.wait_ready()
            wait_for_arrival(stack, stack.settings, "ours", count, threading.Event())
            summary = summarise(stack.settings)
            stages = {
                name: {stage: round(1e6 * s / count, 3) for stage, s in fields.get("stages", {}).items()}
                for name, fields in read_statuses(stack.settings.run_dir).items()
            }
    if summary.events != count:
        msg = f"{summary.events} of {count} events arrived: the rate means nothing"
        raise RuntimeError(msg)
    rate = summary.events_per_second
    rows = [["ours, ClickHouse included", count, rate, 1.0]]
    rows += [[name, for_peers, peers[name], rate / peers[name]] for name in peers]
    print_table("events per second", ["what", "events", "events/s", "ours is times"], rows)
    return {
        "bench": "pipeline",
        "machine": machine(),
        "events": count,
        "events_per_second": rate,
        "stages": stages,
        "peers": {name: round(value, 1) for name, value in peers.items()},
        "ratio_river": round(rate / peers["river"], 2),
        "ratio_faust": round(rate / peers["faust"], 2),
    }


def _peer(name: str, settings: Settings, count: int) -> float:
    progress(f"peer {name}, {count:,} events")
    root = Path(__file__).resolve().parents[2]
    argv = [
        sys.executable,
        "-m",
        f"tests.bench.peer_{name}",
        settings.kafka.bootstrap,
        settings.kafka.topics.events,
        str(count),
    ]
    done = subprocess.run(argv, cwd=root, capture_output=True, text=True, timeout=300, check=False)
    for line in reversed(done.stdout.splitlines()):
        if line.startswith("{"):
            found = json.loads(line)
            return float(found["events"] / found["seconds"])
    msg = f"peer {name} gave no result:\n{done.stdout[-500:]}\n{done.stderr[-1500:]}"
    raise RuntimeError(msg)


if __name__ == "__main__":
    raise SystemExit(main(run))
