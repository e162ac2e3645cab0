"""Events into the topic, in their order per key, acknowledged before anybody counts on them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from streams.outbox import Outbox
from streams.replay.clock import EventClock
from streams.settings import Settings

__all__ = ["publish"]

#: As Kafka's own producers wait (`delivery.timeout.ms`): a broker that is away for a minute costs nobody anything.
_FLUSH_S = 120.0
_AT_ONCE = 500

Event = tuple[bytes | None, bytes]


def publish(
    settings: Settings,
    chunks: Iterable[Sequence[Event]],
    *,
    per_second: float = 0.0,
    clock: EventClock | None = None,
    stop: threading.Event | None = None,
    progress: Callable[[int], None] = lambda sent: None,
) -> int:
    """Send events to the events topic and wait until the broker has them.

    Parameters
    ----------
    chunks : iterable of sequences of (key, value)
        In the order in which they are to be read.
    per_second : float
        Pace; 0 is as fast as it goes.
    clock : EventClock, optional
        Another pace: the events' own times.
    stop : threading.Event, optional
        Ends it early; what was sent is still acknowledged.
    progress : callable
        Told how many were sent so far.

    Returns
    -------
    int
        How many were sent.

    Raises
    ------
    UnavailableError
        The broker didn't acknowledge all of them.
    """
    topic, halt = settings.kafka.topics.events, stop or threading.Event()
    sent, started = 0, time.monotonic()
    outbox = Outbox(settings, **{"linger.ms": 20, "batch.size": 900_000, "queue.buffering.max.messages": 500_000})
    with contextlib.closing(outbox):  # what fails leaves nobody behind who asks for the broker for ever
        for chunk in chunks:
            for at in range(0, len(chunk), _AT_ONCE):
                sent += _send(outbox, topic, chunk[at : at + _AT_ONCE], clock, halt)
                if per_second:
                    outbox.flush(_FLUSH_S) if sent % 5_000 < _AT_ONCE else None
                    time.sleep(max(0.0, started + sent / per_second - time.monotonic()))
                if halt.is_set():
                    break
            progress(sent)
            if outbox.failed or halt.is_set():
                break
        outbox.flush(_FLUSH_S)
    return sent


def _send(outbox: Outbox, topic: str, events: Sequence[Event], clock: EventClock | None, halt: threading.Event) -> int:
    """Queue events, with a clock each when its time has come; return how many, fewer where they were halted."""
    if clock is None:
        outbox.send_all(topic, [value for _, value in events], [key for key, _ in events])
        return len(events)
    for number, (key, value) in enumerate(events):
        clock.wait_for(value, halt)
        if halt.is_set():
            return number
        outbox.send(topic, value, key)
    return len(events)
