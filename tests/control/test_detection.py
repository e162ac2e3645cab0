"""Detection on real tables and a real topic: what is told, once and again by the process after a crash."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, TopicPartition

import streams.control.shifts as module
from streams.control.shifts import Detection
from streams.kafka import client_config, end_offsets
from streams.settings import Settings
from streams.storage import connect, initialise
from streams.storage.alerts import firing_alerts
from streams.storage.shifts import judged_until, progress, sizes_at
from tests.control.test_lookout import weeks

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
AT = 15 * 24 + 9
COUNTS = weeks(17, 2, AT, 0.2)


def first_fit(client: Client) -> None:
    """Store the model that all hours are counted under."""
    names = "segmentation model_version cause segments learned inertia space_id layout snapshot"
    client.insert("model_versions", [["interest", 1, "first fit", [0], 1, 0.0, "", 0, b""]], column_names=names.split())


def fill(
    client: Client, first: int, last: int, ago: timedelta = timedelta(), models: tuple[int, ...] = (1, 1)
) -> None:
    """Write what commits said of some hours, so long ago, in two partitions that have come to these models."""
    rows = []
    for hour in range(first, last):
        at = BEGIN + timedelta(hours=hour)
        for segment, people in enumerate(COUNTS[hour].tolist()):
            parts = int(people) // 3, int(people) - int(people) // 3
            for partition, (part, model) in enumerate(zip(parts, models, strict=False)):
                row = ["interest", 3_600, at, partition, segment, hour + 1, model, part, at + timedelta(minutes=59)]
                rows.append([*row, datetime.now(UTC) - ago])
    names = (
        "segmentation interval_s at kafka_partition segment version model_version active newest_event_at committed_at"
    )
    client.insert("segment_stats", rows, column_names=names.split())


def records(settings: Settings) -> list[bytes]:
    """Return what the topic tells, as it tells it."""
    topic = settings.kafka.topics.segment_alerts
    wanted = end_offsets(settings, topic)[0]
    consumer = Consumer({**client_config(settings), "group.id": "t"})
    consumer.assign([TopicPartition(topic, 0, 0)])  # who joins a group first waits, and how long isn't known
    found: list[bytes] = []
    read = 0
    while read < wanted:
        message = consumer.poll(30.0)
        assert message is not None
        read = (message.offset() or 0) + 1
        if message.error() is None:
            found.append(message.value() or b"")
    consumer.close()
    return found


def told(settings: Settings) -> set[str]:
    return {msgspec.json.decode(value)["fingerprint"] for value in records(settings)}


def test_a_crash_loses_no_alert_and_a_repeat_is_the_same_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    initialise(settings)
    with connect(settings) as client:
        first_fit(client)
        fill(client, 0, AT)
        detection = Detection(settings)
        assert detection.look() == 0
        fill(client, AT, AT + 3)  # the last hour isn't over

        def dies(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(module, "save_judged", dies)
            with pytest.raises(KeyboardInterrupt):
                detection.look()
        (before,) = firing_alerts(client)
        monkeypatch.setattr(module, "what_moved", lambda *_: {"category/sports": (0.2, 0.4)})
        again = Detection(settings)
        assert again.look() == 2
        (after,) = firing_alerts(client)
        assert (after.fingerprint, after.starts_at_us) == (before.fingerprint, before.starts_at_us)
        assert after.segments[0] == 0
        fill(client, AT + 3, AT + 13)
        assert again.look() > 0
        monkeypatch.setattr(module, "what_moved", lambda *_: {})  # of a window that is over nobody can tell any more
        fill(client, AT + 13, AT + 20)

        def refuses(*_: object) -> None:
            msg = "ClickHouse is away"
            raise OSError(msg)

        last = Detection(settings)
        with monkeypatch.context() as patch:
            patch.setattr(module, "save_alerts", refuses)
            with pytest.raises(OSError, match="away"):
                last.look()
        assert last.look() > 0
        assert firing_alerts(client) == []
        rows = client.query("SELECT status, mapKeys(moved) FROM segment_alerts FINAL").result_rows
        assert rows == [("resolved", ["category/sports"])]  # what is over says what it was about
    assert told(settings) == {before.fingerprint}
    for one in (detection, again, last):
        one.close()


def test_no_commit_for_too_long_is_silence_and_the_next_one_ends_it(settings: Settings) -> None:
    initialise(settings)
    knobs = msgspec.structs.replace(settings.shifts, silence_s=600)
    detection = Detection(msgspec.structs.replace(settings, shifts=knobs))
    with connect(settings) as client:
        fill(client, 0, 48, ago=timedelta(hours=1))
        assert detection.look() == 1
        assert detection.look() == 0  # it is known
        (alert,) = firing_alerts(client)
        assert (alert.alertname, alert.severity, alert.labels["by"]) == ("SegmentSilence", "critical", "wall")
        detection.close()

        another = Detection(msgspec.structs.replace(settings, shifts=knobs))
        assert another.look() == 0  # a new process knows what was told
        fill(client, 48, 49)
        assert another.look() == 1
        assert firing_alerts(client) == []
        another.close()
    assert told(settings) == {alert.fingerprint}


HOUR_0 = int(BEGIN.timestamp()) // 3_600


def test_a_partition_is_waited_for_as_long_as_a_part_of_an_interval(settings: Settings) -> None:
    initialise(settings)
    with connect(settings) as client:
        fill(client, 0, 5, ago=timedelta(minutes=4))
        fill(client, 5, 30, models=(1,))
        waiting = progress(client, "interest", 3_600, 0)
        assert waiting is not None
        assert waiting.low_us // 3_600_000_000 == HOUR_0 + 4
        fill(client, 30, 31, ago=timedelta(minutes=-2), models=(1,))
        alone = progress(client, "interest", 3_600, 0)
        assert alone is not None
        assert alone.low_us // 3_600_000_000 == HOUR_0 + 30


def test_a_fit_is_judged_when_every_partition_has_said_whom_it_moved(settings: Settings) -> None:
    initialise(settings)
    detection = Detection(settings)
    with connect(settings) as client:
        first_fit(client)
        names = "segmentation model_version cause segments learned inertia space_id layout snapshot"
        client.insert("model_versions", [["interest", 5, "refit", [0], 1, 0.0, "", 0, b""]], column_names=names.split())
        fill(client, 0, 20)
        fill(client, 20, 30, models=(5,))  # hours ahead of the other, which hasn't come to the fit
        fill(client, 20, 22, models=(5, 3))
        detection.look()
        assert judged_until(client, "interest", 3_600) == HOUR_0 + 19
        fill(client, 22, 30, models=(6, 6))
        detection.look()
        assert judged_until(client, "interest", 3_600) == HOUR_0 + 28
    detection.close()


def test_people_after_a_fit_are_those_of_each_partitions_first_commit_under_it(settings: Settings) -> None:
    initialise(settings)
    names = ["segmentation", "kafka_partition", "version", "segment", "people", "model_version", "at"]
    commits = [(0, 10, 4), (0, 20, 5), (0, 30, 6), (1, 11, 4), (1, 31, 6)]  # the second partition came to 6 at once
    rows = [
        ["interest", partition, version, segment, version + segment, model, datetime.now(UTC)]
        for partition, version, model in commits
        for segment in (0, 1)
    ]
    with connect(settings) as client:
        client.insert("segment_sizes", rows, column_names=names)
        assert sizes_at(client, ["interest", ""], 5) == {0: 20 + 31, 1: 21 + 32}
