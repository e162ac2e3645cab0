"""What the commands of `userprism` do, apart from reading their options."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from clickhouse_connect.driver.exceptions import ClickHouseError

from streams.demo.run import DemoSummary, Interrupted, wait_for_arrival
from streams.embedded.supervisor import Supervisor
from streams.errors import InputError
from streams.replay import Replay, load_mapping, publish
from streams.replay.again import replay_letters
from streams.replay.clock import EventClock
from streams.replay.rows import check_file
from streams.serving.doctor import examine
from streams.serving.segments import SegmentCard, segment_cards
from streams.serving.summary import Summary, summarise
from streams.settings import Settings
from streams.shop import Shop, Truth
from streams.storage.client import connect
from streams.storage.dead_letters import Selection, count_by_reason, selected_letters
from streams.storage.schema import initialise
from streams.telemetry import read_statuses

__all__ = [
    "addresses",
    "bench",
    "dead_letters",
    "dead_letters_text",
    "demo_text",
    "doctor",
    "doctor_text",
    "generate_to_file",
    "generate_to_kafka",
    "init",
    "keep_shop_open",
    "profile",
    "replay",
    "replay_dead_letters",
    "segments",
    "segments_text",
    "sql",
    "status",
    "status_text",
    "summary_text",
]

Say = Callable[[str], None]

_LIVE_EVENTS = 5_000
_SHOWN_BYTES = 120
#: A role that works writes its status twice a second.
_SILENT_S = 10.0
init = initialise
doctor = examine


def addresses(settings: Settings) -> str:
    """Say where the embedded stack listens."""
    topics = settings.kafka.topics
    return (
        f"ready. Kafka {settings.kafka.bootstrap} (publish to topic {topics.events!r}), "
        f"ClickHouse {settings.clickhouse.url} (database {settings.clickhouse.database}). "
        f"Ask it with `userprism sql`. Logs in {settings.data / 'logs'}. Ctrl-C stops."
    )


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


def sql(settings: Settings, query: str, form: str) -> str:
    """Run a query as the reading user.

    Raises
    ------
    InputError
        ClickHouse refused it; the message is ClickHouse's.
    """
    with connect(settings, reader=True) as client:
        try:
            found: bytes = client.raw_query(
                query, fmt=form, settings={} if settings.clickhouse.reader_user else {"readonly": "1"}
            )
        except ClickHouseError as error:
            msg = f"ClickHouse refused the query: {str(error).splitlines()[0]}"
            raise InputError(msg) from error
    return found.decode("utf-8", "replace")


def status(settings: Settings) -> dict[str, Any]:
    """Return what each running role says of itself."""
    roles = read_statuses(settings.run_dir)
    return {"data_dir": str(settings.data), "roles": roles}


def status_text(found: dict[str, Any]) -> str:
    """Show it."""
    lines = []
    for name, fields in found["roles"].items():
        numbers = [f"{k} {v:,}" for k, v in fields.items() if isinstance(v, int) and k not in {"pid", "idle"}]
        silent_s = time.time() - fields["updated"]
        state = fields["state"] if silent_s < _SILENT_S else f"silent for {silent_s:,.0f} s (it was {fields['state']})"
        lines.append(f"{name:14} {state:9} pid {fields['pid']}  {'  '.join(numbers)}")
    return "\n".join(lines) or f"no role runs in {found['data_dir']}; start them with `userprism up`"


def doctor_text(checks: Sequence[dict[str, Any]]) -> str:
    """Show what was examined."""
    return "\n".join(f"{'ok  ' if check['ok'] else 'FAIL'} {check['name']}: {check['said']}" for check in checks)


def dead_letters(settings: Settings, selection: Selection, limit: int) -> dict[str, Any]:
    """Return counts by reason, and the newest letters."""
    with connect(settings, reader=True) as client:
        newest = selected_letters(client, selection, limit)
        return {
            "reasons": count_by_reason(client, selection),
            "newest": [
                {
                    "at": datetime.fromtimestamp(letter.at_ms / 1000, UTC).isoformat(timespec="milliseconds"),
                    "reason": letter.reason,
                    "place": f"{letter.topic}[{letter.partition}] offset {letter.offset}, event {letter.index}",
                    "value": letter.value[:_SHOWN_BYTES].decode("utf-8", "replace"),
                }
                for letter in newest
            ],
        }


def dead_letters_text(found: dict[str, Any]) -> str:
    """Show them."""
    counts = [f"{count:>10,}  {reason}" for reason, count in found["reasons"].items()]
    lines = [f"{row['at']}  {row['reason']:18} {row['place']}: {row['value']}" for row in found["newest"]]
    return "\n".join([*counts, *([""] if counts else []), *lines]) or "no dead letters"


def replay_dead_letters(
    settings: Settings, selection: Selection, *, rate: float, dry_run: bool, stop: threading.Event, say: Say
) -> dict[str, Any]:
    """Send dead letters again."""

    def progress(sent: int) -> None:
        say(f"{sent:,} dead letters sent again")

    sent = replay_letters(settings, selection, per_second=rate, dry_run=dry_run, stop=stop, progress=progress)
    return {"letters": sent, "dry_run": dry_run}


def profile(settings: Settings, profile_id: str) -> dict[str, Any]:
    """Return one person.

    Raises
    ------
    InputError
        Nobody has that id.
    """
    with connect(settings, reader=True) as client:
        rows = list(
            client.query(
                "SELECT * FROM current_profiles WHERE profile_id = {id:String}", parameters={"id": profile_id}
            ).named_results()
        )
    if not rows:
        msg = f"no profile {profile_id!r}; an anonymous person's id is anon: and the anonymousId"
        raise InputError(msg)
    return dict(rows[0])


def segments(settings: Settings) -> list[SegmentCard]:
    """Return the cards."""
    with connect(settings, reader=True) as client:
        return segment_cards(client)


def segments_text(cards: Sequence[SegmentCard]) -> str:
    """Show them."""
    lines = []
    for card in cards:
        lines.append(f"segment {card.segment}: {card.people:,} people, {card.events:,} events")
        for title, entries in (("categories", card.categories), ("actions", card.actions), ("traits", card.traits)):
            if entries:
                lines.append(f"  {title:11}" + ", ".join(f"{name} (lift {lift:.2f})" for name, lift in entries))
    return "\n".join(lines) or "no segments yet"


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


def bench(name: str, *, quick: bool, as_json: bool) -> int:
    """Run `tests/bench/bench_NAME.py`, which is in a checkout and not in the package.

    Raises
    ------
    InputError
        No checkout around us, or no such benchmark.
    """
    root = Path(__file__).resolve().parent.parent
    present = sorted(path.stem.removeprefix("bench_") for path in (root / "tests" / "bench").glob("bench_*.py"))
    if name not in present:
        there = ", ".join(present) or "none (run it from a checkout)"
        msg = f"no benchmark {name!r} in {root / 'tests' / 'bench'}; there: {there}"
        raise InputError(msg)
    argv = [
        sys.executable,
        "-m",
        f"tests.bench.bench_{name}",
        *(["--quick"] if quick else []),
        *(["--json"] if as_json else []),
    ]
    return subprocess.run(argv, cwd=root, check=False).returncode


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {count:,}" for key, count in value.items()) or "none"
    return f"{value:,}" if isinstance(value, int | float) else str(value)
