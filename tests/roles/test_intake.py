"""Intake leaves out what counts already, and not one of the others; addresses that are identifiers don't pass it."""

from __future__ import annotations

import json
import time

from confluent_kafka import Producer
from msgspec.structs import replace

from streams.contract import decode_block
from streams.contract.emails import hash_of_email
from streams.contract.frames import closed, opened
from streams.contract.marks import MORE_HEADER, SOURCES_HEADER, decode_sources
from streams.kafka import headers_of, produce, producer_config
from streams.records import records_until_end
from streams.roles.intake import Intake
from streams.roles.profiler import Profiler
from streams.settings import Settings
from streams.storage import connect
from streams.storage.marks import write_marks
from streams.storage.schema import initialise

EVENTS, COUNTED = 400, 250  # one of the batches (25, then 100 each) holds both kinds
PATIENCE_S = 60.0


def send_people(settings: Settings, count: int) -> None:
    """Send one event for each of so many people."""
    producer = Producer(producer_config(settings))
    for number in range(count):
        event = {"type": "page", "userId": f"u{number}", "timestamp": "2026-01-01T00:00:00Z"}
        produce(producer, settings.kafka.topics.events, json.dumps(event).encode(), partition=0)
    assert producer.flush(10) == 0


def people_in_blocks(settings: Settings) -> list[str]:
    """Return whose events intake has written; who is in several blocks is named as often."""
    return [
        name
        for message in records_until_end(settings, settings.kafka.topics.clicks)
        for name in decode_block(message.value() or b"").person.values.to_pylist()
    ]


def test_what_counts_already_is_left_out_and_nothing_else(ready: Settings) -> None:
    settings = replace(ready, intake=replace(ready.intake, batch_events=100))
    send_people(settings, EVENTS)
    write_marks(settings, {target: {0: COUNTED} for target in range(settings.kafka.partitions)})

    intake = Intake(settings)
    people: list[str] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(people) < EVENTS - COUNTED and time.monotonic() < deadline:
        for _ in range(10):
            intake.step()
        people = people_in_blocks(settings)
    intake.close()

    assert sorted(people) == sorted(f"u{number}" for number in range(COUNTED, EVENTS))
    sent = [message.value() or b"" for message in records_until_end(settings, settings.kafka.topics.clicks)]
    assert all(closed(opened(value)) == value for value in sent), "a block is compressed before a producer sees it"


def test_blocks_say_whether_many_more_events_wait(ready: Settings) -> None:
    settings = replace(ready, intake=replace(ready.intake, batch_events=100))
    send_people(settings, 3 * 100 + 5)
    intake = Intake(settings)
    said: dict[int, set[bool]] = {}
    deadline = time.monotonic() + PATIENCE_S
    while max(said, default=0) < 3 * 100 + 5 and time.monotonic() < deadline:
        for _ in range(10):
            intake.step()
        for message in records_until_end(settings, settings.kafka.topics.clicks):
            headers = dict(headers_of(message))
            read_to = decode_sources(headers[SOURCES_HEADER] or b"")[0]
            said.setdefault(read_to, set()).add(MORE_HEADER in headers)
    intake.close()

    assert said == {read_to: {3 * 100 + 5 - read_to > 10} for read_to in said}
    assert min(said) <= 100 / 4, "nothing was on its way: a quarter of a batch comes first, and more wait"


def test_what_was_read_ahead_is_read_again_after_a_rewind_and_counts_once(ready: Settings) -> None:
    settings = replace(ready, intake=replace(ready.intake, batch_events=100))
    send_people(settings, EVENTS)
    intake = Intake(settings)
    deadline = time.monotonic() + PATIENCE_S
    rewound = False
    people: list[str] = []
    while len(people) < EVENTS and time.monotonic() < deadline:
        intake.step()
        if intake._ahead is not None and intake._writing is not None and not rewound:  # one on its way, one waits
            assert intake._end_write()
            intake._rewind()
            rewound = True
        elif rewound:
            people = people_in_blocks(settings)
    intake.close()

    assert rewound
    assert sorted(people) == sorted(f"u{number}" for number in range(EVENTS))


def test_no_address_is_stored_anywhere_when_addresses_are_identifiers(settings: Settings) -> None:
    initialise(settings)
    settings = replace(settings, identity=replace(settings.identity, hashed_emails=True))
    address, traits = "Secret.Address@example.com", {"email": "Secret.Address@example.com"}
    page = {"type": "page", "name": f"of {address}"}
    events: list[dict[str, object]] = [
        {**page, "anonymousId": "d1", "messageId": "1"},
        {"type": "identify", "traits": traits, "messageId": "2"},
        {"type": "identify", "userId": "ann", "anonymousId": "d1", "traits": traits, "messageId": "3"},
        {**page, "userId": address, "messageId": "4", "properties": {"title": f"mail {address}", "text": address}},
        {**page, "userId": "ann", "messageId": "5", "timestamp": f"at {address}"},
    ]
    producer = Producer(producer_config(settings))
    for event in events:
        produce(producer, settings.kafka.topics.events, json.dumps(event).encode(), address.encode(), partition=0)
    assert producer.flush(10) == 0
    intake = Intake(settings)
    topics = settings.kafka.topics
    deadline = time.monotonic() + PATIENCE_S
    while not list(records_until_end(settings, topics.dead_letters)) and time.monotonic() < deadline:
        for _ in range(10):
            intake.step()
    intake.close()
    profiler = Profiler(settings)
    query = "SELECT profile_id, event_count FROM current_profiles ORDER BY ALL"
    wanted = [("ann", 3), (hash_of_email(address), 1)]
    with connect(settings) as client:
        while client.query(query).result_rows != wanted and time.monotonic() < deadline:
            for _ in range(5):
                profiler.step()
    profiler.close()

    for topic in (topics.clicks, topics.dead_letters, topics.content):
        found = list(records_until_end(settings, topic))
        assert found
        for message in found:
            said = [message.value(), message.key(), *(value for _, value in headers_of(message))]
            assert b"secret.address" not in b"".join(part or b"" for part in said).lower()
    with connect(settings) as client:
        assert client.query(query).result_rows == wanted
        for (table,) in client.query("SHOW TABLES").result_rows:
            rows = client.raw_query(f"SELECT * FROM `{table}`", fmt="TSV")
            assert b"secret.address" not in rows.lower(), table
