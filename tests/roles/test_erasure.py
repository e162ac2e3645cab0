"""Whoever is erased is nowhere any more: tables are searched, what remains is named, and nothing brings them back."""

from __future__ import annotations

import contextlib
import json
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.commands import erasing
from streams.contract.dead_letters import DeadLetter
from streams.kafka import end_offsets, headers_of
from streams.records import records_until_end
from streams.replay.again import replay_letters, since_of
from streams.roles.profiler import Profiler
from streams.serving.summary import summarise
from streams.settings import Settings
from streams.storage import erasures as table
from streams.storage.client import connect
from streams.storage.dead_letters import Selection, save_dead_letters
from tests.faults.known_log import KnownLog
from tests.roles.test_profiler import blocks_of, work

SOMEBODY = "u3"


def rows_that_name(settings: Settings, text: str) -> dict[str, int]:
    """Search every column of every table of the database, but for what a view's refresh has for a moment."""
    found = {}
    with connect(settings) as client:
        tables = client.query(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' "
            "AND NOT startsWith(name, '.tmp')"
        ).result_rows
        for (table,) in tables:
            count = client.query(
                f"SELECT countIf(position(toString(tuple(*)), {{text:String}}) > 0) FROM {table}",
                parameters={"text": text},
            ).result_rows[0][0]
            if count:
                found[table] = count
    return found


class Working:
    """A profiler that works beside a test."""

    def __init__(self, settings: Settings) -> None:
        self.stop = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(settings,))

    def _work(self, settings: Settings) -> None:
        profiler = Profiler(settings)
        while not self.stop.is_set():
            profiler.step()
        profiler.commit()
        profiler.close()

    def __enter__(self) -> Working:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join()


@pytest.mark.parametrize("suppress", [False, True])
def test_an_erased_person_is_gone_and_comes_back_only_as_somebody_new(ready: Settings, suppress: bool) -> None:
    log = KnownLog(21, 2_000)
    blocks = blocks_of(ready, log)
    work(ready, [list(blocks)])
    refused = json.dumps({"type": "page", "userId": SOMEBODY, "timestamp": "never"}).encode()
    letter = DeadLetter(ready.kafka.topics.events, 0, 5, 0, "invalid_timestamp", 1_790_000_000_000, None, refused, [])
    with connect(ready) as client:
        save_dead_letters(client, [letter])
    assert {"profiles", "dead_letters"} <= rows_that_name(ready, f"{SOMEBODY}'").keys() | rows_that_name(
        ready, f'"{SOMEBODY}"'
    ).keys()

    with Working(ready):
        done = erasing.erase(ready, SOMEBODY, suppress=suppress, say=lambda text: None)

    assert (done["status"], done["survivors"]) == ("running", 0)
    assert done["rows_deleted"] > 0
    # Only the empty row that keeps the person from coming back names them, until topics have forgotten as well.
    assert rows_that_name(ready, f"'{SOMEBODY}'") == {"profiles": 1}
    assert rows_that_name(ready, f'"{SOMEBODY}"') == {}
    with connect(ready) as client:
        found = dict(client.query("SELECT profile_id, event_count FROM current_profiles").result_rows)
        assert found == {name: person.events for name, person in log.people.items() if name != SOMEBODY}

    again = KnownLog(22, 2_000)
    work(ready, [blocks_of(ready, again)])
    with connect(ready) as client:
        found = dict(client.query("SELECT profile_id, event_count FROM current_profiles").result_rows)
        save_dead_letters(client, [letter])
        came = client.query("SELECT sum(accepted), sum(duplicates), sum(suppressed) FROM positions").result_rows[0]
    assert came[2] == (again.people[SOMEBODY].events if suppress else 0)
    summary = summarise(ready)
    assert sum(came) == summary.accepted + summary.duplicates + summary.suppressed == summary.events
    assert summary.events == sum(one.accepted + one.duplicates for one in (log, again))
    assert found.get(SOMEBODY, 0) == (0 if suppress else again.people[SOMEBODY].events)
    others = {name: person.events + again.people[name].events for name, person in log.people.items()}
    assert {name: count for name, count in found.items() if name != SOMEBODY} == {
        name: count for name, count in others.items() if name != SOMEBODY
    } | {name: person.events for name, person in again.people.items() if name not in log.people}
    before = end_offsets(ready, ready.kafka.topics.events)
    replay_letters(ready, Selection((), since_of("")), per_second=0, dry_run=False, stop=threading.Event())
    sent = sum(end_offsets(ready, ready.kafka.topics.events).values()) - sum(before.values())
    assert sent == (0 if suppress else 1)


def places_that_name(settings: Settings, text: str) -> set[Path]:
    """Search every file of the engine and of our own data directory."""
    with connect(settings) as client:
        (path,) = client.query("SELECT any(path) FROM system.parts WHERE database = currentDatabase()").result_rows[0]
    found = set()
    for folder in (Path(path).parents[3], settings.data):  # a part lies in store/abc/abcdef.../
        for file in folder.rglob("*"):
            with contextlib.suppress(FileNotFoundError):  # merged away meanwhile
                if file.is_file() and text.encode() in file.read_bytes():
                    found.add(file)
    return found


def parts_of(settings: Settings, condition: str) -> set[Path]:
    with connect(settings) as client:
        query = f"SELECT path FROM system.parts WHERE database = currentDatabase() AND {condition}"
        return {Path(path) for (path,) in client.query(query).result_rows}


def topics_that_name(settings: Settings, text: str) -> set[str]:
    found = set()
    for topic in (settings.kafka.topics.events, *settings.kafka.topics.owned()):
        for message in records_until_end(settings, topic):
            if text.encode() in repr((message.key(), message.value(), headers_of(message))).encode():
                found.add(topic)
    return found


def test_no_file_table_or_topic_names_the_erased_but_those_that_are_said_to(ready: Settings) -> None:
    name = "somebody-who-asked-to-be-forgotten"
    log = KnownLog(23, 600)
    log.messages = [(key, value.replace(f'"{SOMEBODY}"'.encode(), f'"{name}"'.encode())) for key, value in log.messages]
    work(ready, [blocks_of(ready, log)])
    assert places_that_name(ready, name)
    topics = ready.kafka.topics

    with Working(ready):
        erasing.erase(ready, name, suppress=True, say=lambda text: None)

    # The empty row, and what a mutation has replaced: the engine removes that within minutes (`old_parts_lifetime`).
    left = places_that_name(ready, name)
    said = parts_of(ready, "(NOT active OR table = 'profiles')")
    assert {file for file in left if said.isdisjoint(file.parents)} == set()
    assert rows_that_name(ready, name) == {"profiles": 1}
    assert topics.clicks in topics_that_name(ready, name)
    assert topics_that_name(ready, name) <= {topics.events, topics.clicks, topics.dead_letters, topics.segment_changes}

    with connect(ready) as client:
        (row,) = table.erasures(client)
        table.save_erasure(client, replace(row, retained_until=datetime.now(UTC)))
        # Whoever had read a row before it was deleted has written it again.
        late = [name, "welcome", datetime.now(UTC)]
        client.insert("exposures", [late], column_names=["profile_id", "experience", "shown_at"])
    (found,) = erasing.erasures(ready)
    assert (found["status"], found["survivors"]) == ("done", 0)
    assert found["rows_deleted"] == row.deleted + 1
    left, said = places_that_name(ready, name), parts_of(ready, "NOT active")
    assert {file for file in left if said.isdisjoint(file.parents)} == set()
    assert rows_that_name(ready, name) == {}
