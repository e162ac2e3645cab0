"""People with several devices, through the real profiler, which dies wherever it can: one person, one profile."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest

from streams.commands import identity, looking
from streams.contract import Contract, Incoming, Limits
from streams.contract.frames import closed
from streams.errors import InputError, Transient
from streams.kafka import end_offsets
from streams.roles.profiler import Profiler
from streams.settings import Settings
from streams.storage import connect
from tests.roles.test_profiler import RECORD_MS, Block, crash_at, positions, send

PEOPLE, DEVICES = 40, 3
#: Far beyond what any of these logs takes, the machine being as busy as it likes.
PATIENCE_S = 240.0


def log_of(events: int) -> tuple[list[dict[str, object]], Counter[str]]:
    """Return events of people who log in on each device once, and how many each of them has."""
    made, counts = [], Counter[str]()
    for number in range(events):
        person, device = number % PEOPLE, number // PEOPLE % DEVICES
        login = number // PEOPLE // DEVICES == 3
        ids: dict[str, object] = {"anonymousId": f"d{person}-{device}"}
        if login or (number % 3 == 0 and number // PEOPLE // DEVICES > 3):
            ids["userId"] = f"u{person}"
        made.append({"type": "track", "event": "Read", "messageId": f"m{number}", **ids})
        counts[f"u{person}"] += 1
    return made, counts


def blocks_of(settings: Settings, events: list[dict[str, object]], batch: int = 200) -> list[Block]:
    contract = Contract(settings.kafka.partitions, Limits(), 600_000_000)
    made: list[Block] = []
    for at in range(0, len(events), batch):
        values = [json.dumps(event).encode() for event in events[at : at + batch]]
        result = contract.apply(values, [RECORD_MS] * len(values), lambda i: Incoming("e", 0, i, None, []))
        made += [(partition, closed(block)) for partition, block in result.blocks]
    return made


def work(
    settings: Settings,
    parts: list[list[Block]],
    at: Callable[[str], None] = lambda point: None,
    *,
    fitted: bool = False,
) -> None:
    """Send one part after the other, each when all about the one before is stored, and with `fitted` a model too."""
    profiler = Profiler(settings, at=at)
    deadline = time.monotonic() + PATIENCE_S
    whole = len(parts)
    try:
        while True:
            while positions(settings) != {p: end for p, end in ends_of(settings).items() if end} or (
                fitted and not profiler._segmentations.fitted and len(parts) < whole
            ):
                try:
                    for _ in range(5):
                        profiler.step()
                except Transient as error:  # a step that took longer than the lease; what `run` does then
                    profiler.recover(error, threading.Event())
                assert time.monotonic() < deadline
            profiler.commit()
            if not parts:
                return
            send(settings, parts.pop(0))
    finally:
        profiler.close()


def ends_of(settings: Settings) -> dict[int, int]:
    return end_offsets(settings, settings.kafka.topics.clicks)


def rows(settings: Settings, query: str) -> list[tuple[object, ...]]:
    with connect(settings) as client:
        return list(client.query(query).result_rows)


@pytest.mark.parametrize(
    ("point", "passes"), [("between records", 2), ("between records", 9), ("after sending", 2), ("after insert", 2)]
)
def test_a_crash_anywhere_leaves_one_profile_a_person(ready: Settings, point: str, passes: int) -> None:
    events, counts = log_of(2_400)
    blocks = blocks_of(ready, events)
    parts = [blocks[:20], blocks[20:]]
    with pytest.raises(KeyboardInterrupt):
        work(ready, parts, crash_at(point, passes))

    work(ready, parts)

    assert dict(rows(ready, "SELECT profile_id, event_count FROM current_profiles")) == counts  # type: ignore[arg-type]
    links = rows(ready, "SELECT profile_id, anonymous, what FROM identity_links FINAL ORDER BY ALL")
    assert links == sorted(
        (f"u{person}", f"anon:d{person}-{device}", "merged") for person in range(PEOPLE) for device in range(DEVICES)
    )
    assert rows(ready, "SELECT sum(accepted), sum(duplicates) FROM positions") == [(2_400, 0)]


def test_segments_follow_a_merge_and_flows_count_no_churn(ready: Settings) -> None:
    events, counts = log_of(2_400)
    blocks = blocks_of(ready, events)
    work(ready, [blocks[:4], blocks[4:]], fitted=True)

    left = rows(ready, "SELECT uniqExact(profile_id) FROM segment_changes FINAL WHERE to_segment = -3")
    assert left == [(PEOPLE * DEVICES,)]
    assert rows(
        ready,
        "SELECT uniqExact(profile_id), uniqExact(person), countIf(person LIKE 'anon:%') FROM segment_changes_by_person "
        "WHERE profile_id LIKE 'anon:%'",
    ) == [(PEOPLE * DEVICES, PEOPLE, 0)]
    assert rows(ready, "SELECT countIf(to_segment = -3 OR from_segment = -3) FROM segment_flows") == [(0,)]
    sizes = rows(
        ready,
        "SELECT segment, sum(people) FROM segment_sizes FINAL WHERE (kafka_partition, version) IN "
        "(SELECT kafka_partition, max(version) FROM segment_sizes GROUP BY kafka_partition) GROUP BY segment",
    )
    assert sum(people for _, people in sizes) == len(counts)  # type: ignore[misc]
    assert all(segment != -3 for segment, _ in sizes)


def test_an_order_goes_down_the_log_and_a_profile_says_who_it_is(ready: Settings) -> None:
    events = [
        {"type": "track", "event": "Read", "messageId": "1", "anonymousId": "a"},
        {"type": "track", "event": "Read", "messageId": "2", "anonymousId": "a", "userId": "ann"},
        {"type": "track", "event": "Read", "messageId": "3", "anonymousId": "a", "userId": "bo"},
    ]
    parts = [blocks_of(ready, [event]) for event in events]
    work(ready, parts)

    found = looking.profile(ready, "anon:a")
    assert (found["profile_id"], found["event_count"]) == ("ann", 2)
    assert [(link["anonymous"], link["what"]) for link in found["links"]] == [("anon:a", "merged")]
    assert looking.profile(ready, "bo")["links"][0]["reason"] == "taken"

    with pytest.raises(InputError, match="nothing is merged into 'bo'"):
        identity.split(ready, "bo", undo=True)
    done = identity.split(ready, "ann", undo=True)
    assert (done["anonymous"], done["from"]) == ("anon:a", "ann")
    assert "counts" in done["restored"]
    assert "traits" in done["not_restored"]
    work(ready, [])

    with pytest.raises(InputError, match="belongs to nobody"):
        identity.split(ready, "anon:a", undo=True)
    assert looking.profile(ready, "anon:a")["profile_id"] == "anon:a"
    counts = dict(rows(ready, "SELECT profile_id, event_count FROM current_profiles"))
    assert counts == {"ann": 1, "bo": 1, "anon:a": 1}
