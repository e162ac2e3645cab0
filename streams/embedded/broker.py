"""The embedded Kafka broker: one small binary that speaks the real protocol, as a child process on loopback."""

from __future__ import annotations

import importlib.util
import os
import signal
from pathlib import Path

from streams.embedded.process import HOST, ChildProcess, free_port, require_free
from streams.embedded.producer_ids import skip_producer_ids
from streams.errors import ConfigurationError, UnavailableError
from streams.kafka import wait_for_broker
from streams.memory import KEEPING_ENV
from streams.settings import KafkaSettings, Settings

__all__ = ["Broker"]

#: The broker's own GLIBC notice, harmless on Debian 12, stays in the log.
_START_TIMEOUT_S = 15.0
_STOP_TIMEOUT_S = 2.0
_SAVING_THREAD = "autosave"
#: A thirtieth of the share that an ordinary thread gets while all cores are busy; a kill -9 then loses more seconds.
_SAVING_NICENESS = 15


class Broker:
    """A broker over one data directory.

    Parameters
    ----------
    data_dir : Path
        Where it keeps its topics; created when missing. They survive a restart.
    log : Path
        Receives its output.
    port : int
        0 picks a free one.

    Notes
    -----
    A kill -9 (or a power cut) loses up to 3 s of acknowledged records. A marker in `data_dir` stands from before the
    start until after a clean stop, so `unclean` tells the next run that partitions need padding
    (`streams.embedded.padding`).
    """

    def __init__(self, data_dir: Path, log: Path, port: int = 0) -> None:
        self.data_dir = data_dir
        self.log = log
        self.port = port or free_port()
        self.unclean = False
        self._marker = data_dir / "running"
        self._child: ChildProcess | None = None

    @property
    def bootstrap(self) -> str:
        """The address for `bootstrap.servers`."""
        return f"{HOST}:{self.port}"

    @property
    def child(self) -> ChildProcess | None:
        """The running process, None before `start` and after `stop`."""
        return self._child

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._child is not None and self._child.alive

    def start(self, timeout_s: float = _START_TIMEOUT_S) -> None:
        """Start the process and return once it answers a metadata request.

        Raises
        ------
        ConfigurationError
            The `embedded` extra is not installed.
        UnavailableError
            It ended or didn't answer in time; the message holds the end of its log.
        """
        require_free(self.port, "the embedded broker")
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.unclean = self._marker.exists()
        self._marker.touch()
        argv = [str(_binary()), "start", "--only", "kafka", "--kafka-port", str(self.port)]
        argv += ["--data-dir", str(self.data_dir), "--host", HOST]
        child = self._child = ChildProcess("broker", argv, self.log, env=KEEPING_ENV, death_signal=signal.SIGTERM)
        try:
            wait_for_broker(
                Settings(kafka=KafkaSettings(bootstrap=self.bootstrap)), timeout_s, alive=lambda: child.alive
            )
            if not child.alive:  # whatever answered on that port, it wasn't ours
                raise UnavailableError(self.bootstrap)
            if self.unclean:
                skip_producer_ids(HOST, self.port)
            _make_saving_polite(child.pid)
        except (UnavailableError, OSError) as error:
            self.stop()
            msg = f"the embedded broker didn't start on {self.bootstrap}; the end of {self.log}:\n{child.log_tail()}"
            raise UnavailableError(msg) from error

    def stop(self, timeout_s: float = _STOP_TIMEOUT_S) -> None:
        """Stop the process; only an orderly end takes the marker away."""
        if self._child is None:
            return
        if self._child.stop(timeout_s) == 0:
            self._marker.unlink(missing_ok=True)
        self._child = None


def _make_saving_polite(pid: int) -> None:
    """Let the broker's thread that writes everything to disk again, about once a second, wait for those that answer."""
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            if (task / "comm").read_text().strip() == _SAVING_THREAD:
                os.setpriority(os.PRIO_PROCESS, int(task.name), _SAVING_NICENESS)
        except OSError:  # the thread has ended, or this isn't Linux's /proc
            continue


def _binary() -> Path:
    """Return the inner binary; the pip wrapper beside it would orphan the server when it is killed."""
    spec = importlib.util.find_spec("noida_db")
    if spec is None or spec.origin is None:
        msg = "the embedded broker isn't installed: pip install 'userprism[embedded]', or set kafka.bootstrap"
        raise ConfigurationError(msg)
    return Path(spec.origin).with_name("noida-db")
