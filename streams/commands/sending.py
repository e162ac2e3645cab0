"""Events on their way in: the simulated shop, files, and what to say when they have arrived."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from streams.demo.run import DemoSummary, Interrupted, wait_for_arrival
from streams.embedded.supervisor import Supervisor
from streams.errors import InputError
from streams.replay import Replay, load_mapping, publish
from streams.replay.clock import EventClock
from streams.replay.rows import check_file
from streams.serving.summary import Summary, summarise
from streams.settings import Settings
from streams.shop import Shop, Truth, Weeks, parse_shift, weeks_people
from streams.storage.schema import initialise

__all__ = [
    "addresses",
    "demo_text",
    "generate_to_file",
    "generate_to_kafka",
    "keep_shop_open",
    "page_url",
    "replay",
    "summary_text",
    "weeks",
    "weeks_to_file",
    "weeks_to_kafka",
]

Say = Callable[[str], None]
_LIVE_EVENTS = 5_000


def addresses(settings: Settings) -> str:
    """Say where the embedded stack listens."""
    topics = settings.kafka.topics
    return (
        f"ready. Kafka {settings.kafka.bootstrap} (publish to topic {topics.events!r}), "
        f"ClickHouse {settings.clickhouse.url} (database {settings.clickhouse.database}). "
        f"The page: {page_url(settings)} "
        f"Ask it with `userprism sql`. Logs in {settings.data / 'logs'}. Ctrl-C stops."
    )


def page_url(settings: Settings) -> str:
    """Return where the page is."""
    return f"http://{settings.web.host}:{settings.web.port}/"


def keep_shop_open(stack: Supervisor, seed: int, stop: threading.Event, say: Say) -> None:
    """Let the shop go on, slowly, until somebody stops it."""
    say(addresses(stack.settings))
    shop = Shop(seed, end_us=time.time_ns() // 1000)
    while not stop.is_set():
        publish(stack.settings, shop.events(_LIVE_EVENTS, Truth()), per_second=500, stop=stop)
        stack.check()
        shop = Shop(seed, end_us=time.time_ns() // 1000)


def generate_to_kafka(
    settings: Settings, events: int, seed: int, truth_file: Path | None, stop: threading.Event
) -> dict[str, object]:
    """Publish the simulated shop; the topics must exist."""
    truth = Truth()
    publish(settings, Shop(seed, end_us=time.time_ns() // 1000).events(events, truth), stop=stop)
    if truth_file is not None:
        truth.save(truth_file)
    return truth.counts()


def generate_to_file(path: Path, events: int, seed: int, truth_file: Path | None) -> dict[str, object]:
    """Write the simulated shop as NDJSON."""
    truth = Truth()
    with path.open("wb") as sink:
        for chunk in Shop(seed, end_us=time.time_ns() // 1000).events(events, truth):
            sink.writelines(value + b"\n" for _, value in chunk)
    if truth_file is not None:
        truth.save(truth_file)
    return truth.counts()


def weeks(seed: int, days: int, per_hour: int, shifts: Sequence[str]) -> Weeks:
    """Return weeks of the simulated shop that end now.

    Raises
    ------
    InputError
        A shift isn't written as one.
    """
    now_us = time.time_ns() // 1000
    return Weeks(
        Shop(seed, people=weeks_people(per_hour)),
        days=days,
        people_per_hour=per_hour,
        end_us=now_us,
        shifts=[parse_shift(s) for s in shifts],
        seed=seed,
    )


def weeks_to_kafka(
    settings: Settings, simulated: Weeks, truth_file: Path | None, stop: threading.Event
) -> dict[str, object]:
    """Publish weeks; the topics must exist."""
    truth = Truth()
    publish(settings, simulated.events(truth), stop=stop)
    if truth_file is not None:
        truth.save(truth_file)
    return truth.counts()


def weeks_to_file(path: Path, simulated: Weeks, truth_file: Path | None) -> dict[str, object]:
    """Write weeks as NDJSON."""
    truth = Truth()
    with path.open("wb") as sink:
        for chunk in simulated.events(truth):
            sink.writelines(value + b"\n" for _, value in chunk)
    if truth_file is not None:
        truth.save(truth_file)
    return truth.counts()


def replay(
    settings: Settings, stack: Supervisor | None, files: Sequence[Path], mapping_name: str, *, once: bool, speed: str,
    stop: threading.Event, say: Say,
) -> Summary | None:  # fmt: skip
    """Send files, and with `once` wait until all of it is in ClickHouse.

    Raises
    ------
    InputError
        A file or the mapping can't be used.
    Interrupted
        `stop` was set first.
    """
    mapping = load_mapping(mapping_name)
    clock = _clock(speed)
    for path in files:
        check_file(path)
    if stack is None:
        initialise(settings)
    rows = 0
    for path in files:
        job = Replay(settings, path, mapping)
        if job.complete:
            say(f"{path}: sent before, nothing is sent again")
        before, started = [0], time.monotonic()

        def progress(sent: int, path: Path = path, before: list[int] = before, started: float = started) -> None:
            if sent - before[0] >= 100_000:
                before[0] = sent
                say(f"{path}: {sent:,} rows sent, {sent / (time.monotonic() - started):,.0f} rows/s")

        rows += job.send(clock=clock, stop=stop, progress=progress)
        if stop.is_set():
            raise Interrupted
        say(f"{path}: {rows:,} rows are in topic {settings.kafka.topics.events}")
    if stack is not None:
        for names in (("encoder", "profiler"), ("intake",)):
            stack.start_roles(names)
            if not stack.wait_ready():
                raise Interrupted
    if not once:
        return None
    wait_for_arrival(stack, settings, "replay", rows, stop)
    return summarise(settings)


def _clock(speed: str) -> EventClock | None:
    """Return the pace, None for as fast as it goes."""
    if speed == "max":
        return None
    try:
        factor = float(speed.removesuffix("x"))
    except ValueError:
        factor = 0.0
    if factor <= 0:
        msg = f"--speed {speed!r} must be max, or a factor such as 1x or 20x"
        raise InputError(msg)
    return EventClock(factor)


def summary_text(summary: Summary | None) -> str:
    """Show a summary."""
    if summary is None:
        return "sent; `userprism status` shows how far the roles are"
    fields = msgspec.structs.asdict(summary)
    return "\n".join(f"{name:20} {_shown(value)}" for name, value in fields.items() if value is not None)


def demo_text(summary: DemoSummary, settings: Settings) -> str:
    """Show the demo's summary and what to try next."""
    data = f"--data-dir {settings.data_dir}"
    query = "SELECT segment, count() FROM current_profiles GROUP BY segment"
    return summary_text(summary) + (
        "\n\nTry next:\n"
        f"  userprism segments --embedded {data}\n"
        f'  userprism sql --embedded {data} "{query}"\n'
        "  userprism replay YOUR.ndjson --once --embedded\n"
        "  userprism demo --stay"
    )


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {count:,}" for key, count in value.items()) or "none"
    return f"{value:,}" if isinstance(value, int | float) else str(value)
