"""Events pass when their time has come."""

from __future__ import annotations

import threading
import time

from streams.replay.clock import EventClock


def passed(clock: EventClock, *values: bytes) -> float:
    started = time.monotonic()
    for value in values:
        clock.wait_for(value, threading.Event())
    return time.monotonic() - started


def test_a_minute_passes_in_half_a_second_at_120x() -> None:
    first, later, late = (b'{"timestamp":"2026-01-01T00:%b:00Z"}' % minute for minute in (b"00", b"01", b"00"))

    assert passed(EventClock(120), first, later, late, later) >= 0.49


def test_what_has_no_time_and_what_is_stopped_does_not_wait() -> None:
    clock = EventClock(1e-9)
    stop = threading.Event()
    stop.set()

    clock.wait_for(b'{"originalTimestamp":1790000000}', stop)
    clock.wait_for(b'{"timestamp":"2030-01-01T00:00:00Z"}', stop)
    for value in (b"{", b"\xff", b'{"timestamp":"soon"}', b"{}"):
        clock.wait_for(value, threading.Event())
