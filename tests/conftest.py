"""Engines for the tests: embedded ones, started once a session, or the real ones that two variables point at.

`USERPRISM_TEST_BOOTSTRAP`   a Kafka broker, host:port
`USERPRISM_TEST_CLICKHOUSE`  a ClickHouse URL, http://user:password@host:8123

A test takes `settings`: topics, database and data directory of its own on those engines.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import hypothesis
import pytest
from confluent_kafka.admin import AdminClient

from streams.embedded import Broker, ClickHouse
from streams.kafka import client_config
from streams.settings import ClickHouseSettings, KafkaSettings, Settings
from streams.storage import connect

#: A timing never decides a test.
hypothesis.settings.register_profile("userprism", deadline=None)
hypothesis.settings.load_profile("userprism")


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Kafka broker."""
    given = os.environ.get("USERPRISM_TEST_BOOTSTRAP")
    if given:
        yield given
        return
    folder = tmp_path_factory.mktemp("broker")
    embedded = Broker(folder / "data", folder / "broker.log")
    embedded.start()
    yield embedded.bootstrap
    embedded.stop()


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseSettings]:
    """Address and users of a ClickHouse; the database is still the default one."""
    given = os.environ.get("USERPRISM_TEST_CLICKHOUSE")
    if given:
        url = urlsplit(given)
        yield ClickHouseSettings(
            url=f"{url.scheme}://{url.hostname}:{url.port}", user=url.username or "default", password=url.password or ""
        )
        return
    folder = tmp_path_factory.mktemp("clickhouse")
    embedded = ClickHouse(folder / "data", folder / "clickhouse.log")
    embedded.start()
    yield ClickHouseSettings(**embedded.section)
    embedded.stop()


@pytest.fixture
def settings(
    broker: str, clickhouse: ClickHouseSettings, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Settings]:
    """Settings of a stack of the test's own; topics and database go with the test, `init` is left to it."""
    name = re.sub(r"\W", "_", request.node.name)[:24].lower() + uuid.uuid4().hex[:8]
    section = {field: getattr(clickhouse, field) for field in clickhouse.__struct_fields__}
    own = Settings(
        data_dir=str(tmp_path / "data"),
        kafka=KafkaSettings(bootstrap=broker, events_topic=f"{name}.events", prefix=name, session_timeout_ms=6_000),
        clickhouse=ClickHouseSettings(**{**section, "database": f"t_{name}"}),
    )
    yield own
    with connect(own, database="default") as client:
        client.command(f"DROP DATABASE IF EXISTS t_{name}")
    admin = AdminClient(client_config(own))
    present = admin.list_topics(timeout=10).topics
    mine = [topic for topic in (own.kafka.topics.events, *own.kafka.topics.owned()) if topic in present]
    for future in admin.delete_topics(mine).values() if mine else ():
        future.result()
