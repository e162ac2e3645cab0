"""A filled database that all tests of pages read: four partitions, 2,000 people, two commits of each, some content."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client

from online_models import Quality
from streams.contract import Content
from streams.settings import ClickHouseSettings, Settings
from streams.storage import connect
from streams.storage.commit import commit_batches, insert_commit
from streams.storage.content import save_content
from streams.storage.models import MintedSegment, StoredModel, save_model
from streams.storage.schema import apply_migrations
from tests.browser.seen import CHROMIUM
from tests.web.people import SEGMENTS, commits, content_rows

PEOPLE = 2_000
#: Not collected without a browser; `make look` installs it.
collect_ignore = [] if CHROMIUM else ["test_pages_open.py"]
_FAR_FUTURE_US = 4_000_000_000_000_000


def fill(client: Client, people: int, **how: int) -> None:
    """Write commits, content and models."""
    for version in (1, 2):
        gone = [3] if version == 2 else []
        stored = StoredModel(
            "interest", version, "fit", [s for s in range(SEGMENTS) if s not in gone], 1_000,
            Quality(1_000, 0.5), "toy/1", 7, b"none",
        )  # fmt: skip
        save_model(client, stored, [MintedSegment(s, "fit", np.zeros(2)) for s in range(SEGMENTS) if version == 1])
    for commit in commits(people, **how):
        insert_commit(client, commit_batches([commit], _FAR_FUTURE_US))
    pieces = content_rows()
    contents = [
        Content(
            content_id=i,
            kind="item",
            content_hash=i,
            item=f"p{i}",
            title=title,
            categories=[category],
            image_url=f"/{i}.png",
        )
        for i, title, category, _ in pieces
    ]
    around = np.eye(len(pieces), 16, dtype=np.float32) * 0.1
    around[np.arange(len(pieces)), [i // 1_000 for i, *_ in pieces]] += 1
    save_content(client, contents, around, ["ok"] * len(pieces), encoder="toy", space_id="toy/1")


def refresh(client: Client) -> None:
    """Draw the evidence, and count the hours, now."""
    for view in ("segment_evidence_of_sample", "segment_flow_hours_of_counts"):
        client.command(f"SYSTEM REFRESH VIEW {view}")
        client.command(f"SYSTEM WAIT VIEW {view}")


@pytest.fixture(scope="session")
def shop(clickhouse: ClickHouseSettings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of the filled database; nobody writes to it."""
    section = {field: getattr(clickhouse, field) for field in clickhouse.__struct_fields__} | {"database": "t_shop"}
    settings = Settings(
        data_dir=str(tmp_path_factory.mktemp("shop") / "data"), clickhouse=ClickHouseSettings(**section)
    )
    Path(settings.data).mkdir()
    with connect(settings, database="default") as client:
        client.command(f"DROP DATABASE IF EXISTS {section['database']}")
        client.command(f"CREATE DATABASE {section['database']}")
    with connect(settings) as client:
        apply_migrations(client)
        fill(client, PEOPLE)
        now = time.time_ns() // 1000
        client.command(
            "INSERT INTO commits SELECT number % 4, number, 50, 10, fromUnixTimestamp64Micro({now:Int64}), "
            "fromUnixTimestamp64Micro({now:Int64}), map(100, 30, 900, 20) FROM numbers(8)",
            parameters={"now": now},
        )
        client.command(
            "INSERT INTO dead_letters SELECT 'events', 0, number, 0, if(number < 3, 'malformed_json', 'too_deep'), "
            "'decode', now64(3), '', '{}', [] FROM numbers(5)"
        )
        client.command(
            "INSERT INTO identity_links SELECT 'user-0000003', concat('anon:d', toString(number)), "
            "if(number = 2, 'refused', 'merged'), if(number = 2, 'too_many', ''), now64(6), number, 1, 3, number, 0, "
            "now64(3) FROM numbers(3)"
        )
        refresh(client)
    yield settings
    with connect(settings, database="default") as client:
        client.command(f"DROP DATABASE IF EXISTS {section['database']}")


@pytest.fixture(scope="session")
def reader(shop: Settings) -> Iterator[Client]:
    """The reading user of the filled database."""
    with connect(shop, reader=True) as client:
        yield client
