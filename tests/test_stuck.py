"""Who is stuck ends, and says where; who goes on isn't disturbed."""

from __future__ import annotations

import subprocess
import sys

_WORK = """
import sys, time
from streams.stuck import ends_if_stuck

def a_call_that_never_returns():
    time.sleep(60.0)

with ends_if_stuck() as within:
    for _ in range(50):  # longer than may pass, in steps that are far shorter: a busy machine ends nobody
        within(2.0)
        time.sleep(0.05)
    if sys.argv[1] == "stuck":
        a_call_that_never_returns()
time.sleep(2.5)
print("done")
"""


def work(how: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", _WORK, how], capture_output=True, text=True, timeout=50, check=False)


def test_a_process_that_is_stuck_ends_and_says_where() -> None:
    ended = work("stuck")

    assert (ended.returncode, ended.stdout) == (1, "")
    assert "a_call_that_never_returns" in ended.stderr


def test_a_process_that_goes_on_and_leaves_is_not_ended() -> None:
    ended = work("goes on")

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")
