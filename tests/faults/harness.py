"""Runs a known log through a real stack under a fault, and compares what is in ClickHouse with the oracle."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client

from streams.embedded.backoff import Backoff
from streams.embedded.supervisor import ROLES, Supervisor
from streams.kafka import PADDING_HEADER, headers_of
from streams.lag import GroupLag
from streams.records import records_until_end
from streams.replay.publish import publish
from streams.serving.arrival import Arrival
from streams.serving.summary import count_dead_letters
from streams.settings import KafkaSettings, ProfilerSettings, Settings
from streams.storage.client import connect
from tests.faults.known_log import Expected, KnownLog, Message, decayed

__all__ = ["Fault", "Outcome", "Wounds", "run_fault", "wait_for"]

_CHUNK = 250
_SEND_S = 1.2
_PATIENCE_S = 300.0
_LOOK_EVERY_S = 0.05
_LOOK_FOR_WORK_S = 0.02
#: A strike waits so long for its victim to be seen at work, and hits when it is seen for the so-manieth time at most.
_WORK_WITHIN_S, _SIGHTINGS = 6.0, 6
_TO_BE_ENCODED = 100
#: All that write; pages only read, and take longest to start.
_ROLES = tuple(role for role in ROLES if role != "web")


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    Attributes
    ----------
    strike : callable
        Hurts the stack once; returns whether it hit.
    victim : str
        Whose work has to be going on for a strike to land: ``intake``, ``profiler``, ``encoder``, or ``any``.
    before, around : callables that give context managers, optional
        What is set up before the stack starts (given its data directory), and before its roles do (given the stack
        and the directory; gives what is added to the environment of all roles).
    lease : bool
        Whether profilers hold one.
    turns : tuple of faults, optional
        Strike with these instead, one a round in their order, each with its own victim.
    events_a_round, batch_events : int
        How much work there is, and how much of it intake puts into one transaction.
    rounds_a_stack : int
        How many a stack takes before it is compared: starting one costs as much as some rounds.
    one_of : int
        The table gives it one of so many rounds: all of them, a tenth, or a fortieth where a round takes a minute.
    broker_loses : bool
        Whether the broker itself may lose input that it acknowledged: counted by itself then.
    """

    name: str
    strike: Callable[[Wounds], bool]
    victim: str = "any"
    before: Callable[[Path], AbstractContextManager[None]] = lambda folder: nullcontext()
    around: Callable[[Supervisor, Path], AbstractContextManager[Mapping[str, str]]] = lambda *_: nullcontext({})
    #: enough that every role has something to do for a second
    events_a_round: int = 1_500
    #: what intake takes at once: a quick one is at work all the time if its transactions are small and many
    batch_events: int = 20_000
    lease: bool = True
    broker_loses: bool = False
    turns: tuple[Fault, ...] = ()
    rounds_a_stack: int = 20
    one_of: int = 10


