"""One reader for all who watch the same thing: fifty open pages ask ClickHouse as often as one does."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any

__all__ = ["Feed", "Feeds", "Snapshot"]

_log = logging.getLogger(__name__)

#: Reading may take this share of the time: what is slow to read is read less often.
_SHARE = 0.2
#: After an error, and how much longer after each further one.
_PAUSE_S, _MOST_PAUSE_S = 1.0, 15.0
#: Nobody may watch for so long before a reader rests: who goes from page to page finds numbers.
_LINGER_S = 20.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was read, and when.

    Attributes
    ----------
    value : object
        None before the first read.
    as_of : float
        When the read began (Unix time, s).
    took_s : float
        How long it took.
    error : str
        Why the newest read failed; `value` is then an older one.
    """

    value: Any = None
    as_of: float = 0.0
    took_s: float = 0.0
    error: str = ""


Watcher = Callable[[Snapshot], None]
Read = Callable[[], Awaitable[Any]]


class Feed:
    """Reads again and again while somebody watches.

    Parameters
    ----------
    read : callable
        Reads once.
    every_s : float
        From the beginning of one read to that of the next, at the least.

    Attributes
    ----------
    last : Snapshot
        The newest one.
    memo : dict
        What was made of it, for the next one who wants the same; emptied when there is a newer one.
    reads : int
        How often it has read.

    Notes
    -----
    All methods belong to one event loop.
    """

    def __init__(self, read: Read, every_s: float) -> None:
        self._read, self._every_s = read, every_s
        self._watchers: set[Watcher] = set()
        self._task: asyncio.Task[None] | None = None
        self._fresh = asyncio.Event()
        self._failures = 0
        self._watched_at = 0.0
        self.reads = 0
        self.last = Snapshot()
        self.memo: dict[Any, Any] = {}

    @property
    def idle(self) -> bool:
        """Whether nobody watches and nothing is read."""
        return not self._watchers and self._task is None

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call `watcher` with every new snapshot; what is returned ends that."""
        self._watchers.add(watcher)
        self._wake()

        def end() -> None:
            self._watchers.discard(watcher)

        return end

    async def latest(self, timeout_s: float = 2.5) -> Snapshot:
        """Return the newest snapshot, waiting for the first one at most `timeout_s`."""
        self._wake()
        if not self.last.as_of:
            try:
                await asyncio.wait_for(self._fresh.wait(), timeout_s)
            except TimeoutError:
                return self.last
        return self.last

    def stop(self) -> None:
        """Read no more."""
        if self._task is not None:
            self._task.cancel()

    def _wake(self) -> None:
        self._watched_at = time.monotonic()
        if self._task is None:
            stale = time.time() - self.last.as_of > self._every_s * 3
            if stale:  # of long ago: better wait a moment than show it
                self.last = Snapshot()
                self._fresh.clear()
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        try:
            while self._watchers or time.monotonic() - self._watched_at < _LINGER_S:
                if self._watchers:
                    self._watched_at = time.monotonic()
                started = time.monotonic()
                await self._once()
                took_s = time.monotonic() - started
                pause_s = max(self._every_s - took_s, took_s * (1 / _SHARE - 1))
                if self._failures:
                    pause_s = min(_PAUSE_S * 2 ** (self._failures - 1), _MOST_PAUSE_S)
                await asyncio.sleep(pause_s)
        finally:
            self._task = None

    async def _once(self) -> None:
        as_of, started = time.time(), time.monotonic()
        self.reads += 1
        try:
            value = await self._read()
        except Exception as error:  # whatever it is, the page says so and goes on
            if not self._failures:
                _log.warning("a page can't be read: %s", error, exc_info=True)
            self._failures += 1
            self.last = Snapshot(self.last.value, self.last.as_of or as_of, error=type(error).__name__)
        else:
            self._failures = 0
            self.last = Snapshot(value, as_of, time.monotonic() - started)
        self.memo.clear()
        self._fresh.set()
        for watcher in tuple(self._watchers):
            try:
                watcher(self.last)
            except Exception:
                _log.exception("a page couldn't take what was read")


class Feeds:
    """All feeds, by what they read; those that nobody watches make room for others.

    Parameters
    ----------
    most : int
        How many are kept at once: what is watched is chosen by addresses that anybody can type.
    """

    def __init__(self, most: int = 200) -> None:
        self._feeds: OrderedDict[Hashable, Feed] = OrderedDict()
        self._most = most

    def of(self, key: Hashable, read: Read, every_s: float) -> Feed:
        """Return the feed of a key, made when it isn't there."""
        feed = self._feeds.get(key)
        if feed is None:
            self._make_room()
            feed = self._feeds[key] = Feed(read, every_s)
        self._feeds.move_to_end(key)
        return feed

    @property
    def reads(self) -> int:
        """How often all of them have read."""
        return sum(feed.reads for feed in self._feeds.values())

    def close(self) -> None:
        """Stop reading."""
        for feed in self._feeds.values():
            feed.stop()

    def _make_room(self) -> None:
        for key in [key for key, feed in self._feeds.items() if feed.idle][: max(len(self._feeds) + 1 - self._most, 0)]:
            del self._feeds[key]
        while len(self._feeds) >= self._most:
            _, feed = self._feeds.popitem(last=False)
            feed.stop()
