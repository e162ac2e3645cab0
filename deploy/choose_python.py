"""Print the python3 to make the virtual environment with: the one that was asked, or the same version, built better.

A Python compiled from source without ``--enable-optimizations`` (pyenv's default) takes half as long again for the same
work as a distribution's, which costs a tenth of the events per second (measured: medians of 86,000 and 93,000). What it
was built with can't be asked of every one (Debian's doesn't say), so a small loop is timed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["Candidate", "chosen", "main"]

#: Another one is taken when it needs at most this share of the time.
_WORTH_IT = 0.85
_TIMEOUT_S = 20
_ASK = """
import ctypes, ensurepip, ssl, sys, time, venv
def took():
    began = time.perf_counter()
    total = 0
    for number in range(300_000):
        total += number
    return time.perf_counter() - began
print("%d.%d" % sys.version_info[:2], min(took() for _ in range(5)), sys.executable)
"""


class Candidate(NamedTuple):
    """A Python that can make a virtual environment: its version (``3.11``), seconds for the loop, and where it is."""

    version: str
    seconds: float
    path: str


def chosen(asked: Candidate, others: Sequence[Candidate]) -> Candidate:
    """Return the fastest of the others of the same version when that is worth it, else the one that was asked."""
    best = min((one for one in others if one.version == asked.version), key=lambda one: one.seconds, default=asked)
    return best if best.seconds <= _WORTH_IT * asked.seconds else asked


def main() -> int:
    """Print its path, and on stderr why it isn't the one on the PATH."""
    asked = _ask(sys.executable)
    if asked is None:  # it says itself what it lacks when it makes the environment
        print(sys.executable)
        return 0
    others = [found for path in _elsewhere() if (found := _ask(path)) is not None]
    best = chosen(asked, others)
    if best is not asked:
        print(
            f"taking {best.path}: {asked.path} is the same Python {asked.version}, built without optimisation "
            f"({asked.seconds / best.seconds:.1f}x the time for a loop). PYTHON={asked.path} takes that one",
            file=sys.stderr,
        )
    print(best.path)
    return 0


def _elsewhere() -> Iterator[str]:
    """Yield the python3s of the PATH, and the system's."""
    seen = {os.path.realpath(sys.executable)}
    for folder in [*os.environ.get("PATH", "").split(os.pathsep), "/usr/local/bin", "/usr/bin"]:
        path = Path(folder, "python3")
        if folder and os.access(path, os.X_OK) and os.path.realpath(path) not in seen:
            seen.add(os.path.realpath(path))
            yield str(path)


def _ask(path: str) -> Candidate | None:
    """Return what a Python says of itself; None where it can make no virtual environment."""
    try:
        said = subprocess.run([path, "-c", _ASK], capture_output=True, text=True, timeout=_TIMEOUT_S, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    version, seconds, where = said.split(maxsplit=2)
    return Candidate(version, float(seconds), where.strip())


if __name__ == "__main__":
    raise SystemExit(main())
