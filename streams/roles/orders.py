"""What operators order about people: records in the log of the id's partition, carried out in their turn."""

from __future__ import annotations

import time
from collections.abc import Sequence

from streams.contract import Erase, encode_control, partition_of
from streams.identity import OPERATOR, Split, Undo, envelopes
from streams.outbox import Outbox
from streams.roles._relay import Relay
from streams.settings import Settings

__all__ = ["order_erase", "order_split"]

_FLUSH_S = 30.0


def order_split(settings: Settings, anonymous: str, *, undo: bool) -> None:
    """Write the order and wait until the broker has it; ordering it twice changes nothing."""
    now_us = time.time_ns() // 1000
    item = Undo(anonymous, now_us) if undo else Split(anonymous, now_us)
    partition = partition_of(anonymous, settings.kafka.partitions)
    relay = Relay(settings)
    relay.send((partition, data) for data in envelopes(OPERATOR, 0, "", [item]))
    relay.flush()
    relay.close()


def order_erase(settings: Settings, orders: Sequence[Erase]) -> None:
    """Write orders into the logs of the persons' partitions and wait until the broker has them."""
    outbox = Outbox(settings)
    for order in orders:
        value, headers = encode_control(order)
        partition = partition_of(order.profile_id, settings.kafka.partitions)
        outbox.send(settings.kafka.topics.clicks, value, partition=partition, headers=headers)
    outbox.flush(_FLUSH_S)
    outbox.close()
