"""Memory that was used once stays: using as much again faults no page in."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from streams.memory import available_bytes, resident_bytes

HELD = 600 << 20
PAGES = 64 * 256  # of 64 MB
_USED_TWICE = """
import resource, sys
import numpy as np
from streams.memory import keep_memory
if sys.argv[1] == "kept":
    keep_memory(1 << 20)
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    held = [np.empty(1 << 20, np.uint8) for _ in range(64)]  # too small for huge pages
    for array in held:
        array[::4096] = 1
    del held, array
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults)
"""


def faults_of_a_second_use(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", _USED_TWICE, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


def waits(pid: int) -> bool:
    """Say whether a process sleeps until something comes."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def test_a_process_that_ended_holds_nothing() -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()

    assert resident_bytes(done.pid) == 0
    assert resident_bytes(os.getpid()) > 1 << 20
    assert available_bytes() > 1 << 20


def test_a_spare_process_holds_what_the_one_that_works_holds() -> None:
    command = [sys.executable, "-m", "streams.role", "--spare", "profiler"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as spare:
        assert spare.stdin is not None
        spare.stdin.write(f"hold {HELD}\n")
        spare.stdin.flush()
        deadline = time.monotonic() + 60
        while resident_bytes(spare.pid) < 0.95 * HELD or not waits(spare.pid):
            assert time.monotonic() < deadline, "it doesn't hold as much"
            time.sleep(0.05)
        assert resident_bytes(spare.pid) < 1.1 * HELD  # or each successor would hold more than the one before
        spare.stdin.close()

        assert spare.wait(60) == 0


def test_memory_used_once_is_used_again() -> None:
    assert faults_of_a_second_use("given back") > PAGES / 2
    assert faults_of_a_second_use("kept") < PAGES / 100
