"""Waiting, small roles, and a look at processes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil

from streams.settings import Settings

T = TypeVar("T")

#: Says that it is ready, as roles do, and works until SIGTERM.
GOOD_ROLE = """
import os, signal, sys, threading
from pathlib import Path
from streams.telemetry import RoleStatus
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
status = RoleStatus(Path(sys.argv[1]), sys.argv[2])
status.update(state="ready")
print("kafka", os.environ["USERPRISM_KAFKA__BOOTSTRAP"], flush=True)
while not stop.wait(0.05):
    pass
status.close()
print("stopped", flush=True)
"""

#: The same, and a spare process of it waits for an empty line first.
SPARE_ROLE = f"""
import sys
if "--spare" in sys.argv:
    sys.argv.remove("--spare")
    any(not line.strip() for line in sys.stdin) or sys.exit()
{GOOD_ROLE}"""

#: Ends by itself before it is ever ready.
BROKEN_ROLE = "import sys; print('no such model: sunflower', flush=True); sys.exit(1)"
WRONG_ROLE = "import sys; print('unknown option --petals', flush=True); sys.exit(2)"
#: Doesn't obey.
DEAF_ROLE = GOOD_ROLE.replace("stop.set()", "None")


def commands(settings: Settings, **scripts: str) -> Callable[[str], list[str]]:
    """Give a `role_command` that runs `scripts` by role name, GOOD_ROLE for all others."""

    def command(role: str) -> list[str]:
        return [sys.executable, "-c", scripts.get(role, GOOD_ROLE), str(settings.run_dir), role]

    return command


def wait_for(probe: Callable[[], T], what: str, timeout_s: float = 30.0, every_s: float = 0.02) -> T:
    """Return the first true value of `probe`, which is asked every so often."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            msg = f"waited {timeout_s} s for {what}"
            raise AssertionError(msg)
        time.sleep(every_s)


def processes_of(folder: Path) -> list[str]:
    """Command lines of running processes that name `folder`; ours is not among them."""
    found = []
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
            if str(folder) in line and process.pid != psutil.Process().pid and process.status() != "zombie":
                found.append(line)
        except psutil.NoSuchProcess:
            continue
    return found
