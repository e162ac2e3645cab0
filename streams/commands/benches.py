"""The benchmarks of a checkout."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from streams.errors import InputError

__all__ = ["bench"]


def bench(name: str, *, quick: bool, as_json: bool, more: Sequence[str] = ()) -> int:
    """Run `tests/bench/bench_NAME.py`, which is in a checkout and not in the package; `more` are options of its own.

    Raises
    ------
    InputError
        No checkout around us, or no such benchmark.
    """
    root = Path(__file__).resolve().parents[2]
    present = sorted(path.stem.removeprefix("bench_") for path in (root / "tests" / "bench").glob("bench_*.py"))
    if name not in present:
        there = ", ".join(present) or "none (run it from a checkout)"
        msg = f"no benchmark {name!r} in {root / 'tests' / 'bench'}; there: {there}"
        raise InputError(msg)
    argv = [
        sys.executable,
        "-m",
        f"tests.bench.bench_{name}",
        *(["--quick"] if quick else []),
        *(["--json"] if as_json else []),
        *more,
    ]
    return subprocess.run(argv, cwd=root, check=False).returncode
