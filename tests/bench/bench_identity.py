"""People with several devices, merged as they log in, against the same log in which nobody is to be merged.

Every count is held to the truth; the rates are medians of runs that took turns.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
from collections import defaultdict
from typing import Any

from streams.demo.run import wait_for_arrival
from streams.embedded.supervisor import Supervisor
from streams.replay.publish import publish
from streams.serving.summary import summarise
from streams.settings import Settings
from streams.storage import connect
from streams.telemetry import read_statuses
from tests.bench.common import machine, main, print_table, progress
from tests.bench.households import Households, Ids
from tests.bench.storms import storms

__all__ = ["run"]

_LOGS: dict[Ids, str] = {
    "both": "devices and logins",
    "one": "the same, no event names two ids",
    "user": "one userId an event",
}


def run(quick: bool = False) -> dict[str, Any]:
    """Send all logs down the whole road, one after the other."""
    events, people, rounds = (100_000, 5_000, 1) if quick else (1_000_000, 50_000, 3)
    log = Households(events, people)
    runs: dict[Ids, list[dict[str, Any]]] = defaultdict(list)
    for number in range(rounds):
        for ids, name in _LOGS.items():
            progress(f"{name}, {events:,} events, {number + 1} of {rounds}")
            runs[ids].append(_road(log, ids))
    found = {ids: _summed_up(of_one) for ids, of_one in runs.items()}
    columns = ("profiles", "merged", "refused", "wrong", "rate")
    print_table(
        "identity",
        ["log", "events", "profiles", "merged ids", "refused", "wrong", "events/s"],
        [[name, events, *(found[ids][column] for column in columns)] for ids, name in _LOGS.items()],
    )
    of_storms = storms()
    print_table(
        "storms, 10,000 links each, in blocks of 5,000",
        ["what", "people", "merged", "refused", "bytes remembered", "longest stall ms"],
        of_storms,
    )
    rates = {ids: of_one["rate"] for ids, of_one in found.items()}
    print(f"  with identities the rate is {rates['both'] / rates['one']:.2f} of that of the same ids without links,")
    print(f"  and {rates['both'] / rates['user']:.2f} of that of a log that knows every user from the first event on")
    return {
        "bench": "identity", "machine": machine(), "events": events, "people": people,
        "ratio": round(rates["both"] / rates["one"], 3), "ratio_users": round(rates["both"] / rates["user"], 3),
        "logs": found, "storms": of_storms,
    }  # fmt: skip


def _summed_up(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the run with the median rate, with all rates, and whatever was wrong in any."""
    rates = [one["rate"] for one in runs]
    median = min(runs, key=lambda one: abs(one["rate"] - statistics.median(rates)))
    return {**median, "rates": rates, "wrong": sum(one["wrong"] for one in runs)}


def _road(log: Households, ids: Ids) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=folder)
        with Supervisor(settings, role_args=["--data-dir", folder]) as stack:
            publish(stack.settings, log.chunks(ids))
            for names in (("encoder", "profiler"), ("intake",)):
                stack.start_roles(names)
                stack.wait_ready()
            wait_for_arrival(stack, stack.settings, "identity", log.events, threading.Event())
            summary = summarise(stack.settings)
            stages = read_statuses(stack.settings.run_dir)["profiler-0"].get("stages", {})
            with connect(stack.settings) as client:
                counts = dict(client.query("SELECT profile_id, event_count FROM current_profiles").result_rows)
                links = client.query("SELECT profile_id, anonymous, what FROM identity_links FINAL").result_rows
    if ids == "both":
        wrong = _wrong(log, counts, links)
    else:
        wrong = sum(counts.get(person, 0) != n for person, n in log.counts(ids).items())
    return {
        "profiles": len(counts),
        "merged": sum(what == "merged" for _, _, what in links),
        "refused": sum(what == "refused" for _, _, what in links),
        "wrong": int(wrong) + (sum(counts.values()) != log.events),
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
    return wrong + len(merged) - len({device for _, device in merged})


if __name__ == "__main__":
    raise SystemExit(main(run))
