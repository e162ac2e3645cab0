"""Dead letters are listed, and sent again one event at a time, once each."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest

from streams.contract.dead_letters import DeadLetter
from streams.errors import InputError
from streams.kafka import headers_of
from streams.records import records_until_end
from streams.replay.again import REPLAYS_HEADER, _event, replay_letters, since_of
from streams.settings import Settings
from streams.storage import connect, initialise
from streams.storage.dead_letters import Selection, count_by_reason, save_dead_letters, selected_letters

EVERYTHING = Selection((), datetime(1970, 1, 1, tzinfo=UTC))
GOOD = {"type": "page", "userId": "ann"}
BATCH = {"batch": [GOOD, {"type": "page"}], "context": {"locale": "de"}}


def letter(settings: Settings, offset: int, reason: str, value: bytes, index: int = 0, replays: int = 0) -> DeadLetter:
    headers: list[tuple[str, bytes | None]] = [("h", b"v")]
    if replays:
        headers.append((REPLAYS_HEADER, str(replays).encode()))
    return DeadLetter(
        settings.kafka.topics.events, 0, offset, index, reason, 1_790_000_000_000 + offset, b"key", value, headers
    )


@pytest.fixture
def stored(settings: Settings) -> Settings:
    initialise(settings)
    with connect(settings) as client:
        save_dead_letters(
            client,
            [
                letter(settings, 1, "malformed_json", b"{\xff"),
                letter(settings, 2, "missing_identity", json.dumps(BATCH).encode(), index=1),
                letter(settings, 3, "missing_identity", b'{"type":"page"}', replays=2),
            ],
        )
    return settings


def sent(settings: Settings) -> list[tuple[bytes | None, dict[str, bytes | None]]]:
    return [
        (message.value(), dict(headers_of(message)))
        for message in records_until_end(settings, settings.kafka.topics.events)
    ]


def replay(settings: Settings, selection: Selection, *, dry_run: bool = False) -> int:
    return replay_letters(settings, selection, per_second=0, dry_run=dry_run, stop=threading.Event())


def test_letters_are_counted_and_listed(stored: Settings) -> None:
    with connect(stored) as client:
        assert count_by_reason(client, EVERYTHING) == {"missing_identity": 2, "malformed_json": 1}
        only = Selection(("malformed_json",), EVERYTHING.since)
        assert count_by_reason(client, only) == {"malformed_json": 1}
        assert [found.value for found in selected_letters(client, only, 10)] == [b"{\xff"]
        later = Selection((), datetime.fromtimestamp(1_790_000_000.003, UTC))
        assert count_by_reason(client, later) == {"missing_identity": 1}
        assert [found.offset for found in selected_letters(client, EVERYTHING, 2)] == [3, 2]


def test_each_refused_event_is_sent_once_without_its_neighbours(stored: Settings) -> None:
    assert replay(stored, EVERYTHING, dry_run=True) == 3
    assert sent(stored) == []

    assert replay(stored, Selection(("missing_identity",), EVERYTHING.since)) == 2
    first, second = sorted(sent(stored), key=lambda record: len(record[0] or b""), reverse=True)
    assert json.loads(first[0] or b"") == {"type": "page", "context": {"locale": "de"}}
    assert first[1] == {"h": b"v", REPLAYS_HEADER: b"1"}
    assert second == (b'{"type":"page"}', {"h": b"v", REPLAYS_HEADER: b"3"})

    assert replay(stored, EVERYTHING) == 1
    assert sorted(value or b"" for value, _ in sent(stored))[-1] == b"{\xff"
    assert replay(stored, EVERYTHING) == 0


def test_since_is_a_duration_or_a_moment() -> None:
    assert since_of("") == EVERYTHING.since
    assert abs(datetime.now(UTC) - timedelta(hours=2) - since_of("2h")) < timedelta(minutes=1)
    assert since_of("2026-01-31T12:00:00") == datetime(2026, 1, 31, 12, tzinfo=UTC)
    with pytest.raises(InputError, match="--since 'soon'"):
        since_of("soon")


def test_a_batch_that_was_refused_as_a_whole_is_sent_again_as_a_whole(settings: Settings) -> None:
    value = json.dumps(BATCH).encode()

    assert _event(letter(settings, 1, "too_large", value)) == value
    assert json.loads(_event(letter(settings, 1, "missing_identity", value, index=1)))["context"] == {"locale": "de"}
