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
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from streams.embedded.backoff import Backoff
from streams.embedded.broker import Broker
from streams.embedded.clickhouse import ClickHouse
from streams.embedded.home import Home, write_private
from streams.embedded.padding import pad_partitions, remind_owners, settle_transactions
from streams.embedded.process import free_port
from streams.embedded.role_process import RoleProcess
from streams.errors import StateError, UnavailableError
from streams.settings import ClickHouseSettings, Settings
from streams.storage.schema import initialise
from streams.telemetry import forget_statuses, numbered, read_statuses

__all__ = ["ROLES", "Supervisor", "instances_of"]

_log = logging.getLogger(__name__)

#: In the order they start; the one that feeds the others starts last and stops first.
ROLES = ("web", "encoder", "control", "profiler", "intake")
_FIRST_TO_STOP = "intake"
_LONGEST_TO_START = "profiler"

#: A stop has 5 s in all (DESIGN 13): when intake, the other roles, and the engines must be gone at the latest.
_INTAKE_GONE_S, _ROLES_GONE_S, _ALL_GONE_S = 1.2, 2.8, 4.6
_LAST_CHANCE_S = 0.3
_WATCH_S = 0.1
_MOST_ENGINE_FAILURES = 5


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
        self._broker: Broker | None = None
        self._clickhouse: ClickHouse | None = None
        self._roles: dict[str, RoleProcess] = {}
        self._backoff = {"broker": Backoff(), "ClickHouse": Backoff()}
        self._engine_failures = 0
        self._engines_started_at = 0.0

    @property
    def settings(self) -> Settings:
        """The settings with the stack's addresses and users filled in."""
        return self._settings

    @property
    def roles(self) -> Mapping[str, RoleProcess]:
        """The roles that were started and not stopped, by name."""
        return self._roles

    @property
    def broker(self) -> Broker | None:
        """The broker, None before `start` and after `stop`."""
        return self._broker

    @property
    def clickhouse(self) -> ClickHouse | None:
        """ClickHouse, None before `start` and after `stop`."""
        return self._clickhouse

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
            self._create_engines()
            self._start_engines()
            if self._with_broker and not self._stop_asked.is_set():
                initialise(self._settings)
                self._put_broker_right()
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
                    {**self._addresses(), **instance, **(env or {})},
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
            _side_by_side([partial(_stop_role, role, started + until_s) for role in stage])

    def check(self) -> None:
        """Look once at every process and start again what has died; call it about ten times a second.

        Raises
        ------
        StateError
            A role can't start; the message holds the end of its log.
        UnavailableError
            An engine died and can't be started again.
        """
        self._check_engines()
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
        engines = [engine for engine in (self._clickhouse, self._broker) if engine is not None]
        _side_by_side([partial(_stop_engine, engine, started + _ALL_GONE_S) for engine in engines])
        self._clickhouse = self._broker = None
        if engines:
            self._settings.stack_file.unlink(missing_ok=True)
        self._home.release()

    def _create_engines(self) -> None:
        kafka_port, clickhouse_port = self._home.ports()
        web = msgspec.structs.replace(self._settings.web, port=free_port(self._settings.web.port))
        self._settings = msgspec.structs.replace(self._settings, web=web)
        writer, reader = self._home.passwords()
        self._clickhouse = ClickHouse(
            self._home.path / "clickhouse",
            self._logs / "clickhouse.log",
            clickhouse_port,
            password=writer,
            reader_password=reader,
        )
        clickhouse = {**msgspec.to_builtins(self._settings.clickhouse), **self._clickhouse.section}
        changes = {"clickhouse": ClickHouseSettings(**clickhouse)}
        if self._with_broker:
            self._broker = Broker(self._home.path / "broker", self._logs / "broker.log", kafka_port)
            kafka = msgspec.structs.replace(self._settings.kafka, bootstrap=self._broker.bootstrap, client={})
            self._settings = msgspec.structs.replace(self._settings, kafka=kafka, **changes)
        else:
            self._settings = msgspec.structs.replace(self._settings, **changes)

    def _start_engines(self) -> None:
        engines = [engine for engine in (self._clickhouse, self._broker) if engine is not None]
        _side_by_side([engine.start for engine in engines])
        self._engines_started()
        stack = {"clickhouse": self._clickhouse.section} if self._clickhouse is not None else {}
        if self._broker is not None:
            stack["kafka"] = {"bootstrap": self._broker.bootstrap}
        write_private(self._settings.stack_file, stack)

    def _engines_started(self) -> None:
        self._engines_started_at = time.monotonic()
        engines = [engine for engine in (self._broker, self._clickhouse) if engine is not None]
        if self._broker is not None and self._broker.unclean:
            self._home.padding_due = True
        kafka_port = self._broker.port if self._broker is not None else 0
        clickhouse_port = self._clickhouse.port if self._clickhouse is not None else 0
        self._home.remember_engines(kafka_port, clickhouse_port, [e.child.pid for e in engines if e.child is not None])

    def _put_broker_right(self) -> None:
        if self._home.padding_due:
            pad_partitions(self._settings, alive=lambda: self._broker is not None and self._broker.alive)
            remind_owners(self._settings)
            self._home.padding_due = False
        settle_transactions(self._settings, self._home.transactional_ids())

    def _start(self, role: RoleProcess) -> None:
        self._roles[role.name] = role
        first = self._roles.get(role.name.partition("-")[0])
        if first is None or first is role or first.ready:
            role.start()
        else:  # two that join an empty group one after the other can wait for ever (docs/adr/0003)
            role.start_after(first)

    def _before_life_of_intake(self, number: str) -> dict[str, str]:
        """End what this intake's lives before left open, and let it write under an id that has never aborted.

        The embedded broker goes on naming an aborted transaction to readers that are past it, and they then pass over
        whatever its producer id commits later (docs/adr/0014). Another intake's ids are left alone: it may be at work.
        """
        if self._broker is None:
            return {}
        instance_id = numbered(self._settings.intake.instance_id, number)
        known = self._home.transactional_ids()
        settle_transactions(
            self._settings, [name for name in known if name == instance_id or name.startswith(f"{instance_id}.")]
        )
        name = self._home.new_transactional_id(instance_id)
        return {"USERPRISM_INTAKE__TRANSACTIONAL_ID": json.dumps(name)}

    def _instance_id(self, kind: str, number: str) -> dict[str, str]:
        """Return the environment that gives a process after the first an instance id of its own."""
        if not number:
            return {}
        first = getattr(self._settings, kind).instance_id
        return {f"USERPRISM_{kind.upper()}__INSTANCE_ID": json.dumps(numbered(first, number))}

    def _check_engines(self) -> None:
        if self._clickhouse is not None and not self._clickhouse.alive:
            # Roles keep running: they hold their partitions and try again.
            self._start_again("ClickHouse", self._clickhouse)
        if self._broker is not None and not self._broker.alive:
            roles = list(self._roles)
            _log.warning("the broker has died; roles stop until it runs again")
            running = {name: self._roles[name] for name in roles}
            self.stop_roles()
            if not self._broker_is_right_again(self._broker):
                return
            for role in running.values():
                self._start(role)

    def _broker_is_right_again(self, broker: Broker) -> bool:
        """Start it and put it right, again when an engine dies meanwhile; False if a stop was asked for."""
        while True:
            if not broker.alive:
                self._start_again("broker", broker)
            if self._clickhouse is not None and not self._clickhouse.alive:
                self._start_again("ClickHouse", self._clickhouse)
            if self._stop_asked.is_set():
                return False
            try:
                initialise(self._settings)  # a topic younger than 3 s may be lost as a whole
                self._put_broker_right()
            except UnavailableError as error:
                if broker.alive and (self._clickhouse is None or self._clickhouse.alive):
                    raise
                _log.warning("an engine has died while the broker was put right: %s", str(error).splitlines()[0])
            else:
                return True

    def _start_again(self, name: str, engine: Broker | ClickHouse) -> None:
        while not self._stop_asked.is_set():
            delay_s = self._backoff[name].after(time.monotonic() - self._engines_started_at)
            _log.warning("%s has died; it starts again in %.1f s (log: %s)", name, delay_s, engine.log)
            if self._stop_asked.wait(delay_s):
                return
            try:
                engine.start()
            except UnavailableError:
                self._engine_failures += 1
                if self._engine_failures >= _MOST_ENGINE_FAILURES:
                    raise
            else:
                self._engine_failures = 0
                self._engines_started()
                return

    def _addresses(self) -> dict[str, str]:
        """Environment of a role: this stack, whatever its configuration file says about another one."""
        section = self._clickhouse.section if self._clickhouse is not None else {}
        fields: dict[str, str | int] = {f"USERPRISM_CLICKHOUSE__{key.upper()}": value for key, value in section.items()}
        if self._broker is not None:
            fields["USERPRISM_KAFKA__BOOTSTRAP"] = self._broker.bootstrap
        fields["USERPRISM_WEB__PORT"] = self._settings.web.port
        return {name: json.dumps(value) for name, value in fields.items()}


def instances_of(role: str, count: int) -> list[str]:
    """Return the names of so many processes of a role: the first has the role's own."""
    return [role, *(f"{role}-{number}" for number in range(1, count))]


def _side_by_side(actions: Sequence[Callable[[], None]]) -> None:
    """Run all to their end, then raise the first error."""
    if not actions:
        return
    with ThreadPoolExecutor(len(actions)) as pool:
        futures = [pool.submit(action) for action in actions]
    for future in futures:
        future.result()


def _stop_role(role: RoleProcess, deadline: float) -> None:
    role.stop(_left(deadline))


def _stop_engine(engine: Broker | ClickHouse, deadline: float) -> None:
    engine.stop(_left(deadline))


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), _LAST_CHANCE_S)
