"""What every benchmark shares: the table, the JSON line, the command line."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["machine", "main", "print_table", "progress"]


def print_table(title: str, headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print an aligned table on stdout; numbers to the right, with thousands separators."""
    cells = [list(headers), *[[_cell(value) for value in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headers))]
    right = [all(isinstance(row[i], int | float) or row[i] is None for row in rows) for i in range(len(headers))]
    print(f"\n{title}")
    for number, row in enumerate(cells):
        print(
            "  "
            + "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)).rstrip()
        )
        if number == 0:
            print("  " + "  ".join("-" * w for w in widths))


def progress(text: str) -> None:
    """Say on stderr what is being done, so that a minute of silence is never a riddle."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def machine() -> dict[str, Any]:
    """Return what a reader needs to compare two runs."""
    return {"cpus": len(os.sched_getaffinity(0)), "python": platform.python_version(), "machine": platform.machine()}


def main(run: Callable[..., dict[str, Any]], argv: Sequence[str] | None = None) -> int:
    """Run one benchmark from the command line; the last line of stdout is its JSON."""
    parser = argparse.ArgumentParser(description=sys.modules[run.__module__].__doc__)
    parser.add_argument("--quick", action="store_true", help="a smaller set, for a look rather than a figure")
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: the JSON line is always printed")
    arguments = parser.parse_args(argv)
    print(json.dumps(run(quick=arguments.quick)))
    return 0


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
