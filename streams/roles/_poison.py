"""Blocks that can't be read: the profiler stops at them, or sets them aside where somebody finds them (ADR 8)."""

from __future__ import annotations

import logging
import time

from streams.contract import DeadLetter
from streams.errors import StateError
from streams.outbox import Outbox
from streams.roles._clicks import Record
from streams.settings import Settings

__all__ = ["REASON", "Poison"]

log = logging.getLogger(__name__)

#: Value of `dlq_reason`; `dlq_step` is ``profiler``.
REASON = "corrupt_block"
_FLUSH_S = 10.0


class Poison:
    """What becomes of them, by `profiler.corrupt_blocks`."""

    def __init__(self, settings: Settings) -> None:
        self._topics = settings.kafka.topics
        self._set_aside = settings.profiler.corrupt_blocks == "dead_letter"
        self._outbox = Outbox(settings)

    def refuse(self, record: Record, error: Exception) -> None:
        """Return once the record is a dead letter that the broker has.

        Raises
        ------
        StateError
            The profiler is to stop.
        UnavailableError
            The broker didn't take it; its offset mustn't be passed.
        """
        place = f"{self._topics.clicks}[{record.partition}] offset {record.offset}"
        if not self._set_aside:
            msg = (
                f"{place} can't be read: {error}. Nothing behind it counts until that is settled. Repair the topic, or "
                'set profiler.corrupt_blocks = "dead_letter": the block then goes to the dead letters, and its events '
                "count nowhere"
            )
            raise StateError(msg)
        log.error("%s can't be read and becomes a dead letter; its events count nowhere: %s", place, error)
        letter = DeadLetter(
            self._topics.clicks, record.partition, record.offset, 0, REASON, time.time_ns() // 1_000_000, None,
            record.value, [], step="profiler",
        )  # fmt: skip
        self._outbox.send(self._topics.dead_letters, letter.value, headers=letter.record_headers())
        self._outbox.flush(_FLUSH_S)

    def close(self) -> None:
        """Let go of the broker."""
        self._outbox.close()
