"""The faults, as data."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from tests.faults.harness import Fault, Wounds

__all__ = ["FAULTS", "SHORT"]

_ROLES = ("intake", "encoder", "profiler")


def _signal(role: str, number: signal.Signals) -> Callable[[Wounds], bool]:
    def strike(wounds: Wounds) -> bool:
        found = wounds.stack.roles.get(role)
        return found is not None and found.ready and _send(found.pid, number)

    return strike


def _kill_any(wounds: Wounds) -> bool:
    victim = wounds.chance.choice([*_ROLES, "ClickHouse"])
    return _kill_clickhouse(wounds) if victim == "ClickHouse" else _signal(victim, signal.SIGKILL)(wounds)


def _kill_clickhouse(wounds: Wounds) -> bool:
    engine = wounds.stack.clickhouse
    return engine is not None and engine.child is not None and _send(engine.child.pid, signal.SIGKILL)


def _freeze(which: str, seconds: float) -> Callable[[Wounds], bool]:
    """Stop a process for a while, longer than anybody waits for it, and let it go on."""

    def strike(wounds: Wounds) -> bool:
        if which == "ClickHouse":
            engine = wounds.stack.clickhouse
            pid = engine.child.pid if engine is not None and engine.child is not None else None
        else:
            role = wounds.stack.roles.get(which)
            pid = role.pid if role is not None else None
        with wounds.unwatched():
            if not _send(pid, signal.SIGSTOP):
                return False
            time.sleep(seconds)
            return _send(pid, signal.SIGCONT)

    return strike


def _clickhouse_away(seconds: float) -> Callable[[Wounds], bool]:
    def strike(wounds: Wounds) -> bool:
        with wounds.unwatched():
            hit = _kill_clickhouse(wounds)
            time.sleep(seconds)
        return hit

    return strike


def _send(pid: int | None, number: signal.Signals) -> bool:
    if pid is None:
        return False
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


FAULTS = (
    Fault("kill -9 of any role or ClickHouse", _kill_any, 1.5),
    Fault("kill -9 of the profiler", _signal("profiler", signal.SIGKILL), 1.5),
    Fault("kill -9 of intake", _signal("intake", signal.SIGKILL), 1.5),
    Fault("kill -9 of the encoder", _signal("encoder", signal.SIGKILL), 1.5),
    Fault("kill -9 of ClickHouse", _kill_clickhouse, 1.5),
    Fault("SIGTERM of the profiler", _signal("profiler", signal.SIGTERM), 1.5),
    Fault("SIGTERM of intake", _signal("intake", signal.SIGTERM), 1.5),
    Fault("profiler frozen past its session", _freeze("profiler", 9.0), 3.0),
    Fault("intake frozen past its transaction", _freeze("intake", 12.0), 3.0),
    Fault("ClickHouse frozen", _freeze("ClickHouse", 4.0), 2.0),
    Fault("ClickHouse away for 10 s", _clickhouse_away(10.0), 3.0),
)

#: Of these `make test` runs one round each.
SHORT = ("kill -9 of the profiler", "kill -9 of intake", "kill -9 of ClickHouse", "SIGTERM of the profiler")
