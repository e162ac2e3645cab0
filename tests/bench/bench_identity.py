"""People with several devices, merged as they log in, against the same log in which nobody is to be merged.

Every count is held to the truth. A machine that others use as well changes its speed by a third within minutes, so runs
take turns, ratios are of one round, and processor time, the stack's whole, stands beside the rates.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from typing import Any

import psutil

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
from tests.embedded.common import wait_for

__all__ = ["run"]

_LOGS: dict[Ids, str] = {
    "both": "devices and logins",
    "one": "the same, no event names two ids",
    "user": "one userId an event",
}
#: ClickHouse merges parts when it pleases: a log that was read sooner leaves more of that for later.
_MERGES = "SELECT count() FROM system.merges"
_CALM_S = 2.0
_LOOK_EVERY_S = 0.2  # a look takes processor time as well
_PATIENCE_S = 120.0


def run(quick: bool = False) -> dict[str, Any]:
    """Send all logs down the whole road, one after the other."""
    events, people, rounds = (100_000, 5_000, 1) if quick else (1_000_000, 50_000, 5)
    log = Households(events, people)
    runs: dict[Ids, list[dict[str, Any]]] = defaultdict(list)
    for number in range(rounds):
        for ids in list(_LOGS)[:: -1 if number % 2 else 1]:  # `both` and `one` are always neighbours
            progress(f"{_LOGS[ids]}, {events:,} events, {number + 1} of {rounds}")
            runs[ids].append(_road(log, ids))
    found = {ids: _summed_up(runs[ids]) for ids in _LOGS}
    columns = ("profiles", "merged", "refused", "wrong", "rate", "processor_s")
    print_table(
        f"identity, medians of {rounds}",
        ["log", "events", "profiles", "merged ids", "refused", "wrong", "events/s", "processor s"],
        [[name, events, *(found[ids][column] for column in columns)] for ids, name in _LOGS.items()],
    )
    of_storms = storms()
    print_table(
        "storms, 10,000 links each, in blocks of 5,000",
        ["what", "people", "merged", "refused", "bytes remembered", "longest stall ms"],
        of_storms,
    )
    ratios = {f"{what}, {of}": _ratios(runs, what, of) for what in ("rate", "processor_s") for of in ("one", "user")}
    print_table(
        "with identities, round by round, as a multiple of",
        ["", "median", "least", "most"],
        [
            [f"{what} of {_LOGS[of]}", statistics.median(each), min(each), max(each)]
            for of in ("one", "user")
            for what, each in (("events/s", ratios[f"rate, {of}"]), ("processor s", ratios[f"processor_s, {of}"]))
        ],
    )
    return {
        "bench": "identity", "machine": machine(), "events": events, "people": people,
        "ratio": statistics.median(ratios["rate, one"]), "ratio_users": statistics.median(ratios["rate, user"]),
        "ratios": ratios, "logs": found, "storms": of_storms,
    }  # fmt: skip


def _ratios(runs: dict[Ids, list[dict[str, Any]]], what: str, of: Ids) -> list[float]:
    """Return how much of it the log with identities takes, round by round."""
    return [round(ours[what] / theirs[what], 3) for ours, theirs in zip(runs["both"], runs[of], strict=True)]


def _summed_up(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the run of the median rate with the median processor time, all of both, and what was wrong in any."""
    rates, times = [one["rate"] for one in runs], [one["processor_s"] for one in runs]
    median = min(runs, key=lambda one: abs(one["rate"] - statistics.median(rates)))
    return {
        **median, "rates": rates, "processor_s": statistics.median(times), "processor_times_s": times,
        "wrong": sum(one["wrong"] for one in runs),
    }  # fmt: skip


def _road(log: Households, ids: Ids) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=folder)
        with Supervisor(settings, role_args=["--data-dir", folder]) as stack:
            publish(stack.settings, log.chunks(ids))
            for names in (("encoder", "profiler"), ("intake",)):
                stack.start_roles(names)
                stack.wait_ready()
            before_s = _processor_s()
            wait_for_arrival(stack, stack.settings, "identity", log.events, threading.Event())
            _wait_for_merges(stack.settings)
            processor_s = _processor_s() - before_s
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
        "processor_s": round(processor_s, 1),
        "stages": {stage: round(seconds, 2) for stage, seconds in stages.items()},
    }


def _processor_s() -> float:
    """Return the processor time, in seconds, of the processes of the stack that live."""
    spent = 0.0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            spent += times.user + times.system
    return spent


def _wait_for_merges(settings: Settings) -> None:
    """Wait until ClickHouse has had nothing to merge for a while."""
    calm_since = time.monotonic()

    def calm() -> bool:
        nonlocal calm_since
        if client.query(_MERGES).result_rows[0][0]:
            calm_since = time.monotonic()
        return time.monotonic() - calm_since >= _CALM_S

    with connect(settings) as client:
        wait_for(calm, "an end of ClickHouse's merges", _PATIENCE_S, _LOOK_EVERY_S)


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
