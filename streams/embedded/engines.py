"""Broker and ClickHouse over one data directory: started, started again after a death, put right for roles, stopped."""

from __future__ import annotations

import json
import logging
import threading
import time
from functools import partial
from pathlib import Path

import msgspec

from streams.embedded.backoff import Backoff
from streams.embedded.broker import Broker
from streams.embedded.clickhouse import ClickHouse
from streams.embedded.home import Home, write_private
from streams.embedded.padding import pad_partitions, remind_owners, settle_transactions
from streams.embedded.process import free_port
from streams.embedded.stopping import side_by_side, time_left
from streams.errors import UnavailableError
from streams.settings import ClickHouseSettings, Settings
from streams.storage.schema import initialise

__all__ = ["Engines"]

_log = logging.getLogger(__name__)

_MOST_FAILURES = 5


class Engines:
    """What roles work on.

    Parameters
    ----------
    home : Home
        The data directory, which is ours.
    logs : Path
        Where the engines' logs go.
    settings : Settings
        Addresses in them are replaced by those of the engines; see `settings`.
    broker : bool
        False for ClickHouse alone.
    stop : threading.Event
        When it is set, waits end early.

    Attributes
    ----------
    settings : Settings
        With addresses and users filled in.
    broker : Broker or None
    clickhouse : ClickHouse
    backoff : dict
        Engine -> how long it waits before it starts again.
    """

    def __init__(self, home: Home, logs: Path, settings: Settings, *, broker: bool, stop: threading.Event) -> None:
        self._home, self._stop_asked = home, stop
        self.backoff = {"broker": Backoff(), "ClickHouse": Backoff()}
        self._failures, self._started_at = 0, 0.0
        kafka_port, clickhouse_port = home.ports()
        writer, reader = home.passwords()
        self.clickhouse = ClickHouse(
            home.path / "clickhouse", logs / "clickhouse.log", clickhouse_port, password=writer, reader_password=reader
        )
        self.broker = Broker(home.path / "broker", logs / "broker.log", kafka_port) if broker else None
        kafka = settings.kafka
        if self.broker is not None:
            kafka = msgspec.structs.replace(kafka, bootstrap=self.broker.bootstrap, client={})
        self.settings = msgspec.structs.replace(
            settings,
            web=msgspec.structs.replace(settings.web, port=free_port(settings.web.port)),
            clickhouse=ClickHouseSettings(**{**msgspec.to_builtins(settings.clickhouse), **self.clickhouse.section}),
            kafka=kafka,
        )

    @property
    def environment(self) -> dict[str, str]:
        """Environment of a role: these engines, whatever its configuration file says about others."""
        section = self.clickhouse.section.items()
        fields: dict[str, str | int] = {f"USERPRISM_CLICKHOUSE__{key.upper()}": value for key, value in section}
        if self.broker is not None:
            fields["USERPRISM_KAFKA__BOOTSTRAP"] = self.broker.bootstrap
        fields["USERPRISM_WEB__PORT"] = self.settings.web.port
        return {name: json.dumps(value) for name, value in fields.items()}

    def start(self) -> None:
        """Start both and say where they are; `put_right` makes them fit for roles.

        Raises
        ------
        UnavailableError
            One doesn't start.
        """
        side_by_side([engine.start for engine in self._all])
        self._started()
        stack = {"clickhouse": self.clickhouse.section}
        if self.broker is not None:
            stack["kafka"] = {"bootstrap": self.broker.bootstrap}
        write_private(self.settings.stack_file, stack)

    def stop(self, deadline: float) -> None:
        """Stop both until `deadline` (monotonic)."""
        side_by_side([partial(_stop, engine, deadline) for engine in self._all])
        self.settings.stack_file.unlink(missing_ok=True)

    def put_right(self) -> None:
        """Create what is missing in both, and mend what an unclean broker left."""
        initialise(self.settings)
        if self._home.padding_due:
            pad_partitions(self.settings, alive=lambda: self.broker is not None and self.broker.alive)
            remind_owners(self.settings)
            self._home.padding_due = False
        settle_transactions(self.settings, self._home.transactional_ids())

    def revive_clickhouse(self) -> None:
        """Start it again if it has died.

        Raises
        ------
        UnavailableError
            It doesn't start any more.
        """
        if not self.clickhouse.alive:
            self._start_again("ClickHouse", self.clickhouse)

    def revive_broker(self) -> bool:
        """Start it again and put it right, once more when an engine dies meanwhile; False if a stop was asked for.

        Raises
        ------
        UnavailableError
            One doesn't start any more.
        """
        while self.broker is not None:
            if not self.broker.alive:
                self._start_again("broker", self.broker)
            self.revive_clickhouse()
            if self._stop_asked.is_set():
                return False
            try:
                self.put_right()  # a topic younger than 3 s may be lost as a whole
            except UnavailableError as error:
                if self.broker.alive and self.clickhouse.alive:
                    raise
                _log.warning("an engine has died while the broker was put right: %s", str(error).splitlines()[0])
            else:
                return True
        return True

    def fresh_transactional_id(self, instance_id: str) -> str:
        """End what an intake's lives before left open; return an id for the next one that has never aborted.

        The embedded broker goes on naming an aborted transaction to readers that are past it, and they then pass over
        whatever its producer id commits later (docs/adr/0014). Another intake's ids are left alone: it may be at work.
        """
        known = self._home.transactional_ids()
        settle_transactions(
            self.settings, [name for name in known if name == instance_id or name.startswith(f"{instance_id}.")]
        )
        return self._home.new_transactional_id(instance_id)

    @property
    def _all(self) -> list[Broker | ClickHouse]:
        return [self.clickhouse, *([self.broker] if self.broker is not None else [])]

    def _started(self) -> None:
        self._started_at = time.monotonic()
        if self.broker is not None and self.broker.unclean:
            self._home.padding_due = True
        kafka_port = self.broker.port if self.broker is not None else 0
        pids = [engine.child.pid for engine in self._all if engine.child is not None]
        self._home.remember_engines(kafka_port, self.clickhouse.port, pids)

    def _start_again(self, name: str, engine: Broker | ClickHouse) -> None:
        while not self._stop_asked.is_set():
            delay_s = self.backoff[name].after(time.monotonic() - self._started_at)
            _log.warning("%s has died; it starts again in %.1f s (log: %s)", name, delay_s, engine.log)
            if self._stop_asked.wait(delay_s):
                return
            try:
                engine.start()
            except UnavailableError:
                self._failures += 1
                if self._failures >= _MOST_FAILURES:
                    raise
            else:
                self._failures = 0
                self._started()
                return


def _stop(engine: Broker | ClickHouse, deadline: float) -> None:
    engine.stop(time_left(deadline))
