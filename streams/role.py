"""One role and nothing else: `python -m streams.role profiler --data-dir DIR`, which is what a supervisor starts.

The program `userprism` brings every command with it, a second of imports that a role which is started again after a
crash doesn't have (measured: 2.2 s of CPU against 1.0).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module

from streams.embedded.signals import stop_on_signals
from streams.errors import ConfigurationError, UserprismError
from streams.memory import keep_memory, resident_bytes
from streams.settings import load_settings
from streams.telemetry import configure_logging

__all__ = ["main"]

_ROLES = ("intake", "encoder", "profiler", "control", "web")


def main(argv: Sequence[str] | None = None) -> int:
    """Work until SIGTERM; return the exit status that the program would (DESIGN 13)."""
    parser = argparse.ArgumentParser(prog="python -m streams.role", description=__doc__)
    parser.add_argument("--config")
    parser.add_argument("--data-dir")
    parser.add_argument("--spare", action="store_true", help="be ready to work, and begin when an empty line comes in")
    parser.add_argument("role", choices=_ROLES)
    options = parser.parse_args(argv)
    configure_logging(options.role)
    try:
        role = import_module(f"streams.roles.{options.role}")
        if options.spare and not _called(sys.stdin, role.prepare()):  # nobody needs us any more
            return 0
        settings = load_settings(options.config, overrides={"data_dir": options.data_dir} if options.data_dir else {})
        with stop_on_signals() as stop:
            role.run(settings, stop)
    except UserprismError as error:
        print(f"userprism: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigurationError) else 1
    return 0


def _called(lines: Iterable[str], held: int) -> bool:
    """Wait for an empty line; until then hold as much memory as the one that works: we may have to take its place."""
    ourselves = resident_bytes(os.getpid()) - held  # code and kernels, which the other one has as well
    for line in lines:
        match line.split():
            case []:
                return True
            case ["hold", amount]:
                keep_memory(max(int(amount) - ourselves, held))
    return False


if __name__ == "__main__":
    sys.exit(main())
