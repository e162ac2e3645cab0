"""What `doctor` says of the embedded engines is what is known of them, and what is missing is named with its price."""

from __future__ import annotations

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.kafka import client_config
from streams.serving.doctor import examine
from streams.serving.probes import PROBES
from streams.settings import Settings
from streams.storage import connect, initialise

PROBE = dict(PROBES)


@pytest.mark.parametrize(
    "name",
    [
        "Kafka: aborted transactions",
        "Kafka: ends of logs",
        "Kafka: record time",
        "ClickHouse: one insert, one part",
        "ClickHouse: constraints",
        "ClickHouse: versions",
    ],
)
def test_what_the_protocols_rest_on_is_there(settings: Settings, name: str) -> None:
    initialise(settings)
    before = topics(settings)

    assert PROBE[name](settings)
    assert topics(settings) == before
    with connect(settings) as client:
        assert client.query("SELECT count() FROM system.tables WHERE name LIKE 'doctor_%'").result_rows == [(0,)]


def test_a_topic_with_a_workers_time_is_named(settings: Settings) -> None:
    admin = AdminClient(client_config(settings))
    for future in admin.create_topics([NewTopic(settings.kafka.topics.clicks, 4, 1)]).values():
        future.result()
    initialise(settings)

    with pytest.raises(LookupError, match="clock that jumps"):
        PROBE["Kafka: record time"](settings)


def test_doctor_asks_all_of_it_and_says_what_the_embedded_broker_lacks_and_what_that_costs(settings: Settings) -> None:
    initialise(settings)
    found = {check["name"]: check for check in examine(settings)}

    assert PROBE.keys() <= found.keys()
    assert {name: check["said"] for name, check in found.items() if name in PROBE and not check["ok"]}.keys() == {
        "Kafka: orphaned transactions",
        "Kafka: members that are gone",
    }
    assert "holds every reader back" in found["Kafka: orphaned transactions"]["said"]
    assert "partitions wait" in found["Kafka: members that are gone"]["said"]


def topics(settings: Settings) -> set[str]:
    return {name for name in AdminClient(client_config(settings)).list_topics(timeout=10).topics if "doctor" in name}
