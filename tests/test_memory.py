"""Memory that was used once stays: using as much again faults no page in."""

from __future__ import annotations

import subprocess
import sys

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


def test_memory_used_once_is_used_again() -> None:
    assert faults_of_a_second_use("given back") > PAGES / 2
    assert faults_of_a_second_use("kept") < PAGES / 100
