"""Erasure on a whole stack: every table, every topic and every file of the data directory is searched for the id."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from clickhouse_connect.driver.client import Client

from streams.commands import erasing
from streams.embedded.supervisor import Supervisor
from streams.records import records_until_end
from streams.replay.publish import publish
from streams.serving.arrival import Arrival
from streams.settings import Settings
from streams.storage import erasures as table
from streams.storage.client import connect

SOMEBODY = "somebody-who-asked-to-be-forgotten"
PHONE = "phone-of-somebody-who-asked-to-be-forgotten"
PATIENCE_S = 90.0


def events() -> list[tuple[bytes, bytes]]:
    made = []
    for number in range(600):
        who = {"userId": SOMEBODY, "anonymousId": PHONE} if number % 6 == 0 else {"userId": f"u{number % 50}"}
        if number % 12 == 6:
            who = {"anonymousId": PHONE}
        event = {
            "type": "track", "event": "Product Viewed", **who, "messageId": f"m{number}",
            "timestamp": "never" if number % 60 == 0 else "2026-01-02T03:04:05Z",
            "properties": {"product_id": f"p{number % 9}" if "userId" in who else "only theirs", "name": "a title"},
        }  # fmt: skip
        made.append((b"", json.dumps(event).encode()))
    return made


def arrived(stack: Supervisor) -> None:
    arrival = Arrival(stack.settings)
    deadline = time.monotonic() + PATIENCE_S
    while not arrival.settled(arrival.lag()):
        stack.check()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    arrival.close()


def files_that_name(folder: Path, text: str) -> set[Path]:
    found = set()
    for path in folder.rglob("*"):
        try:
            if path.is_file() and text.encode() in path.read_bytes():
                found.add(path)
        except FileNotFoundError:  # merged away meanwhile
            continue
    return found


def paths_of(client: Client, name: str) -> list[str]:
    rows = client.query("SELECT path FROM system.parts WHERE active AND table = {t:String}", parameters={"t": name})
    return [str(row[0]).rstrip("/") for row in rows.result_rows]


def forget_old_files_soon(client: Client) -> None:
    names = client.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
    ).result_rows
    for (name,) in names:
        client.command(f"ALTER TABLE {name} MODIFY SETTING old_parts_lifetime = 1")


def test_only_topics_and_one_empty_row_name_an_erased_person_and_then_nothing_does(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path / "data"))
    with Supervisor(settings, role_args=["--data-dir", settings.data_dir], stop=threading.Event()) as stack:
        stack.start_roles()
        stack.wait_ready()
        publish(stack.settings, [events()])
        arrived(stack)
        tables = settings.data / "clickhouse"
        with connect(stack.settings) as client:
            forget_old_files_soon(client)
            assert files_that_name(tables, SOMEBODY)
            assert files_that_name(tables, PHONE)

            done = erasing.erase(stack.settings, SOMEBODY, suppress=True, say=lambda text: None)

            assert done["survivors"] == 0
            assert done["ids"] == 2  # the phone was merged into the person
            deadline = time.monotonic() + PATIENCE_S
            while True:
                rest = {str(path) for path in files_that_name(tables, SOMEBODY) | files_that_name(tables, PHONE)}
                kept = tuple(paths_of(client, "profiles"))
                rest = {path for path in rest if not path.startswith(kept)}
                if not rest:
                    break
                assert time.monotonic() < deadline, rest
                time.sleep(1.0)

            values = [message.value() or b"" for message in records_until_end(stack.settings, "events")]
            assert any(SOMEBODY.encode() in value for value in values)  # until their retention has passed

            (row,) = table.erasures(client)
            assert row.status == "running"
            assert row.retained_until > datetime.now(UTC) + timedelta(days=1) - timedelta(minutes=5)
            table.save_erasure(client, replace(row, retained_until=datetime.now(UTC)))
            (found,) = erasing.erasures(stack.settings)
            assert (found["status"], found["survivors"]) == ("done", 0)
            deadline = time.monotonic() + PATIENCE_S
            while files_that_name(tables, SOMEBODY):
                assert time.monotonic() < deadline, files_that_name(tables, SOMEBODY)
                time.sleep(1.0)
