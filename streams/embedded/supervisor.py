"""The supervisor: starts broker, ClickHouse and roles, keeps them alive, and leaves nothing behind when it stops.

Order of a start: lock, engines, schema, what an unclean broker left (`padding`), roles. A stop goes the other way.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from streams.embedded.broker import Broker
from streams.embedded.clickhouse import ClickHouse
from streams.embedded.engines import Engines
from streams.embedded.home import Home
from streams.embedded.role_process import RoleProcess
from streams.embedded.stopping import side_by_side, time_left
from streams.errors import StateError, UnavailableError
from streams.settings import Settings
from streams.telemetry import forget_statuses, numbered, read_statuses

__all__ = ["ROLES", "Supervisor", "instances_of"]

_log = logging.getLogger(__name__)

#: In the order they start; the one that feeds the others starts last and stops first.
ROLES = ("web", "encoder", "control", "profiler", "intake")
_FIRST_TO_STOP = "intake"
_LONGEST_TO_START = "profiler"

#: A stop has 5 s in all (DESIGN 13): when intake, the other roles, and the engines must be gone at the latest.
_INTAKE_GONE_S, _ROLES_GONE_S, _ALL_GONE_S = 1.2, 2.8, 4.6
_WATCH_S = 0.1


class Supervisor:
    """The embedded stack over `settings.data`, owned by this process.

    Parameters
    ----------
    settings : Settings
        Addresses in them are replaced by those of the stack; see `settings`.
    roles : sequence of str
        What `start_roles` starts when it isn't told.
    counts : mapping, optional
        Role -> how many processes of it, 1 for those that aren't named; the second profiler is ``profiler-1``.
    role_args : sequence of str
        Global options of the program for every role, e.g. ``("--data-dir", "/data", "--config", "userprism.toml")``.
    role_command : callable, optional
        Gives program and arguments of a role. Default: this interpreter with ``-m streams.role``, `role_args`, role.
    broker : bool
        False starts ClickHouse alone: no topics, no roles.
    spares : bool
        Whether a second profiler process stands by to take the place of one that dies: what a start takes is imports
        and kernels for the most part. It holds some 200 MB.
    log_dir : Path, optional
        Default: ``<data_dir>/logs``.
    stop : threading.Event, optional
        When it is set, `start`, `wait_ready` and `watch` return early.

    Examples
    --------
    ::

        with stop_on_signals() as stop, Supervisor(settings, stop=stop) as stack:
            stack.start_roles()
            stack.wait_ready()
            stack.watch()

    Notes
    -----
    Leaving the ``with`` block stops everything within 5 s. If this process is killed, the kernel ends its children.
    """

    def __init__(
        self,
        settings: Settings,
        roles: Sequence[str] = ROLES,
        *,
        counts: Mapping[str, int] | None = None,
        role_args: Sequence[str] = (),
        role_command: Callable[[str], Sequence[str]] | None = None,
        broker: bool = True,
        spares: bool = False,
        log_dir: Path | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self._home = Home(settings.data)
        self._logs = log_dir or self._home.logs
        self._settings = settings
        self._wanted = tuple(name for role in roles for name in instances_of(role, (counts or {}).get(role, 1)))
        self._role_command = role_command or (lambda role: [sys.executable, "-m", "streams.role", *role_args, role])
        self._with_broker, self._spares = broker, spares
        self._stop_asked = stop or threading.Event()
        self._engines: Engines | None = None
        self._roles: dict[str, RoleProcess] = {}

    @property
    def settings(self) -> Settings:
        """The settings, with the stack's addresses and users filled in once it has started."""
        return self._settings

    @property
    def engines(self) -> Engines | None:
        """Broker and ClickHouse, None before `start` and after `stop`."""
        return self._engines

    @property
    def roles(self) -> Mapping[str, RoleProcess]:
        """The roles that were started and not stopped, by name."""
        return self._roles

    @property
    def broker(self) -> Broker | None:
        """The broker, None before `start` and after `stop`."""
        return self._engines.broker if self._engines is not None else None

    @property
    def clickhouse(self) -> ClickHouse | None:
        """ClickHouse, None before `start` and after `stop`."""
        return self._engines.clickhouse if self._engines is not None else None

    def __enter__(self) -> Self:
        """Start the engines; stop them again if that fails."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything."""
        self.stop()

    def start(self) -> None:
        """Lock the data directory, start the engines and make them fit for roles; no role starts yet.

        Raises
        ------
        AlreadyRunningError
            Another process has the data directory.
        UnavailableError
            An engine doesn't start.
        """
        self._home.acquire()
        try:
            self._settings.stack_file.unlink(missing_ok=True)  # of an owner that was killed
            forget_statuses(self._settings.run_dir)
            engines = self._engines = Engines(
                self._home, self._logs, self._settings, broker=self._with_broker, stop=self._stop_asked
            )
            self._settings = engines.settings
            engines.start()
            if self._with_broker and not self._stop_asked.is_set():
                engines.put_right()
        except BaseException:
            self.stop()
            raise

    def start_roles(self, names: Sequence[str] | None = None, env: Mapping[str, str] | None = None) -> None:
        """Start roles; those that run already are left alone.

        A second process of a kind starts in a `check` or `wait_ready`, once the first is ready.

        Parameters
        ----------
        names : sequence of str, optional
            Default: the roles given to the constructor.
        env : mapping, optional
            Added to their environment, e.g. ``{"USERPRISM_KAFKA__PREFIX": "paced"}``.
        """
        environment = self._engines.environment if self._engines is not None else {}
        for name in self._wanted if names is None else names:
            if name not in self._roles and not self._stop_asked.is_set():
                kind, _, number = name.partition("-")
                instance = self._instance_id(kind, number)
                command = self._role_command(kind)
                spare = [*command[:-1], "--spare", command[-1]] if self._spares and kind == _LONGEST_TO_START else ()
                role = RoleProcess(
                    name,
                    command,
                    self._logs / f"{name}.log",
                    {**environment, **instance, **(env or {})},
                    partial(self._before_life_of_intake, number) if kind == _FIRST_TO_STOP else dict,
                    spare_command=spare,
                )
                self._start(role)

    def stop_roles(self, names: Sequence[str] | None = None) -> None:
        """Stop roles (all by default), intake first, the rest side by side."""
        started = time.monotonic()
        leaving = [self._roles.pop(name) for name in (names or list(self._roles)) if name in self._roles]
        for stage, until_s in (
            ([role for role in leaving if role.name.startswith(_FIRST_TO_STOP)], _INTAKE_GONE_S),
            ([role for role in leaving if not role.name.startswith(_FIRST_TO_STOP)], _ROLES_GONE_S),
        ):
            side_by_side([partial(_stop_role, role, started + until_s) for role in stage])

    def check(self) -> None:
        """Look once at every process and start again what has died; call it about ten times a second.

        Raises
        ------
        StateError
            A role can't start; the message holds the end of its log.
        UnavailableError
            An engine died and can't be started again.
        """
        if self._engines is not None:
            self._check_engines(self._engines)
        statuses = read_statuses(self._settings.run_dir)
        for role in self._roles.values():
            role.check(statuses)
            if role.failure is not None:
                raise StateError(role.failure)

    def watch(self, stop: threading.Event | None = None) -> None:
        """Call `check` until `stop` (default: the constructor's) is set."""
        stop = stop or self._stop_asked
        while not stop.wait(_WATCH_S):
            self.check()

    def wait_ready(self, timeout_s: float = 120.0, progress: Callable[[dict[str, bool]], None] | None = None) -> bool:
        """Wait until every started role has said that it is ready.

        Parameters
        ----------
        timeout_s : float
            From now.
        progress : callable, optional
            Told role -> ready whenever that changes.

        Returns
        -------
        bool
            False when a stop was asked for meanwhile.

        Raises
        ------
        StateError
            A role can't start.
        UnavailableError
            Not all were ready in time; the message holds the end of their logs.
        """
        deadline = time.monotonic() + timeout_s
        told: dict[str, bool] = {}
        while not self._stop_asked.is_set():
            self.check()
            state = {name: role.ready for name, role in self._roles.items()}
            if state != told and progress is not None:
                progress(state)
            told = state
            if all(state.values()):
                return True
            if time.monotonic() > deadline:
                late = [role.describe() for role in self._roles.values() if not role.ready]
                msg = f"not ready after {timeout_s:.0f} s:\n" + "\n".join(late)
                raise UnavailableError(msg)
            self._stop_asked.wait(_WATCH_S)
        return False

    def stop(self) -> None:
        """Stop roles, then the engines, all within 5 s; calling it again does nothing."""
        started = time.monotonic()
        self.stop_roles()
        if self._engines is not None:
            self._engines.stop(started + _ALL_GONE_S)
            self._engines = None
        self._home.release()

    def _start(self, role: RoleProcess) -> None:
        self._roles[role.name] = role
        first = self._roles.get(role.name.partition("-")[0])
        if first is None or first is role or first.ready:
            role.start()
        else:  # two that join an empty group one after the other can wait for ever (docs/adr/0003)
            role.start_after(first)

    def _before_life_of_intake(self, number: str) -> dict[str, str]:
        if self._engines is None or self._engines.broker is None:
            return {}
        name = self._engines.fresh_transactional_id(numbered(self._settings.intake.instance_id, number))
        return {"USERPRISM_INTAKE__TRANSACTIONAL_ID": json.dumps(name)}

    def _instance_id(self, kind: str, number: str) -> dict[str, str]:
        """Return the environment that gives a process after the first an instance id of its own."""
        if not number:
            return {}
        first = getattr(self._settings, kind).instance_id
        return {f"USERPRISM_{kind.upper()}__INSTANCE_ID": json.dumps(numbered(first, number))}

    def _check_engines(self, engines: Engines) -> None:
        engines.revive_clickhouse()  # roles keep running: they hold their partitions and try again
        if engines.broker is not None and not engines.broker.alive:
            _log.warning("the broker has died; roles stop until it runs again")
            running = list(self._roles.values())
            self.stop_roles()
            if engines.revive_broker():
                for role in running:
                    self._start(role)


def instances_of(role: str, count: int) -> list[str]:
    """Return the names of so many processes of a role: the first has the role's own."""
    return [role, *(f"{role}-{number}" for number in range(1, count))]


def _stop_role(role: RoleProcess, deadline: float) -> None:
    role.stop(time_left(deadline))
