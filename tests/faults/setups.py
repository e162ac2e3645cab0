"""Faults that need something around the stack: a slow ClickHouse, a small disk, another clock, a second process."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from streams.embedded.role_process import RoleProcess
from streams.embedded.supervisor import Supervisor
from streams.telemetry import read_statuses
from tests.faults.harness import Wounds, wait_for
from tests.faults.proxy import Proxy

__all__ = ["ClockJump", "FullDisk", "Second", "SlowClickHouse", "Takeover", "Twin"]

_CLICKHOUSE_URL = "USERPRISM_CLICKHOUSE__URL"
_DISK_BYTES = 400_000_000
#: Processes start on the same cores as everything else here.
_READY_S = 120.0


class SlowClickHouse:
    """Every commit takes so long."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    @contextmanager
    def around(self, stack: Supervisor, _folder: Path) -> Iterator[Mapping[str, str]]:
        """Send the roles through a slow proxy."""
        assert stack.clickhouse is not None
        proxy = Proxy(stack.clickhouse.port)
        proxy.delay_s = self._seconds
        try:
            yield {_CLICKHOUSE_URL: json.dumps(f"http://127.0.0.1:{proxy.port}")}
        finally:
            proxy.close()

    def strike(self, _wounds: Wounds) -> bool:
        """It strikes all the time."""
        return True


class Takeover:
    """A profiler sleeps with a commit on its way; another takes its place; then the commit arrives, and it wakes up.

    Parameters
    ----------
    asleep_s : float
        Longer than the session.
    said : str
        What the one line in the sleeper's log has to say about its late block.
    """

    def __init__(self, asleep_s: float, said: str) -> None:
        self._asleep_s, self._said = asleep_s, said
        self._proxy: Proxy | None = None

    @contextmanager
    def around(self, stack: Supervisor, _folder: Path) -> Iterator[Mapping[str, str]]:
        """Send the roles through a proxy that can keep a commit back."""
        assert stack.clickhouse is not None
        self._proxy = Proxy(stack.clickhouse.port)
        try:
            yield {_CLICKHOUSE_URL: json.dumps(f"http://127.0.0.1:{self._proxy.port}")}
        finally:
            self._proxy.close()

    def strike(self, wounds: Wounds) -> bool:
        """Make a late block, and look for the line about it."""
        proxy, clickhouse, role = self._proxy, wounds.stack.clickhouse, wounds.stack.roles["profiler"]
        assert proxy is not None
        assert clickhouse is not None
        proxy.hold()
        sleeper = role.pid
        if sleeper is None or not proxy.held.wait(5.0):
            proxy.release()
            return False
        before = len(role.log.read_text(errors="replace"))
        with wounds.unwatched():
            os.kill(sleeper, signal.SIGSTOP)
            stopped_at = time.monotonic()
            second = _another(wounds, "profiler", {_CLICKHOUSE_URL: json.dumps(clickhouse.url)})
            time.sleep(max(0.0, stopped_at + self._asleep_s - time.monotonic()))
            proxy.release()
            time.sleep(0.5)
            os.kill(sleeper, signal.SIGCONT)
            with contextlib.suppress(AssertionError):
                wait_for(lambda: role._child is None or not role._child.alive, 30.0)
            lines = role.log.read_text(errors="replace")[before:].count(self._said)
            second.stop(3.0)
        if lines != 1:
            wounds.notes.append(f"{lines} lines of the sleeper's log say {self._said!r}, expected one")
        return True


class Twin:
    """A second process with the same instance id."""

    def __init__(self, role: str) -> None:
        self._role = role

    def strike(self, wounds: Wounds) -> bool:
        """Start it beside the first and let the two sort it out; the second isn't started again."""
        with wounds.unwatched():
            second = _another(wounds, self._role, {})
        came = second.ready
        time.sleep(3.0)
        second.stop(3.0)
        return came


class Second:
    """Another process of a role joins under load, then dies and joins again: partitions go to and fro between the two.

    The embedded broker keeps the place of a member that is gone, so a leaver's partitions wait until it is back.

    Parameters
    ----------
    role : str
        ``intake`` or ``profiler``.
    """

    def __init__(self, role: str) -> None:
        self._role = role
        self._second: RoleProcess | None = None

    @contextmanager
    def around(self, _stack: Supervisor, _folder: Path) -> Iterator[Mapping[str, str]]:
        """Leave nothing running."""
        self._second = None
        try:
            yield {}
        finally:
            if self._second is not None:
                self._second.stop(3.0)

    def strike(self, wounds: Wounds) -> bool:
        """Join, or die and join again."""
        if self._second is not None and self._second._child is not None:
            self._second._child.kill()
        with wounds.unwatched():
            name = {f"USERPRISM_{self._role.upper()}__INSTANCE_ID": json.dumps(f"{self._role}-1")}
            self._second = _another(wounds, self._role, name)
        if not self._second.ready:
            wounds.notes.append(f"the second {self._role} isn't ready: {self._second.describe()[-400:]}")
        return self._second.ready


class FullDisk:
    """ClickHouse's disk is full for a while."""

    @contextmanager
    def before(self, folder: Path) -> Iterator[None]:
        """Give ClickHouse a small file system of its own."""
        small = folder / "clickhouse"
        small.mkdir(parents=True)
        subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs", str(small)], check=True)
        try:
            yield
        finally:
            subprocess.run(["/bin/umount", "-l", str(small)], check=True)

    def strike(self, wounds: Wounds) -> bool:
        """Fill it, wait, and make room again."""
        ballast = wounds.folder / "clickhouse" / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as sink:
            while True:
                sink.write(bytes(1 << 16))
        full = shutil.disk_usage(ballast.parent).free < 1 << 16
        time.sleep(5.0)
        ballast.unlink()
        return full


class ClockJump:
    """The wall clock of all roles jumps by hours; the broker's and ClickHouse's stay right (`clock.c`)."""

    def __init__(self, hours: tuple[int, ...]) -> None:
        self._hours, self._now = hours, 0

    @contextmanager
    def around(self, _stack: Supervisor, folder: Path) -> Iterator[Mapping[str, str]]:
        """Put a library between the roles and their clock; the shift is in a file that they have mapped."""
        library, clock = folder / "clock.so", folder / "clock"
        source = Path(__file__).with_name("clock.c")
        subprocess.run(["/usr/bin/cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
        clock.write_bytes(struct.pack("l", 0))
        self._now = 0
        yield {"LD_PRELOAD": str(library), "WRONG_CLOCK": str(clock)}

    def strike(self, wounds: Wounds) -> bool:
        """Jump to another hour."""
        self._now = wounds.chance.choice([hours for hours in self._hours if hours != self._now])
        with (wounds.folder / "clock").open("r+b") as sink:
            sink.write(struct.pack("l", self._now * 3_600))
        return True


def _another(wounds: Wounds, name: str, env: Mapping[str, str]) -> RoleProcess:
    """Start a second process of a role, and wait until it says that it is ready."""
    settings = wounds.stack.settings
    command = [sys.executable, "-m", "streams.cli", "--data-dir", str(wounds.folder), name]
    assert wounds.stack.engines is not None
    addresses = wounds.stack.engines.environment
    log = settings.data / "logs" / f"{name}-second.log"
    second = RoleProcess(name, command, log, {**addresses, **wounds.env, **env})
    second.start()

    def ready() -> bool:
        second.check(read_statuses(settings.run_dir))
        return second.ready or second.pid is None

    with contextlib.suppress(AssertionError):
        wait_for(ready, _READY_S)
    return second
