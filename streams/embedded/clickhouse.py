"""The embedded ClickHouse: `python -m streams.embedded.clickhouse` is the server, `ClickHouse` its owner's handle.

The engine lives in a process of its own because it can then be killed, capped and restarted without taking a role with
it, and because roles speak HTTP to it as they do to a server.
"""

from __future__ import annotations

import argparse
import http.client
import logging
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streams.embedded.clickhouse_http import ClickHouseServer, Credential
from streams.embedded.engine import Engine
from streams.embedded.process import HOST, ChildProcess, free_port, require_free
from streams.errors import UnavailableError
from streams.memory import ENGINE_KEEPING_ENV, keep_memory
from streams.telemetry import configure_logging

__all__ = ["ClickHouse", "main"]

_log = logging.getLogger(__name__)

WRITER = "default"
READER = "reader"
_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 2.5
#: What a stop waits for running statements; an insert that isn't acknowledged by then may be lost, and may not.
_DRAIN_S = 1.5
_POLL_S = 0.02
#: Bodies of inserts as they come and unpacked: a commit of 10,000 people is 20 MB.
_RESERVE_BYTES = 64 << 20
_WRITER_PASSWORD = "USERPRISM_EMBEDDED_WRITER_PASSWORD"  # noqa: S105 - names of variables
_READER_PASSWORD = "USERPRISM_EMBEDDED_READER_PASSWORD"  # noqa: S105


class ClickHouse:
    """The server process over one data directory, seen from the process that starts it.

    Parameters
    ----------
    data_dir : Path
        Databases live here; created when missing.
    log : Path
        Receives the process's output.
    port : int
        0 picks a free one.
    password, reader_password : str
        Generated when empty.
    memory_bytes : int
        Cap of the engine; 0 takes half of the machine's memory.
    """

    def __init__(
        self,
        data_dir: Path,
        log: Path,
        port: int = 0,
        *,
        password: str = "",
        reader_password: str = "",
        memory_bytes: int = 0,
    ) -> None:
        self.data_dir = data_dir
        self.log = log
        self.port = port or free_port()
        self.password = password or secrets.token_urlsafe(24)
        self.reader_password = reader_password or secrets.token_urlsafe(24)
        self.memory_bytes = memory_bytes
        self._child: ChildProcess | None = None

    @property
    def url(self) -> str:
        """Where its HTTP interface answers."""
        return f"http://{HOST}:{self.port}"

    @property
    def section(self) -> dict[str, str]:
        """The keys of the `clickhouse` table of the settings that point at this server."""
        return {
            "url": self.url,
            "user": WRITER,
            "password": self.password,
            "reader_user": READER,
            "reader_password": self.reader_password,
        }

    @property
    def child(self) -> ChildProcess | None:
        """The running process, None before `start` and after `stop`."""
        return self._child

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._child is not None and self._child.alive

    def start(self, timeout_s: float = _START_TIMEOUT_S) -> None:
        """Start the process and return once it answers /ping.

        Raises
        ------
        UnavailableError
            It ended or didn't answer in time; the message holds the end of its log.
        """
        require_free(self.port, "the embedded ClickHouse")
        self.data_dir.mkdir(parents=True, exist_ok=True)
        argv = [sys.executable, "-m", "streams.embedded.clickhouse", "--data-dir", str(self.data_dir)]
        argv += ["--port", str(self.port), "--memory-bytes", str(self.memory_bytes)]
        env = {"TZ": "UTC", **ENGINE_KEEPING_ENV}
        env |= {_WRITER_PASSWORD: self.password, _READER_PASSWORD: self.reader_password}
        child = self._child = ChildProcess("clickhouse", argv, self.log, env=env, death_signal=signal.SIGTERM)
        deadline = time.monotonic() + timeout_s
        while not (_ping(self.port) and child.alive):
            if not child.alive or time.monotonic() > deadline:
                self.stop()
                msg = f"the embedded ClickHouse didn't start on {self.url}; the end of {self.log}:\n{child.log_tail()}"
                raise UnavailableError(msg)
            time.sleep(_POLL_S)

    def stop(self, timeout_s: float = _STOP_TIMEOUT_S) -> None:
        """Stop the process; running statements get a moment to end."""
        if self._child is not None:
            self._child.stop(timeout_s)
            self._child = None


def _ping(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=1.0)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _memory_bytes(asked: int) -> int:
    return asked or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then let running statements end and exit."""
    parser = argparse.ArgumentParser(prog="python -m streams.embedded.clickhouse", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--memory-bytes", type=int, default=0)
    arguments = parser.parse_args(argv)
    passwords = [os.environ.pop(name, "") for name in (_WRITER_PASSWORD, _READER_PASSWORD)]
    if not all(passwords):
        parser.error(f"set {_WRITER_PASSWORD} and {_READER_PASSWORD}: what the two users must say")
    configure_logging("clickhouse")
    keep_memory(_RESERVE_BYTES)
    credentials = [Credential(WRITER, passwords[0]), Credential(READER, passwords[1], reader=True)]
    engine = Engine(arguments.data_dir, _memory_bytes(arguments.memory_bytes))
    server = ClickHouseServer(engine, arguments.port, credentials)

    def stop(number: int, _frame: Any) -> None:
        _log.info("stopping after %s", signal.Signals(number).name)
        threading.Thread(target=server.shutdown, daemon=True).start()

    # After the engine, which brings handlers of its own.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    _log.info("ClickHouse %s on %s:%d, data in %s", engine.version, HOST, arguments.port, arguments.data_dir)
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    if server.drain(_DRAIN_S):
        engine.close()
    logging.shutdown()
    os._exit(0)  # a statement that still runs would hold the interpreter's exit


if __name__ == "__main__":
    main()
