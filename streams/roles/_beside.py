"""Work on several partitions at once: none knows of another, and most of it is loops that leave Python's lock alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, TypeVar

__all__ = ["Beside"]

T = TypeVar("T")

_MOST_THREADS = 4


class Beside:
    """Threads that do what `map` is asked for; with a single one everything is done where it is asked for.

    Parameters
    ----------
    threads : int
        0: as many as cores, up to four.
    """

    def __init__(self, threads: int = 0) -> None:
        threads = threads or min(os.cpu_count() or 1, _MOST_THREADS)
        self._threads = ThreadPoolExecutor(threads, "partition") if threads > 1 else None

    def map(self, function: Callable[..., T], *items: Iterable[Any]) -> list[T]:
        """Return what `map` does, when nothing of it runs any more: an exception is raised when all have ended."""
        calls = list(zip(*items, strict=True))
        if self._threads is None or len(calls) < 2:
            return [function(*call) for call in calls]
        running = [self._threads.submit(function, *call) for call in calls]
        wait(running)
        return [one.result() for one in running]

    def close(self) -> None:
        """Let the threads end."""
        if self._threads is not None:
            self._threads.shutdown()
