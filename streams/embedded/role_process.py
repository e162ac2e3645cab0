"""One role under supervision: started, restarted after a death, given up when it can't start."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from streams.embedded.backoff import Backoff
from streams.embedded.process import ChildProcess
from streams.errors import UnavailableError
from streams.memory import available_bytes, resident_bytes

__all__ = ["RoleProcess"]

_log = logging.getLogger(__name__)

#: Exit status for wrong usage (DESIGN 13): the same arguments would be wrong again.
_WRONG_USAGE = 2
#: A role that ends this often in a row by itself before it was ever ready won't be ready next time either.
_MOST_FALSE_STARTS = 3
_PUT_OFF_S = 0.5
_SPARE_AFTER_S = 15.0
#: How often a spare process is told how much memory its role holds, and by how much more it must be to be worth it.
_HOLD_EVERY_S, _HOLD_STEP = 5.0, 64 << 20


class RoleProcess:
    """A role's process and its history.

    Parameters
    ----------
    name : str
        The role.
    command : sequence of str
        Program (an absolute path) and arguments.
    log : Path
        Receives what it prints, over all its lives.
    env : mapping
        Added to our environment.
    before_life : callable, optional
        Called before each start; what it returns is added to the environment too. While it raises UnavailableError
        the start is put off.
    spare_command : sequence of str, optional
        Starts a process that is ready to work and waits for an empty line: it stands by while the role works, and takes
        its place when it dies. Lines before it, `hold` and a number, say how many bytes the role has come to hold. For
        a role whose environment is the same in every life.

    Attributes
    ----------
    failure : str or None
        Why it is given up, with the end of its log.
    restarts : int
        How often it was started again after a death.
    """

    def __init__(
        self, name: str, command: Sequence[str], log: Path, env: Mapping[str, str],
        before_life: Callable[[], Mapping[str, str]] = dict, *, spare_command: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.name = name
        self.log = log
        self.failure: str | None = None
        self.restarts = 0
        self._command, self._env, self._before_life = command, env, before_life
        self._spare_command: Sequence[str] = spare_command
        self._spare: ChildProcess | None = None
        self._held, self._held_at = 0, 0.0
        self._backoff = Backoff()
        self._false_starts = 0
        self._ready = False
        self._child: ChildProcess | None = None
        self._started_at = self._start_again_at = 0.0
        self._waits_for: RoleProcess | None = None

    @property
    def pid(self) -> int | None:
        """Process id; None while none runs."""
        return self._child.pid if self._child is not None else None

    @property
    def spare_pid(self) -> int | None:
        """Process id of the one that stands by; None while none does."""
        return self._spare.pid if self._spare is not None else None

    @property
    def ready(self) -> bool:
        """Whether this life of the role has said that it is ready."""
        return self._ready and self._child is not None

    def start(self) -> None:
        """Start a process."""
        env = {**self._env, **self._before_life()}
        self._child = ChildProcess(self.name, self._command, self.log, env=env)
        self._ready, self._waits_for = False, None
        self._started_at = time.monotonic()

    def start_after(self, other: RoleProcess) -> None:
        """Start in a `check` once another role has said that it is ready."""
        self._waits_for = other

    def check(self, statuses: Mapping[str, Mapping[str, Any]]) -> None:
        """Notice that it is ready or dead, and start it again when it is time.

        Parameters
        ----------
        statuses : mapping
            What `read_statuses` returned.
        """
        if self.failure is not None:
            return
        if self._child is None:
            due = time.monotonic() >= self._start_again_at
            if due and (self._waits_for is None or self._waits_for.ready):
                self._start_again()
            return
        if self._ready:
            self._keep_a_spare()
        else:
            self._ready = any(s.get("pid") == self._child.pid and s.get("state") == "ready" for s in statuses.values())
        status = self._child.returncode
        if status is not None:
            self._died(self._child, status)

    def _keep_a_spare(self) -> None:
        """Start one when the role has worked for a while: before that it would take time from what starts."""
        if not self._spare_command or time.monotonic() - self._started_at < _SPARE_AFTER_S:
            return
        if self._spare is None:
            self._spare = ChildProcess(f"spare {self.name}", self._spare_command, self.log, env=self._env, waits=True)
            self._held = 0
        elif not self._spare.alive:
            _log.warning("role %s goes on without a spare process: it ended by itself (log: %s)", self.name, self.log)
            self._spare.kill()
            self._spare, self._spare_command = None, ()
        elif self._child is not None and time.monotonic() - self._held_at >= _HOLD_EVERY_S:
            self._held_at = time.monotonic()
            self._let_it_hold(self._spare, resident_bytes(self._child.pid))

    def _let_it_hold(self, spare: ChildProcess, wanted: int) -> None:
        """Let it have as much memory as the role, unless that takes more than half of what is left."""
        if wanted >= self._held + _HOLD_STEP and wanted - self._held <= available_bytes() // 2:
            spare.tell(f"hold {wanted}")
            self._held = wanted

    def _start_or_wake(self) -> None:
        if self._spare is None or not self._spare.alive:
            self.start()
            return
        self._child, self._spare = self._spare, None
        self._child.wake()
        self._ready, self._started_at = False, time.monotonic()

    def _start_again(self) -> None:
        lived = self._started_at > 0.0
        try:
            self._start_or_wake()
        except UnavailableError as error:
            _log.warning("role %s can't start yet: %s", self.name, error)
            self._start_again_at = time.monotonic() + _PUT_OFF_S
        else:
            self.restarts += lived

    def stop(self, timeout_s: float) -> None:
        """Stop the process; SIGKILL after `timeout_s`."""
        if self._spare is not None:
            self._spare.kill()  # it holds nothing
            self._spare = None
        if self._child is not None:
            self._child.stop(timeout_s)
            self._child = None

    def describe(self) -> str:
        """Say how it is, with the end of its log."""
        how = "ready" if self.ready else "not ready" if self._child is not None else "not running"
        tail = self._child.log_tail() if self._child is not None else ""
        return f"{self.name}: {how}; the end of {self.log}:\n{tail}"

    def _died(self, child: ChildProcess, status: int) -> None:
        self._child = None
        how = f"status {status}" if status >= 0 else signal.Signals(-status).name
        self._false_starts = 0 if self._ready or status < 0 else self._false_starts + 1
        if status == _WRONG_USAGE or self._false_starts >= _MOST_FALSE_STARTS:
            self.failure = (
                f"role {self.name} can't start: it ended with {how} before it was ready. "
                f"The end of its log {self.log}:\n{child.log_tail()}"
            )
            return
        delay_s = self._backoff.after(time.monotonic() - self._started_at)
        self._start_again_at = time.monotonic() + delay_s
        _log.warning("role %s ended with %s; it starts again in %.1f s (log: %s)", self.name, how, delay_s, self.log)
