"""Become another program that dies with its parent: `python -I -S launch.py SIGNAL PARENT_PID PROGRAM ARG...`.

Linux can send a process a signal when its parent dies (prctl(2), PR_SET_PDEATHSIG), and the setting survives execve.
Asking for it here, between fork and exec but in a fresh interpreter, needs no Python code in a fork of a process that
has threads (`preexec_fn` could deadlock there). This file is run by path, so it imports nothing of `streams`.
"""

import ctypes
import os
import signal
import sys

__all__ = ["die_with", "main"]

_PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> None:
    """Ask for the signal, make sure that the parent is still there, and turn into the program."""
    death_signal, parent, program, *arguments = argv
    die_with(int(parent), int(death_signal))
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execv(program, [program, *arguments])  # noqa: S606 - the point of this file


def die_with(parent: int, death_signal: int) -> None:
    """Ask for a signal when the thread of `parent` that started this process ends; end at once if it has."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:  # it died before we could ask
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
