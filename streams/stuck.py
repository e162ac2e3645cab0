"""A process that hangs in a library ends itself and says where: whoever watches over it starts it again."""

from __future__ import annotations

import faulthandler
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["ends_if_stuck"]


@contextmanager
def ends_if_stuck() -> Iterator[Callable[[float], None]]:
    """Give a function that says how many seconds may pass until it is called again, or the block is left.

    Past that the process writes on stderr where each of its threads is, and ends with status 1, as if it had been
    killed: only for work that a crash can't harm.

    Examples
    --------
    >>> with ends_if_stuck() as within:
    ...     for step in range(3):
    ...         within(60.0)
    """

    def within(seconds: float) -> None:
        faulthandler.dump_traceback_later(seconds, exit=True)

    try:
        yield within
    finally:
        faulthandler.cancel_dump_traceback_later()