@dataclass
class Outcome:
    """What came of it; all but times count events, or rounds.

    Attributes
    ----------
    lost, doubled : int
        Summed over people.
    broker_lost : int
        Acknowledged input that isn't in its topic any more.
    """

    fault: str
    rounds: int = 0
    landed: int = 0
    lost: int = 0
    doubled: int = 0
    broker_lost: int = 0
    recovery_s: float = 0.0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    #: what landed -> how often
    kinds: Counter[str] = field(default_factory=Counter)

    def add(self, other: Outcome, seed: int) -> None:
        """Count another run of the same fault in; its problems are told with what makes that run again."""
        for name in ("rounds", "landed", "lost", "doubled", "broker_lost"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.recovery_s = max(self.recovery_s, other.recovery_s)
        self.seconds = round(self.seconds + other.seconds, 1)
        self.kinds += other.kinds
        wrong = other.problems or (["counts differ"] if other.lost or other.doubled else [])
        self.problems += [f"--rounds {other.rounds} --seed {seed}: {problem}" for problem in wrong]

    @property
    def good(self) -> bool:
        """Whether it hit a stack at work, and nothing is wrong."""
        return self.landed > 0 and not (self.lost or self.doubled or self.problems)


class Wounds:
    """What a strike may use: the stack, a seeded chance, its data directory, its watcher to keep from."""

    def __init__(self, stack: Supervisor, chance: random.Random, folder: Path, env: Mapping[str, str]) -> None:
        self.stack = stack
        self.chance = chance
        self.folder = folder
        self.env = env
        self.victim = ""  # of this round, when the strike chose one
        self.notes: list[str] = []  # what a strike found wrong itself
        self.given_up = False  # nothing is started again any more: nothing need be waited for
        self._watching = threading.Lock()
        topics = stack.settings.kafka.topics
        self._lags = {
            "intake": GroupLag(stack.settings, "intake", topics.events),
            "profiler": GroupLag(stack.settings, "profiler", topics.clicks, committed=False),
            "encoder": GroupLag(stack.settings, "encoder", topics.content),
        }

    def stack_is_up(self) -> bool:
        """Whether every role has come back from the last strike."""
        return all(role.ready for role in self.stack.roles.values())

    def at_work(self, victim: str) -> bool:
        """Whether a role has input that it hasn't committed; whoever serves them all is at work when one of them is."""
        if victim == "encoder":
            return self._lags["encoder"].records() > _TO_BE_ENCODED
        names = (victim,) if victim in self._lags else ("intake", "profiler")
        return any(self._lags[name].records() > 0 for name in names)

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
                try:
                    self.stack.check()
                except Exception as error:
                    self.notes.append(f"the supervisor gave up: {type(error).__name__}: {str(error)[:500]}")
                    self.given_up = True
                    return
                for role in self.stack.roles.values():  # a death a round is the point here, not a reason to wait longer
                    role._backoff = Backoff(0.1, 0.1)
                if self.stack.engines is not None:
                    self.stack.engines.backoff = {"broker": Backoff(0.1, 0.1), "ClickHouse": Backoff(0.1, 0.1)}

    @contextlib.contextmanager
    def unwatched(self) -> Iterator[None]:
        """Keep the supervisor from mending anything meanwhile."""
        with self._watching:
            yield

    def close(self) -> None:
        """Let go of the broker."""
        for lag in self._lags.values():
            lag.close()


def run_fault(
    fault: Fault, folder: Path, *, rounds: int, seed: int, after_round: Callable[[], None] = lambda: None
) -> Outcome:
    """Strike `rounds` times while a known log goes down the road, wait until all has arrived, and compare."""
    settings = Settings(
        data_dir=str(folder),
        kafka=KafkaSettings(session_timeout_ms=6_000),
        profiler=ProfilerSettings(commit_interval_ms=300, lease=fault.lease),
    )
    env = {
        "USERPRISM_KAFKA__SESSION_TIMEOUT_MS": "6000",
        "USERPRISM_PROFILER__COMMIT_INTERVAL_MS": "300",
        "USERPRISM_PROFILER__LEASE": "true" if fault.lease else "false",
        "USERPRISM_INTAKE__BATCH_EVENTS": str(fault.batch_events),
    }
    events = rounds * fault.events_a_round
    log = KnownLog(seed, events, items=events if fault.victim == "encoder" else 200)
    outcome = Outcome(fault.name, rounds)
    started = time.monotonic()
    with ExitStack() as held:
        held.enter_context(fault.before(folder))
        stack = held.enter_context(
            Supervisor(
                settings, roles=_ROLES, role_args=["--data-dir", str(folder)], spares=True, stop=threading.Event()
            )
        )
        env |= held.enter_context(fault.around(stack, folder))
        stack.start_roles(env=env)
        stack.wait_ready(_PATIENCE_S)
        wounds = Wounds(stack, random.Random(seed), folder, env)
        held.callback(wounds.close)
        with wounds.watched():
            for number, messages in enumerate(log.chunks(fault.events_a_round)):
                _round(fault.turns[number % len(fault.turns)] if fault.turns else fault, wounds, messages, outcome)
                after_round()
            _settle(wounds)
            _compare(stack.settings, log, fault, outcome)
        outcome.problems += wounds.notes
    outcome.seconds = round(time.monotonic() - started, 1)
    return outcome


def _wait_for_stack(wounds: Wounds, probe: Callable[[], bool]) -> None:
    """Wait as long as the supervisor goes on."""
    wait_for(lambda: wounds.given_up or probe())


def wait_for(probe: Callable[[], bool], timeout_s: float = _PATIENCE_S) -> None:
    """Return when `probe` says so.

    Raises
    ------
    AssertionError
        It doesn't in time.
    """
    deadline = time.monotonic() + timeout_s
    while not probe():
        if time.monotonic() > deadline:
            msg = f"nothing arrives any more after {timeout_s:.0f} s"
            raise AssertionError(msg)
        time.sleep(_LOOK_EVERY_S)


def _round(fault: Fault, wounds: Wounds, messages: list[Message], outcome: Outcome) -> None:
    """Send some events, strike while they are worked on, and wait until events arrive again."""
    settings = wounds.stack.settings
    _wait_for_stack(wounds, wounds.stack_is_up)
    chunks = [messages[at : at + _CHUNK] for at in range(0, len(messages), _CHUNK)]
    pace = {"per_second": len(messages) / _SEND_S}
    sender = threading.Thread(target=publish, args=(settings, chunks), kwargs=pace, daemon=True)
    sender.start()
    wounds.victim = fault.victim
    if fault.victim == "any of them":
        wounds.victim = wounds.chance.choice(("intake", "profiler", "ClickHouse"))
    before = _accepted(settings)
    at_work = _await_work(wounds, sender.is_alive)
    struck_at = time.monotonic()
    if fault.strike(wounds) and at_work:
        outcome.landed += 1
        outcome.kinds[fault.name] += 1
    _wait_for_stack(wounds, lambda: _accepted(settings) > before or not (sender.is_alive() or wounds.at_work("any")))
    outcome.recovery_s = max(outcome.recovery_s, round(time.monotonic() - struck_at, 1))
    sender.join(_PATIENCE_S)
    if sender.is_alive():
        outcome.problems.append("the sender didn't come to its end")


def _await_work(wounds: Wounds, sending: Callable[[], bool]) -> bool:
    """Wait until the victim has been seen at work some times, the last time just now; False if it has nothing to do.

    When everything has been sent there may be little work left: then any sighting will do.
    """
    sightings = wounds.chance.randint(1, _SIGHTINGS)
    deadline = time.monotonic() + _WORK_WITHIN_S
    while time.monotonic() < deadline:
        last_chance = not sending()
        if wounds.at_work(wounds.victim):
            sightings -= 1
            if last_chance or sightings <= 0:
                return True
        time.sleep(wounds.chance.uniform(0.0, _LOOK_FOR_WORK_S))
    return False


def _accepted(settings: Settings) -> int:
    """Return how many events ClickHouse holds; -1 while it doesn't answer."""
    try:
        with connect(settings) as client:
            return int(client.query("SELECT sum(accepted) FROM positions").result_rows[0][0])
    except Exception:  # whatever a hurt stack answers with
        return -1


def _settle(wounds: Wounds) -> None:
    arrival = Arrival(wounds.stack.settings)
    try:
        _wait_for_stack(wounds, lambda: arrival.settled(arrival.lag()))
    finally:
        arrival.close()


def _compare(settings: Settings, log: KnownLog, fault: Fault, outcome: Outcome) -> None:
    """Note events lost, events doubled, and everything else that isn't as it must be."""
    sent = log.expected(value for _, value in log.messages)
    least = sent
    if fault.broker_loses:
        there = [message.value() or b"" for message in records_until_end(settings, settings.kafka.topics.events)
                 if not any(name == PADDING_HEADER for name, _ in headers_of(message))]  # fmt: skip
        outcome.broker_lost = sum((Counter(value for _, value in log.messages) - Counter(there)).values())
        least = log.expected(there)
    with connect(settings) as client:
        rows = client.query(
            "SELECT profile_id, event_count, features, toUnixTimestamp64Micro(last_seen) FROM current_profiles"
        ).result_rows
        outcome.problems += [*_features_wrong(rows, least, sent), *_tables_wrong(client, fault.lease)]
        accepted, duplicates = client.query("SELECT sum(accepted), sum(duplicates) FROM positions").result_rows[0]
    found = {profile_id: count for profile_id, count, *_ in rows}
    outcome.lost = sum(max(person.events - found.get(name, 0), 0) for name, person in least.people.items())
    most = {name: person.events for name, person in sent.people.items()}
    outcome.doubled = sum(max(count - most.get(name, 0), 0) for name, count in found.items())
    counts = (accepted, duplicates, sum(count_dead_letters(settings).values()))
    if not fault.broker_loses and counts != (sent.accepted, sent.duplicates, sum(sent.dead_letters.values())):
        expected = sent.accepted, sent.duplicates, sum(sent.dead_letters.values())
        outcome.problems.append(f"accepted, duplicates, dead letters: {counts}, expected {expected}")
    if accepted != sum(found.values()):
        outcome.problems.append(f"positions say {accepted} events, profiles {sum(found.values())}")


def _features_wrong(rows: Sequence[Sequence[Any]], least: Expected, most: Expected) -> Iterator[str]:
    """Yield decayed counts that the events which must be there, and those that may, don't explain to 1e-9.

    Where nothing was lost by the broker both are the same: then they are the oracle's value, from below and from above.
    """
    for name, _, features, newest in rows:
        for event, times in most.people[name].times.items():
            found = features.get(f"event/{event}", 0.0)
            must = decayed(least.people[name].times[event], newest) if name in least.people else 0.0
            may = decayed(times, newest)
            if not must * (1 - 1e-9) <= found <= may * (1 + 1e-9):
                yield f"{name} {event}: {found!r}, expected {must!r} to {may!r}"


def _tables_wrong(client: Client, lease: bool) -> Iterator[str]:
    """Yield changes that contradict profiles, and versions that didn't grow with the log.

    Without a lease a late block may leave changes that nobody took back (docs/adr/0002).
    """
    newest = client.query(
        "SELECT count() FROM (SELECT profile_id, argMax(to_segment, version) AS last FROM segment_changes FINAL "
        "GROUP BY profile_id) AS c INNER JOIN current_profiles AS p ON p.profile_id = c.profile_id "
        "WHERE c.last != p.segment"
    ).result_rows[0][0]
    if newest and lease:
        yield f"{newest} people are in another segment than their newest change says"
    backwards = client.query(
        "SELECT count() FROM profiles WHERE bitShiftRight(version, 16) != next_offset"
    ).result_rows[0][0]
    if backwards:
        yield f"{backwards} rows have a version that isn't their offset's"
