"""A consumer that asks a broker which answers at once no more than it has to.

A Kafka broker holds a fetch back until there is something to read or `fetch.max.wait.ms` is over. The embedded one
answers at once, so that aiokafka, Faust's client, asked an idle broker a thousand times a second: two thirds of a core.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from aiokafka.consumer import consumer, fetcher  # type: ignore[import-untyped]

__all__ = ["EMPTY_FETCHES_A_SECOND", "wait_between_empty_fetches"]

#: By each connection at most; what a new record waits at worst is the time between two.
EMPTY_FETCHES_A_SECOND = 20


class _PatientFetcher(fetcher.Fetcher):  # type: ignore[misc]  # aiokafka has no types
    async def _proc_fetch_request(self, assignment: Any, node_id: int, request: Any) -> bool:
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        found: bool = await super()._proc_fetch_request(assignment, node_id, request)
        if not found:
            with contextlib.suppress(asyncio.CancelledError):  # a fetcher that closes awaits what it cancelled
                await asyncio.sleep(asked_at + 1 / EMPTY_FETCHES_A_SECOND - loop.time())
        return found


def wait_between_empty_fetches() -> None:
    """Let every aiokafka consumer that this process starts from now on wait after an empty answer that came at once."""
    consumer.Fetcher = _PatientFetcher
