"""A ClickHouse client over HTTP, with the settings that a commit's exactness rests on."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from streams.errors import ConfigurationError, UnavailableError
from streams.settings import Settings

__all__ = ["COMMIT_SETTINGS", "RESTORE_SETTINGS", "connect"]

#: One INSERT is one block only under these (DESIGN 6); `insert_deduplicate=0`: a repeated block must reach the views.
COMMIT_SETTINGS: dict[str, Any] = {
    "async_insert": 0,
    "insert_deduplicate": 0,
    "min_insert_block_size_rows": 5_000_000,
    "max_insert_block_size": 5_000_000,
    "min_insert_block_size_bytes": 0,
    # Every row of a block has a key of its own, in the table and in all that hangs on it: there is nothing to replace
    # in it yet, and to look for that takes a quarter of an insert (.44 s against .32, 10,500 people).
    "optimize_on_insert": 0,
    # On replicated tables a commit counts once a majority holds it, one after the other; elsewhere these do nothing.
    "insert_quorum": "auto",
    "insert_quorum_parallel": 0,
}

#: Reads whatever `COMMIT_SETTINGS` wrote, from any replica; does nothing on tables that aren't replicated.
RESTORE_SETTINGS: dict[str, Any] = {"select_sequential_consistency": 1}


def connect(settings: Settings, *, reader: bool = False, database: str | None = None) -> Client:
    """Open a client.

    Parameters
    ----------
    settings : Settings
        Gives URL, user and database.
    reader : bool
        Use the reading credential with ``readonly=1``: for queries that a person typed.
    database : str, optional
        Another database than the configured one (`init` connects to ``default`` before it creates its own).

    Raises
    ------
    ConfigurationError
        No address is known, or the URL can't be used.
    UnavailableError
        Nothing answers there.
    """
    url = urlsplit(settings.require_clickhouse())
    if url.scheme not in {"http", "https"} or not url.hostname:
        msg = f"clickhouse.url = {settings.clickhouse.url!r} must look like http://host:8123 or https://host:8443"
        raise ConfigurationError(msg)
    section = settings.clickhouse
    as_reader = reader and section.reader_user
    try:
        return clickhouse_connect.get_client(
            host=url.hostname,
            port=url.port or (8443 if url.scheme == "https" else 8123),
            secure=url.scheme == "https",
            username=section.reader_user if as_reader else section.user,
            password=section.reader_password if as_reader else section.password,
            database=section.database if database is None else database,
            autogenerate_session_id=False,
            query_limit=0,
            send_receive_timeout=60,
        )
    except (OperationalError, DatabaseError) as error:
        msg = f"ClickHouse at {settings.clickhouse.url} doesn't answer as expected: {str(error).splitlines()[0]}"
        raise UnavailableError(msg) from error
