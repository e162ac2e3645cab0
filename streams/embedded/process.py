"""Child processes that never outlive us: started with a log file, stopped by SIGTERM and then SIGKILL.

Children stay in our session, each in a process group of its own: Ctrl-C in a terminal then reaches only the supervisor,
which stops them in the right order instead of having broker and roles fall over together.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import SystemRandom

from streams.errors import UnavailableError

__all__ = ["HOST", "ChildProcess", "free_port", "require_free"]

HOST = "127.0.0.1"
#: Systems take the source ports of connections from above these (Linux: from 32768): between the choice of a port there
#: and its use somebody's connection may have it (seen).
_PORTS, _TRIES = range(20_000, 32_000), 20
_LAUNCHER = Path(__file__).with_name("launch.py")

#: The death signal follows the *thread* that forked, so all forks happen on one thread that lives as long as we do.
_forker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fork")


def free_port(preferred: int = 0) -> int:
    """Return `preferred` if it can be bound on loopback, else a port that can and that connections don't take."""
    for port in (*([preferred] if preferred else []), *SystemRandom().sample(_PORTS, _TRIES), 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    msg = f"no port can be bound on {HOST}"
    raise OSError(msg)


def require_free(port: int, what: str) -> None:
    """Refuse a port that is taken: whoever answers there would be mistaken for the child that is about to start.

    Raises
    ------
    UnavailableError
        Something listens there.
    """
    if free_port(port) != port:
        msg = f"{what} didn't start: another process listens on {HOST}:{port}. Stop it, or choose another port"
        raise UnavailableError(msg)


class ChildProcess:
    """One running program.

    Parameters
    ----------
    name : str
        For messages.
    argv : sequence of str
        The program (an absolute path) and its arguments.
    log : Path
        Receives stdout and stderr, appended; its folder is created.
    env : mapping, optional
        Added to our environment.
    death_signal : signal.Signals
        What it gets when we die without stopping it. SIGTERM only for programs that are sure to obey.
    waits : bool
        Whether it begins to work at `wake` only: when an empty line comes in.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        death_signal: signal.Signals = signal.SIGKILL,
        waits: bool = False,
    ) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-I", "-S", str(_LAUNCHER), str(int(death_signal)), str(os.getpid()), *argv]
        with log.open("ab") as sink:
            self._log_start = sink.tell()
            self._popen = _forker.submit(
                subprocess.Popen,
                command,
                stdin=subprocess.PIPE if waits else subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                process_group=0,
            ).result()

    @property
    def pid(self) -> int:
        """The process id; it stays the same through the launcher's exec."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""
        return self._popen.poll()

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.returncode is None

    def tell(self, line: str) -> None:
        """Write a line to a process that waits.

        Raises
        ------
        RuntimeError
            It doesn't wait for anybody.
        """
        if self._popen.stdin is None:
            msg = f"{self.name} doesn't wait for anybody"
            raise RuntimeError(msg)
        with contextlib.suppress(BrokenPipeError):  # it has just died: whoever watches it will see
            self._popen.stdin.write(f"{line}\n".encode())
            self._popen.stdin.flush()

    def wake(self) -> None:
        """Let a process that waits begin, with an empty line; what was logged so far isn't its own."""
        self._log_start = self.log.stat().st_size
        self.tell("")
        with contextlib.suppress(BrokenPipeError):
            if self._popen.stdin is not None:
                self._popen.stdin.close()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens if it has ended."""
        self._popen.send_signal(number)

    def wait(self, timeout_s: float) -> int | None:
        """Return the exit status, or None if it still runs after `timeout_s`."""
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, timeout_s: float) -> int:
        """Send SIGTERM, after `timeout_s` SIGKILL; return the exit status."""
        self.send_signal(signal.SIGTERM)
        status = self.wait(timeout_s)
        if status is None:
            self.kill()
            status = self._popen.wait()
        return status

    def kill(self) -> None:
        """Send SIGKILL and reap."""
        self.send_signal(signal.SIGKILL)
        self._popen.wait()
        if self._popen.stdin is not None:
            self._popen.stdin.close()

    def log_tail(self, lines: int = 12) -> str:
        """Return the last lines that this run of the program logged."""
        with self.log.open("rb") as source:
            source.seek(self._log_start)
            return "\n".join(source.read().decode("utf-8", "replace").splitlines()[-lines:])
