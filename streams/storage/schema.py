"""`init`: topics and the ClickHouse schema, applied in order and remembered; running it again changes nothing."""

from __future__ import annotations

import re
from importlib import resources

from clickhouse_connect.driver.client import Client

from streams.errors import ConfigurationError, StateError
from streams.kafka import ensure_topics
from streams.settings import Settings
from streams.storage.client import connect

__all__ = ["apply_migrations", "initialise", "migrations", "statements"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def initialise(settings: Settings) -> list[str]:
    """Create what is missing and return the names of the migrations that were applied now.

    Raises
    ------
    StateError
        The partition count differs from the one stored at the first `init`: people would change their owner.
    """
    ensure_topics(settings)
    with connect(settings, database="default") as client:
        client.command(f"CREATE DATABASE IF NOT EXISTS {_identifier(settings.clickhouse.database)}")
    with connect(settings) as client:
        applied = apply_migrations(client)
        _hold_partition_count(client, settings)
    return applied


def apply_migrations(client: Client) -> list[str]:
    """Apply the migrations this database hasn't seen; every statement is idempotent, so a crash is harmless."""
    client.command(
        "CREATE TABLE IF NOT EXISTS schema_migrations (name String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3)) "
        "ENGINE = ReplacingMergeTree(applied_at) ORDER BY name"
    )
    done = {row[0] for row in client.query("SELECT name FROM schema_migrations").result_rows}
    applied = []
    for name, text in migrations():
        if name in done:
            continue
        for statement in statements(text):
            client.command(statement)
        client.command("INSERT INTO schema_migrations (name) VALUES ({name:String})", parameters={"name": name})
        applied.append(name)
    return applied


def migrations() -> list[tuple[str, str]]:
    """Return (name, text) of the numbered SQL files, in order."""
    folder = resources.files("streams.storage") / "migrations"
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name)
    return [(entry.name.removesuffix(".sql"), entry.read_text(encoding="utf-8")) for entry in files]


def statements(text: str) -> list[str]:
    """Split a migration at semicolons that end a line; whole-line comments go."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return [part.strip() for part in re.split(r";\s*\n", "\n".join(lines) + "\n") if part.strip()]


def _hold_partition_count(client: Client, settings: Settings) -> None:
    rows = client.query("SELECT value FROM cluster_facts FINAL WHERE name = 'partitions'").result_rows
    wanted = str(settings.kafka.partitions)
    if not rows:
        client.command(
            "INSERT INTO cluster_facts (name, value) VALUES ('partitions', {value:String})",
            parameters={"value": wanted},
        )
    elif rows[0][0] != wanted:
        msg = (
            f"this database was initialised with {rows[0][0]} partitions, the settings say kafka.partitions = "
            f"{wanted}. Set it back, or start afresh with another clickhouse.database and kafka.prefix"
        )
        raise StateError(msg)


def _identifier(name: str) -> str:
    if not _NAME.fullmatch(name):
        msg = f"clickhouse.database = {name!r} must be letters, digits and underscores"
        raise ConfigurationError(msg)
    return name
