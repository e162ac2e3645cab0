"""What owners of partitions say to each other, into `userprism.clicks`: in order, and acknowledged before a commit."""

from __future__ import annotations

from collections.abc import Iterable

from streams.contract.control import CONTROL_HEADER, IDENTITY
from streams.identity import Outgoing
from streams.outbox import Outbox
from streams.settings import Settings

__all__ = ["IDENTITY", "Relay"]

_FLUSH_S = 30.0


class Relay:
    """Sends records of identity to partitions.

    A receiver passes over what comes behind something later of the same source, so a record may be late but never
    missing: it is tried for as long as the relay lives, and nothing goes out behind one that failed.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = settings.kafka.topics.clicks
        self._outbox: Outbox | None = None

    def send(self, said: Iterable[Outgoing]) -> None:
        """Queue records; those of one source for one partition arrive in this order."""
        for partition, value in said:
            self._open().send(self._topic, value, partition=partition, headers=[(CONTROL_HEADER, IDENTITY)])

    def flush(self) -> None:
        """Wait until the broker has everything.

        Raises
        ------
        UnavailableError
            It hasn't. Memory is ahead of what was said then: discard it, restore, and say it all again.
        """
        if self._outbox is not None:
            self._outbox.flush(_FLUSH_S)

    def forget(self) -> None:
        """Give up what isn't sent; the log says it again."""
        self.close()

    def close(self) -> None:
        """Let go of the broker."""
        if self._outbox is not None:
            self._outbox.close()
            self._outbox = None

    def _open(self) -> Outbox:
        if self._outbox is None:
            self._outbox = Outbox(
                self._settings,
                **{
                    "enable.gapless.guarantee": True,
                    "message.timeout.ms": 0,
                    "queue.buffering.max.messages": 1_000_000,
                    "compression.type": "none",  # envelopes are compressed: see streams.contract.frames
                },
            )
        return self._outbox
