"""What a person's page says of when they were where; `make look` opens it."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

from streams.web.pages.source import Labels
from streams.web.pages.view import Look
from streams.web.pages.views.person import PERSON, _Read
from streams.web.read import Change, Person

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def ann(*moves: tuple[int, int]) -> Person:
    changes = [
        Change(NOON + timedelta(hours=i), NOON, before, after, 1, "ann") for i, (before, after) in enumerate(moves)
    ]
    given: dict[str, Any] = {
        "profile_id": "ann", "asked_for": "ann", "segments": {"main": moves[-1][1]}, "segment_since": NOON,
        "event_count": 3, "first_seen": NOON, "last_seen": NOON + timedelta(hours=9), "traits": {}, "features": {},
        "updated_at": NOON, "model_version": 1, "links": [], "changes": changes[::-1], "touches": [],
    }  # fmt: skip
    assert given.keys() == {field.name for field in fields(Person)}
    return Person(**given)


def test_segments_that_have_ceased_are_called_so_and_have_no_number() -> None:
    labels = Labels("main", ["main"], {}, {4: 0})
    shown = PERSON.show(_Read("ann", "", ann((-2, 7), (7, 8), (8, 4)), [], labels), Look())

    lines = shown.charts["timeline"]["yAxis"]["data"]
    assert lines == [labels.name(labels.still(7), Look().text), labels.name(4, Look().text)]
    assert "Segment 7" not in shown.html["timeline"]
    assert "Segment 8" not in "".join(shown.html.values())
