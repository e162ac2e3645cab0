"""What operators order about people: records in the log of the id's partition, carried out in their turn."""

from __future__ import annotations

import time

from streams.contract import partition_of
from streams.identity import OPERATOR, Split, Undo, envelopes
from streams.roles._relay import Relay
from streams.settings import Settings

__all__ = ["order_split"]


def order_split(settings: Settings, anonymous: str, *, undo: bool) -> None:
    """Write the order and wait until the broker has it; ordering it twice changes nothing."""
    now_us = time.time_ns() // 1000
    item = Undo(anonymous, now_us) if undo else Split(anonymous, now_us)
    partition = partition_of(anonymous, settings.kafka.partitions)
    relay = Relay(settings)
    relay.send((partition, data) for data in envelopes(OPERATOR, 0, "", [item]))
    relay.flush()
    relay.close()
