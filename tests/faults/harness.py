"""Runs a known log through a real stack under a fault, and compares what is in ClickHouse with the oracle."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from clickhouse_connect.driver.client import Client

from streams.embedded.supervisor import Supervisor
from streams.replay.publish import publish
from streams.serving.arrival import Arrival
from streams.serving.summary import count_dead_letters
from streams.settings import KafkaSettings, ProfilerSettings, Settings
from streams.storage.client import connect
from tests.faults.known_log import KnownLog

__all__ = ["Fault", "Outcome", "Wounds", "run_fault"]

_CHUNK = 500
_PATIENCE_S = 120.0
#: About what a strike costs until events arrive again: the log lasts that long, so the next one hits a stack at work.
_RECOVERY_S = 3.0
_LOOK_EVERY_S = 0.05


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    Attributes
    ----------
    strike : callable
        Hurts the stack once; returns whether it hit something that was at work.
    pause_s : float
        Between two strikes.
    """

    name: str
    strike: Callable[[Wounds], bool]
    pause_s: float = 1.0


@dataclass(frozen=True)
class Outcome:
    """What came of it; `lost` and `doubled` count events, summed over people."""

    fault: str
    rounds: int
    landed: int
    lost: int
    doubled: int
    recovery_s: float
    problems: list[str]


class Wounds:
    """What a strike may use: the stack, a seeded chance, and the stack's watcher to keep from it."""

    def __init__(self, stack: Supervisor, chance: random.Random) -> None:
        self.stack = stack
        self.chance = chance
        self._watching = threading.Lock()

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Let the supervisor notice deaths and start again what died."""
        stop = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(stop,), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()

    def _watch(self, stop: threading.Event) -> None:
        while not stop.wait(_LOOK_EVERY_S):
            with self._watching:
                self.stack.check()

    @contextlib.contextmanager
    def unwatched(self) -> Iterator[None]:
        """Keep the supervisor from mending anything meanwhile."""
        with self._watching:
            yield


def run_fault(
    fault: Fault, folder: Path, *, rounds: int, seed: int, events: int = 30_000, lease: bool = True
) -> Outcome:
    """Send a known log at a steady pace, strike `rounds` times, wait until all has arrived, and compare."""
    settings = Settings(
        data_dir=str(folder),
        kafka=KafkaSettings(session_timeout_ms=6_000),
        profiler=ProfilerSettings(commit_interval_ms=300, lease=lease),
    )
    role_env = {
        "USERPRISM_KAFKA__SESSION_TIMEOUT_MS": "6000",
        "USERPRISM_PROFILER__COMMIT_INTERVAL_MS": "300",
        "USERPRISM_PROFILER__LEASE": "true" if lease else "false",
    }
    log = KnownLog(seed, events)
    chance = random.Random(seed)
    landed, slowest_s = 0, 0.0
    with Supervisor(settings, role_args=["--data-dir", str(folder)], stop=threading.Event()) as stack:
        stack.start_roles(env=role_env)
        stack.wait_ready()
        wounds = Wounds(stack, chance)
        with wounds.watched():
            per_second = events / max(rounds * (fault.pause_s + _RECOVERY_S), 3.0)
            pace = {"per_second": per_second}
            sender = threading.Thread(
                target=publish, args=(stack.settings, log.chunks(_CHUNK)), kwargs=pace, daemon=True
            )
            sender.start()
            for _ in range(rounds):
                time.sleep(fault.pause_s * chance.uniform(0.5, 1.5))
                at_work = sender.is_alive()
                before = _accepted(stack.settings)
                struck_at = time.monotonic()
                landed += fault.strike(wounds) and at_work
                _wait_for(lambda before=before: _accepted(stack.settings) > before or not sender.is_alive())
                slowest_s = max(slowest_s, time.monotonic() - struck_at)
            sender.join(_PATIENCE_S)
            _settle(stack.settings)
            lost, doubled, problems = _compare(stack.settings, log)
    return Outcome(fault.name, rounds, landed, lost, doubled, round(slowest_s, 1), problems)


def _accepted(settings: Settings) -> int:
    """Return how many events ClickHouse holds; -1 while it doesn't answer."""
    try:
        with connect(settings) as client:
            return int(client.query("SELECT sum(accepted) FROM positions").result_rows[0][0])
    except Exception:  # whatever a hurt stack answers with
        return -1


def _wait_for(probe: Callable[[], bool], timeout_s: float = _PATIENCE_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not probe():
        if time.monotonic() > deadline:
            msg = f"nothing arrives any more after {timeout_s:.0f} s"
            raise AssertionError(msg)
        time.sleep(_LOOK_EVERY_S)


def _settle(settings: Settings) -> None:
    arrival = Arrival(settings)
    try:
        _wait_for(lambda: arrival.settled(arrival.lag()))
    finally:
        arrival.close()


def _compare(settings: Settings, log: KnownLog) -> tuple[int, int, list[str]]:
    """Return (events lost, events doubled, everything else that isn't as it must be)."""
    with connect(settings) as client:
        rows = client.query("SELECT profile_id, event_count, features FROM current_profiles").result_rows
        problems = [*_features_wrong(rows, log), *_tables_wrong(client)]
        accepted, duplicates = client.query("SELECT sum(accepted), sum(duplicates) FROM positions").result_rows[0]
    found = {profile_id: count for profile_id, count, _ in rows}
    lost = sum(max(person.events - found.get(name, 0), 0) for name, person in log.people.items())
    known = {name: person.events for name, person in log.people.items()}
    doubled = sum(max(count - known.get(name, 0), 0) for name, count in found.items())
    dead = sum(count_dead_letters(settings).values())
    counts = (accepted, duplicates, dead)
    sent = (log.accepted, log.duplicates, sum(log.dead_letters.values()))
    if counts != sent:
        problems.append(f"accepted, duplicates, dead letters: {counts}, sent {sent}")
    return lost, doubled, problems


def _features_wrong(rows: list[tuple[str, int, dict[str, float]]], log: KnownLog) -> Iterator[str]:
    """Yield decayed counts that differ from the oracle's by more than 1e-9, of people whose count is right."""
    for name, count, features in rows:
        person = log.people.get(name)
        if person is None or person.events != count:
            continue
        for event in person.times:
            found, expected = features[f"event/{event}"], person.decayed(event)
            if abs(found - expected) > 1e-9 * expected:
                yield f"{name} {event}: {found!r}, expected {expected!r}"


def _tables_wrong(client: Client) -> Iterator[str]:
    """Yield changes that contradict profiles, and versions that didn't grow with the log."""
    newest = client.query(
        "SELECT count() FROM (SELECT profile_id, argMax(to_segment, version) AS last FROM segment_changes FINAL "
        "GROUP BY profile_id) AS c INNER JOIN current_profiles AS p ON p.profile_id = c.profile_id "
        "WHERE c.last != p.segment"
    ).result_rows[0][0]
    if newest:
        yield f"{newest} people are in another segment than their newest change says"
    backwards = client.query(
        "SELECT count() FROM profiles WHERE bitShiftRight(version, 16) != next_offset"
    ).result_rows[0][0]
    if backwards:
        yield f"{backwards} rows have a version that isn't their offset's"
