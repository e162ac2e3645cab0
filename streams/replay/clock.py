"""The pace of a replay: the events' own times, faster by a factor."""

from __future__ import annotations

import threading
import time

import msgspec

from streams.contract.times import INVALID, MISSING, parse_time

__all__ = ["EventClock"]


class _Timed(msgspec.Struct, rename="camel"):
    timestamp: str | int | float | None = None
    original_timestamp: str | int | float | None = None


_decode = msgspec.json.Decoder(_Timed).decode


class EventClock:
    """Lets events pass when their time has come; the first one passes at once.

    Parameters
    ----------
    factor : float
        How many seconds of the events go by in one of ours.
    """

    def __init__(self, factor: float) -> None:
        self._factor = factor
        self._first_us: int | None = None
        self._started = 0.0

    def wait_for(self, value: bytes, stop: threading.Event) -> None:
        """Return when it is the event's turn, or `stop` is set. Late events and those without a time don't wait."""
        at_us = _time_of(value)
        if at_us is None:
            return
        if self._first_us is None:
            self._first_us, self._started = at_us, time.monotonic()
        due = self._started + (at_us - self._first_us) / 1e6 / self._factor
        delay_s = due - time.monotonic()
        if delay_s > 0:
            stop.wait(delay_s)


def _time_of(value: bytes) -> int | None:
    try:
        event = _decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    at_us = parse_time(event.timestamp if event.timestamp is not None else event.original_timestamp)
    return None if at_us in {INVALID, MISSING} else at_us
