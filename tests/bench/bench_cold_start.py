"""Cold start: titles that nobody has seen come with a steady stream, and once more when all their vectors are known.

Both passes send the same events at the same pace through topics and tables of their own, on one embedded stack. In the
second pass the table of content is that of the first from the start. What must be equal at the end: event counts and
touches of everybody. What must not differ much: events a second, and how old events are when ClickHouse has them.
"""

from __future__ import annotations

import tempfile
import threading
import time
from typing import Any

import msgspec
import numpy as np
from clickhouse_connect.driver.client import Client

from streams.demo.run import wait_for_arrival
from streams.embedded.supervisor import Supervisor
from streams.replay.publish import publish
from streams.serving.summary import freshness, summarise
from streams.settings import Settings
from streams.storage import connect, initialise
from tests.bench.common import machine, main, print_table, progress

__all__ = ["run"]

TITLES, USERS, CHUNK = 20_000, 20_000, 5_000
RATE, SECONDS = 50_000, 10
_THINGS = ("lamp", "chair", "jacket", "kettle", "novel", "tent", "camera", "puzzle", "guitar", "煎锅", "跑鞋", "耳机")


def run(quick: bool = False) -> dict[str, Any]:
    """Measure; `quick` sends a fifth of the events on a tenth of the titles."""
    titles, count = (TITLES // 10, RATE * SECONDS // 5) if quick else (TITLES, RATE * SECONDS)
    events = some_events(count, titles)
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder, Supervisor(
        Settings(data_dir=folder), role_args=["--data-dir", folder]
    ) as stack:  # fmt: skip
        before: Settings | None = None
        for name in ("unseen", "known"):
            progress(f"{count:,} events at {RATE:,}/s, {titles:,} titles {name}")
            own = _own(stack.settings, name)
            initialise(own)
            if before is not None:
                _copy_content(before, own)
            found[name] = _pass(stack, own, events, titles)
            before = own
    slower = 1 - found["unseen"]["events_per_second"] / found["known"]["events_per_second"]
    columns = ("events_per_second", "freshness_p50_s", "freshness_p99_s", "vectors_at_end", "vectors_s")
    print_table(
        f"{titles:,} titles, {count:,} events at {RATE:,} a second",
        ["titles", *columns], [[name, *(row[column] for column in columns)] for name, row in found.items()],
    )  # fmt: skip
    return {
        "bench": "cold_start", "machine": machine(), "titles": titles, "events": count, "rate": RATE, **found,
        "slower": round(slower, 4), "equal": found["unseen"]["people"] == found["known"]["people"],
    }  # fmt: skip


def _pass(stack: Supervisor, own: Settings, events: list[tuple[bytes, bytes]], titles: int) -> dict[str, Any]:
    env = {
        "USERPRISM_KAFKA__PREFIX": own.kafka.prefix, "USERPRISM_KAFKA__EVENTS_TOPIC": own.kafka.events_topic,
        "USERPRISM_CLICKHOUSE__DATABASE": own.clickhouse.database,
    }  # fmt: skip
    for names in (("encoder", "profiler"), ("intake",)):
        stack.start_roles(names, env)
        stack.wait_ready()
    began = time.monotonic()
    publish(own, (events[at : at + CHUNK] for at in range(0, len(events), CHUNK)), per_second=RATE)
    wait_for_arrival(stack, own, "cold start", len(events), threading.Event())
    summary = summarise(own)
    median, high = freshness(own)
    with connect(own) as client:
        early = _read(client)
        while _read(client) < titles:
            time.sleep(0.5)
        people = client.query(
            "SELECT count(), sum(event_count), groupBitXor(cityHash64(profile_id, event_count, arraySort(touched))) "
            "FROM profiles FINAL WHERE kind = 'person'"
        ).result_rows[0]
    took = time.monotonic() - began
    stack.stop_roles()
    return {
        "events_per_second": summary.events_per_second, "freshness_p50_s": median, "freshness_p99_s": high,
        "vectors_at_end": early, "vectors_s": round(took, 1), "people": [int(value) for value in people],
    }  # fmt: skip


def _read(client: Client) -> int:
    return int(client.query("SELECT count() FROM content FINAL WHERE status = 'ok'").result_rows[0][0])


def _own(settings: Settings, name: str) -> Settings:
    replace = msgspec.structs.replace
    return replace(
        settings,
        kafka=replace(settings.kafka, prefix=name, events_topic=f"{name}.events"),
        clickhouse=replace(settings.clickhouse, database=f"userprism_{name}"),
    )


def _copy_content(source: Settings, target: Settings) -> None:
    with connect(target) as client:
        for table in ("content", "encoder_versions"):
            client.command(f"INSERT INTO {table} SELECT * FROM {source.clickhouse.database}.{table}")


def some_events(count: int, titles: int) -> list[tuple[bytes, bytes]]:
    """Return views of `titles` products by people, each product at least once where there is room."""
    random = np.random.default_rng(5)
    product = random.integers(titles, size=count)
    product[: min(titles, count)] = random.permutation(titles)[:count]
    random.shuffle(product)
    user = random.integers(USERS, size=count)
    now = time.time_ns() // 1_000_000
    return [
        (
            b"u%d" % u,
            (
                f'{{"type":"track","event":"Product Viewed","userId":"u{u}","messageId":"m{i}",'
                f'"timestamp":{now + i // 50},'
                f'"properties":{{"product_id":"p{p}","name":"{_THINGS[p % len(_THINGS)]} number {p} of this year"}}}}'
            ).encode(),
        )
        for i, (u, p) in enumerate(zip(user.tolist(), product.tolist(), strict=True))
    ]


if __name__ == "__main__":
    raise SystemExit(main(run))
