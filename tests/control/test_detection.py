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
from tests.control.test_lookout import weeks

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
AT = 15 * 24 + 9
COUNTS = weeks(17, 2, AT, 0.2)


def first_fit(client: Client) -> None:
    """Store the model that all hours are counted under."""
    names = "segmentation model_version cause segments learned inertia space_id layout snapshot"
    client.insert("model_versions", [["interest", 1, "first fit", [0], 1, 0.0, "", 0, b""]], column_names=names.split())


def fill(client: Client, first: int, last: int, ago: timedelta = timedelta()) -> None:
    """Write what commits said of some hours, so long ago, in two partitions."""
    rows = []
    for hour in range(first, last):
        at = BEGIN + timedelta(hours=hour)
        for segment, people in enumerate(COUNTS[hour].tolist()):
            for partition, part in enumerate((int(people) // 3, int(people) - int(people) // 3)):
                row = ["interest", 3_600, at, partition, segment, hour + 1, 1, part, at + timedelta(minutes=59)]
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
        fill(client, AT + 3, AT + 20)

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
