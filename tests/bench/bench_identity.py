"""People with several devices, merged as they log in, against the same log without anything to merge.

Every count is held to the truth; the rates are of one run.
"""

from __future__ import annotations

import tempfile
import threading
from typing import Any

from streams.demo.run import wait_for_arrival
from streams.embedded.supervisor import Supervisor
from streams.replay.publish import publish
from streams.serving.summary import summarise
from streams.settings import Settings
from streams.storage import connect
from streams.telemetry import read_statuses
from tests.bench.common import machine, main, print_table, progress
from tests.bench.households import Households
from tests.bench.storms import storms

__all__ = ["run"]


def run(quick: bool = False) -> dict[str, Any]:
    """Send both logs down the whole road, one after the other."""
    events, people = (100_000, 5_000) if quick else (1_000_000, 50_000)
    log = Households(events, people)
    rows, found = [], {}
    for name, linked in (("one userId an event", False), ("devices and logins", True)):
        progress(f"{name}, {events:,} events")
        found[name] = done = _road(log, linked=linked)
        rows.append([name, events, done["profiles"], done["merged"], done["refused"], done["wrong"], done["rate"]])
    plain, merging = (done["rate"] for done in found.values())
    print_table(
        "identity",
        ["log", "events", "profiles", "merged ids", "refused", "wrong", "events/s"],
        rows,
    )
    of_storms = storms()
    print_table(
        "storms, 10,000 links each, in blocks of 5,000",
        ["what", "people", "merged", "refused", "bytes remembered", "longest stall ms"],
        of_storms,
    )
    print(f"  with identities the rate is {merging / plain:.2f} of that without")
    return {"bench": "identity", "machine": machine(), "events": events, "people": people,
            "ratio": round(merging / plain, 3), "logs": found, "storms": of_storms}  # fmt: skip


def _road(log: Households, *, linked: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=folder)
        with Supervisor(settings, role_args=["--data-dir", folder]) as stack:
            publish(stack.settings, log.chunks(linked=linked))
            for names in (("encoder", "profiler"), ("intake",)):
                stack.start_roles(names)
                stack.wait_ready()
            wait_for_arrival(stack, stack.settings, "identity", log.events, threading.Event())
            summary = summarise(stack.settings)
            stages = read_statuses(stack.settings.run_dir)["profiler-0"].get("stages", {})
            with connect(stack.settings) as client:
                counts = dict(client.query("SELECT profile_id, event_count FROM current_profiles").result_rows)
                links = client.query("SELECT profile_id, anonymous, what FROM identity_links FINAL").result_rows
    wrong = _wrong(log, counts, links) if linked else sum(counts.values()) != log.events
    return {
        "profiles": len(counts),
        "merged": sum(what == "merged" for _, _, what in links),
        "refused": sum(what == "refused" for _, _, what in links),
        "wrong": int(wrong),
        "rate": summary.events_per_second,
        "stages": {stage: round(seconds, 2) for stage, seconds in stages.items()},
    }


def _wrong(log: Households, counts: dict[str, int], links: list[tuple[str, str, str]]) -> int:
    """Count people whose events are not what they must be, and links that must not be, or must."""
    truth = log.truth()
    people = counts.keys() | truth.exact.keys()
    wrong = sum(counts.get(p, 0) != truth.exact[p] for p in people if p in truth.exact)
    wrong += sum(not truth.at_least[p] <= counts.get(p, 0) <= truth.at_most[p] for p in truth.at_least)
    wrong += sum(p not in truth.exact and p not in truth.at_least for p in people)
    merged = [(user, device) for user, device, what in links if what == "merged"]
    wrong += sum(pair not in truth.pairs for pair in merged) + abs(len(merged) - truth.merged)
    wrong += len(merged) - len({device for _, device in merged})
    return wrong + (sum(counts.values()) != log.events)


if __name__ == "__main__":
    raise SystemExit(main(run))
