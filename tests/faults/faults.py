"""The faults, as data."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from tests.faults.harness import Fault, Wounds
from tests.faults.setups import ClockJump, FullDisk, Second, SlowClickHouse, Takeover, Twin

__all__ = ["FAULTS", "SHORT"]


def _pid_of(wounds: Wounds, victim: str) -> int | None:
    """Return the process behind a name; None while there is none that has said it is ready."""
    engine = {"ClickHouse": wounds.stack.clickhouse, "broker": wounds.stack.broker}.get(victim)
    if engine is not None:
        return engine.child.pid if engine.child is not None else None
    role = wounds.stack.roles.get(victim)
    return role.pid if role is not None and role.ready else None


def _send(pid: int | None, number: signal.Signals) -> bool:
    if pid is None:
        return False
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _signal(number: signal.Signals, victim: str = "") -> Callable[[Wounds], bool]:
    """Send a signal to a process, to the round's victim unless one is named."""
    return lambda wounds: _send(_pid_of(wounds, victim or wounds.victim), number)


def _freeze(victim: str, seconds: float) -> Callable[[Wounds], bool]:
    """Stop a process for a while, longer than anybody waits for it, and let it go on."""

    def strike(wounds: Wounds) -> bool:
        pid = _pid_of(wounds, victim)
        with wounds.unwatched():
            if not _send(pid, signal.SIGSTOP):
                return False
            time.sleep(seconds)
            return _send(pid, signal.SIGCONT)

    return strike


def _away(victim: str, seconds: float) -> Callable[[Wounds], bool]:
    """Kill a process and let nobody start it again for a while."""

    def strike(wounds: Wounds) -> bool:
        with wounds.unwatched():
            hit = _send(_pid_of(wounds, victim), signal.SIGKILL)
            time.sleep(seconds)
        return hit

    return strike


_REFUSED = Takeover(8.0, "refused a commit whose lease had run out; nothing of it was written")
_HARMLESS = Takeover(8.0, "does no harm")
_INTAKE, _PROFILER = Second("intake"), Second("profiler")
_SLOW = SlowClickHouse(2.0)
_CLOCK = ClockJump((-1, 0, 1))
_KILL, _TERM = signal.SIGKILL, signal.SIGTERM

FAULTS = (
    Fault("kill -9 of intake, profiler or ClickHouse", _signal(_KILL), "any of them", one_of=1),
    Fault("kill -9 of the profiler", _signal(_KILL, "profiler"), "profiler"),
    Fault("kill -9 of intake", _signal(_KILL, "intake"), "intake", events_a_round=6_000, batch_events=100),
    Fault("kill -9 of the encoder", _signal(_KILL, "encoder"), "encoder"),
    Fault("kill -9 of ClickHouse", _signal(_KILL, "ClickHouse"), "profiler"),
    Fault("kill -9 of the broker", _signal(_KILL, "broker"), "any", broker_loses=True),
    Fault("SIGTERM of the profiler", _signal(_TERM, "profiler"), "profiler"),
    Fault("SIGTERM of intake", _signal(_TERM, "intake"), "intake", events_a_round=6_000, batch_events=100),
    Fault("profiler frozen past its session", _freeze("profiler", 9.0), "profiler"),
    Fault("intake frozen past its transaction", _freeze("intake", 12.0), "intake"),
    Fault("ClickHouse frozen for 4 s", _freeze("ClickHouse", 4.0), "profiler"),
    Fault("ClickHouse away for 60 s", _away("ClickHouse", 60.0), "profiler", one_of=40),
    Fault("broker frozen for 60 s", _freeze("broker", 60.0), "any", one_of=40),
    Fault("late block, refused by the lease", _REFUSED.strike, "profiler", around=_REFUSED.around),
    Fault("late block, no lease", _HARMLESS.strike, "profiler", around=_HARMLESS.around, lease=False),
    Fault("two profilers under one id", Twin("profiler").strike, "profiler"),
    Fault("two intakes under one id", Twin("intake").strike, "intake"),
    Fault("a second intake joins and dies", _INTAKE.strike, "intake", around=_INTAKE.around),
    Fault("a second profiler joins and dies", _PROFILER.strike, "profiler", around=_PROFILER.around),
    Fault("a commit takes 2 s", _SLOW.strike, "profiler", around=_SLOW.around),
    Fault("ClickHouse's disk is full for 5 s", FullDisk().strike, "profiler", before=FullDisk().before),
    Fault("clocks of the roles jump by an hour", _CLOCK.strike, "any", around=_CLOCK.around),
)

#: `make test` strikes with these in turn on one stack; small transactions keep intake at work for all of them.
_IN_TEST = ("kill -9 of the profiler", "kill -9 of intake", "kill -9 of ClickHouse", "SIGTERM of the profiler")
SHORT = Fault(
    "one of each",
    _signal(_KILL),
    events_a_round=3_000,
    batch_events=100,
    turns=tuple(fault for fault in FAULTS if fault.name in _IN_TEST),
)
