"""Ctrl-C and SIGTERM as an event: whoever owns processes ends its loop and stops them in order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["stop_on_signals"]


@contextmanager
def stop_on_signals(*numbers: signal.Signals) -> Iterator[threading.Event]:
    """Give an event that SIGINT and SIGTERM (or `numbers`) set; the handlers before it come back at the end.

    Only the main thread may call this.
    """
    event = threading.Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        # A thread of its own: the interrupted code may be inside `event.wait` and hold the event's lock.
        threading.Thread(target=event.set, daemon=True).start()

    before = {number: signal.signal(number, handle) for number in numbers or (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
