"""Answers of the read layer for many who ask at once: a question is asked once at a time, its answer kept a moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from clickhouse_connect.driver.client import Client

from streams.settings import Settings
from streams.storage.client import connect
from streams.storage.written_names import written_names
from streams.web import decide, read

__all__ = ["Live"]

T = TypeVar("T")

#: Seconds that an answer stands; evidence is drawn anew every 15 s anyway.
_KEEP_S = 1.0
_KEEP_LONGER_S: dict[Callable[..., Any], float] = {
    read.segment_card: 10.0,
    read.segment_names: 5.0,
    read.segment_evidence: 5.0,
    read.segmentations: 10.0,
    written_names: 10.0,
    read.flows: 5.0,
    read.stability: 5.0,
    read.health: 2.0,
    read.sizes_over_time: 2.0,
    read.people_map: 30.0,
    read.why_this_segment: 10.0,
    decide.recommendations: 5.0,
    decide.outcomes: 5.0,
}
#: They are asked with the settings, too: how a person's vector is made, and rules, stand there.
_WITH_SETTINGS = (
    read.people_map,
    read.why_this_segment,
    decide.recommendations,
    decide.price_of,
    decide.record_price,
    decide.experiences_of,
    decide.record_experiences,
    decide.publish_audience,
)
#: Questions that run beside each other: the engine has two threads for each, and others to answer.
_AT_ONCE = 4
_MOST_KEPT = 2_000


class Live:
    """Asks ClickHouse as the reading user (and tells it as the writing one), in threads; use it from one event loop.

    Parameters
    ----------
    settings : Settings
        Where ClickHouse is.

    Notes
    -----
    Fifty people on one page cause one query: whoever asks while the same question is on its way waits for that answer.
    An error isn't kept.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._client: Client | None = None
        self._writer: Client | None = None
        self._threads = ThreadPoolExecutor(_AT_ONCE, "read")
        self._kept: dict[Any, tuple[float, asyncio.Task[Any]]] = {}

    async def ask(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Return ``function(client, *args, **kwargs)``; arguments must be hashable, settings are put in where needed.

        Raises
        ------
        ClickHouseError, OSError, UnavailableError
            ClickHouse is away.
        """
        key = (function, args, tuple(sorted(kwargs.items())))
        kept = self._kept.get(key)
        if kept is not None and (not kept[1].done() or time.monotonic() < kept[0]):
            task: asyncio.Task[T] = kept[1]
        else:
            self._forget_old()
            task = asyncio.ensure_future(self._run(key, function, args, kwargs))
            self._kept[key] = (float("inf"), task)
        return await asyncio.shield(task)  # who leaves doesn't take the answer from the others

    async def ask_anew(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Ask, whatever was answered before."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._answer, function, args, kwargs)

    async def tell(self, function: Callable[..., T], *args: Any, forget: bool = True) -> T:
        """Call a function that writes; with `forget` what was answered before is asked again."""
        loop = asyncio.get_running_loop()
        said = await loop.run_in_executor(self._threads, self._write, function, args)
        if forget:
            self._kept = {key: kept for key, kept in self._kept.items() if not kept[1].done()}
        return said

    def close(self) -> None:
        """Let go of threads and connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for client in (self._client, self._writer):
            if client is not None:
                client.close()

    async def _run(self, key: Any, function: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        loop = asyncio.get_running_loop()
        try:
            answer = await loop.run_in_executor(self._threads, self._answer, function, args, kwargs)
        except BaseException:
            self._kept.pop(key, None)
            raise
        task = self._kept[key][1]
        self._kept[key] = (time.monotonic() + _KEEP_LONGER_S.get(function, _KEEP_S), task)
        return answer

    def _answer(self, function: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        if self._client is None:
            self._client = connect(self.settings, reader=True)
        if function in _WITH_SETTINGS:
            return function(self._client, self.settings, *args, **kwargs)
        return function(self._client, *args, **kwargs)

    def _write(self, function: Callable[..., T], args: tuple[Any, ...]) -> T:
        if self._writer is None:
            self._writer = connect(self.settings)
        return function(self._writer, *([self.settings] if function in _WITH_SETTINGS else []), *args)

    def _forget_old(self) -> None:
        if len(self._kept) >= _MOST_KEPT:
            now = time.monotonic()
            self._kept = {key: kept for key, kept in self._kept.items() if not kept[1].done() or now < kept[0]}
            while len(self._kept) >= _MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))
