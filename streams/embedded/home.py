"""The embedded stack's data directory: one owner at a time, and what a restart has to remember."""

from __future__ import annotations

import fcntl
import os
import secrets
import signal
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from streams.embedded.process import free_port
from streams.errors import AlreadyRunningError

__all__ = ["Home", "write_private"]

#: What a killed owner's engines get to end by themselves; they do within 3 s.
_LEFTOVERS_S = 5.0
_POLL_S = 0.02
#: Of the transactional ids: one was settled whenever the next was given out.
_IDS_KEPT = 64


class Home:
    """A data directory that this process holds from `acquire` to `release`.

    Parameters
    ----------
    path : Path
        The data directory.

    Notes
    -----
    `lock` is held with flock(2), so it goes with its holder however that ends. `secrets.json` (mode 0600) keeps the
    passwords of ClickHouse's users, `run/engines.json` ports and process ids, `transactional-ids.json` every
    transactional id ever used, and `padding-due` stands from an unclean start of the broker until its logs are padded.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.logs = path / "logs"
        self._engines = path / "run" / "engines.json"
        self._padding = path / "padding-due"
        self._lock: int | None = None

    def acquire(self) -> None:
        """Take the directory.

        Raises
        ------
        AlreadyRunningError
            Another process has it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self._engines.parent.mkdir(exist_ok=True)
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 32, 0).decode().strip() or "unknown"
            os.close(lock)
            msg = (
                f"an embedded stack already runs on the data directory {self.path} (process {holder}). "
                "Stop it with Ctrl-C where it runs, or choose another directory with --data-dir"
            )
            raise AlreadyRunningError(msg) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        self._lock = lock
        self._await_leftovers()

    def release(self) -> None:
        """Give the directory back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def passwords(self) -> tuple[str, str]:
        """Return the writer's and the reader's password, the same at every start."""
        path = self.path / "secrets.json"
        known = _read(path)
        if not {"writer", "reader"} <= known.keys():
            known = {"writer": secrets.token_urlsafe(24), "reader": secrets.token_urlsafe(24)}
            write_private(path, known)
        return known["writer"], known["reader"]

    def ports(self) -> tuple[int, int]:
        """Return ports for broker and ClickHouse: last time's where they are free."""
        known = _read(self._engines)
        return free_port(known.get("kafka_port", 0)), free_port(known.get("clickhouse_port", 0))

    def remember_engines(self, kafka_port: int, clickhouse_port: int, pids: Iterable[int]) -> None:
        """Note what the next start needs to know about the engines that run now; a port of 0 leaves the known one."""
        ports = {"kafka_port": kafka_port, "clickhouse_port": clickhouse_port}
        known = {name: port for name, port in ports.items() if port}
        write_private(self._engines, {**_read(self._engines), **known, "pids": list(pids)})

    def transactional_ids(self, *new: str) -> list[str]:
        """Add `new` and return the transactional ids that this directory's broker has seen, the newest last.

        Old ones were settled long ago and go.
        """
        path = self.path / "transactional-ids.json"
        known: list[str] = _read(path).get("ids", [])
        ids = list(dict.fromkeys([*known, *new]))[-_IDS_KEPT:]
        if ids != known:
            write_private(path, {"ids": ids})
        return ids

    def new_transactional_id(self, instance_id: str) -> str:
        """Return an id under which nothing was ever written."""
        used = [name.removeprefix(f"{instance_id}.") for name in self.transactional_ids()]
        name = f"{instance_id}.{max((int(number) for number in used if number.isdecimal()), default=0) + 1}"
        self.transactional_ids(name)
        return name

    @property
    def padding_due(self) -> bool:
        """Whether the broker's logs may end before what was read of them."""
        return self._padding.exists()

    @padding_due.setter
    def padding_due(self, due: bool) -> None:
        if due:
            self._padding.touch()
        else:
            self._padding.unlink(missing_ok=True)

    def _await_leftovers(self) -> None:
        """Wait for engines whose owner was killed: they are ending, and still hold their files."""
        deadline = time.monotonic() + _LEFTOVERS_S
        for pid in _read(self._engines).get("pids", []):
            while _serves(pid, self.path):
                if time.monotonic() > deadline:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(_POLL_S)


def _serves(pid: int, data_dir: Path) -> bool:
    """Whether process `pid` is still what was started over `data_dir`: numbers are used again."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return os.fsencode(data_dir) + b"/" in arguments


def _read(path: Path) -> dict[str, Any]:
    try:
        fields = msgspec.json.decode(path.read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):  # a write that was cut short: as good as none
        return {}
    return fields if isinstance(fields, dict) else {}


def write_private(path: Path, fields: Mapping[str, Any]) -> None:
    """Write JSON that only its owner may read, whole or not at all."""
    temporary = path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as sink:
        sink.write(msgspec.json.encode(fields))
    temporary.replace(path)
