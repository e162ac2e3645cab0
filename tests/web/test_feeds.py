"""One reader for everybody who watches, whatever fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from streams.web.pages.feeds import Feeds, Snapshot


def run(body: Callable[[Feeds], Awaitable[None]], most: int = 200) -> None:
    async def with_feeds() -> None:
        feeds = Feeds(most)
        try:
            await body(feeds)
        finally:
            feeds.close()

    asyncio.run(with_feeds())


class Reads:
    """Counts how often it is read, and can fail."""

    def __init__(self) -> None:
        self.count, self.failing = 0, False

    async def __call__(self) -> int:
        self.count += 1
        await asyncio.sleep(0)
        if self.failing:
            msg = "ClickHouse is away"
            raise OSError(msg)
        return self.count


async def until(said: list[Snapshot], holds: Callable[[Snapshot], bool]) -> Snapshot:
    for _ in range(2_000):
        if said and holds(said[-1]):
            return said[-1]
        await asyncio.sleep(0.005)
    msg = f"never came: {said[-3:]}"
    raise AssertionError(msg)


def test_fifty_watchers_cost_one_read() -> None:
    async def body(feeds: Feeds) -> None:
        reads = Reads()
        said: list[list[Snapshot]] = [[] for _ in range(50)]
        for heard in said:
            feeds.of("view", reads, 3_600.0).watch(heard.append)
        await asyncio.gather(*(feeds.of("view", reads, 3_600.0).latest() for _ in range(50)))

        assert reads.count == 1
        assert [len(heard) for heard in said] == [1] * 50

    run(body)


def test_what_was_read_stays_when_reading_fails_and_it_goes_on_by_itself() -> None:
    async def body(feeds: Feeds) -> None:
        reads, said = Reads(), list[Snapshot]()
        feed = feeds.of("view", reads, 0.01)
        feed.watch(said.append)
        good = await until(said, lambda s: s.value is not None)
        reads.failing = True
        failed = await until(said, lambda s: bool(s.error))

        assert failed.value is not None
        assert failed.as_of >= good.as_of
        assert failed.as_of <= said[-1].as_of
        reads.failing = False
        await until(said, lambda s: not s.error)

    run(body)


def test_one_watcher_that_fails_takes_nothing_from_the_others() -> None:
    async def body(feeds: Feeds) -> None:
        def breaks(_: Snapshot) -> None:
            raise RuntimeError

        said: list[Snapshot] = []
        feed = feeds.of("view", Reads(), 0.01)
        feed.watch(breaks)
        end = feed.watch(said.append)
        await until(said, lambda s: s.value == 2)
        end()
        heard = len(said)
        await feed.latest()
        assert len(said) == heard

    run(body)


def test_a_first_read_that_fails_is_said() -> None:
    async def body(feeds: Feeds) -> None:
        reads = Reads()
        reads.failing = True
        snapshot = await feeds.of("view", reads, 0.01).latest()

        assert snapshot.value is None
        assert snapshot.error == "OSError"

    run(body)


def test_addresses_that_somebody_makes_up_do_not_fill_memory() -> None:
    async def body(feeds: Feeds) -> None:
        feeds_made = [feeds.of(("person", str(i)), Reads(), 3_600.0) for i in range(50)]

        assert feeds.of(("person", "49"), Reads(), 3_600.0) is feeds_made[49]
        assert feeds.of(("person", "0"), Reads(), 3_600.0) is not feeds_made[0]

    run(body, most=10)
