"""Several things at once, within a time: how starts and stops of a stack are done."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

__all__ = ["side_by_side", "time_left"]

_LAST_CHANCE_S = 0.3


def side_by_side(actions: Sequence[Callable[[], None]]) -> None:
    """Run all to their end, then raise the first error."""
    if not actions:
        return
    with ThreadPoolExecutor(len(actions)) as pool:
        futures = [pool.submit(action) for action in actions]
    for future in futures:
        future.result()


def time_left(deadline: float) -> float:
    """Return seconds until `deadline` (monotonic), and a last chance when it is over."""
    return max(deadline - time.monotonic(), _LAST_CHANCE_S)
