from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from confluent_kafka import Producer

from streams.embedded import Broker
from streams.embedded.process import free_port
from streams.errors import UnavailableError
from streams.kafka import end_offsets, ensure_topics, producer_config
from streams.settings import KafkaSettings, Settings
from tests.embedded.common import processes_of


def _settings(broker: Broker) -> Settings:
    return Settings(kafka=KafkaSettings(bootstrap=broker.bootstrap))


def test_starts_stops_and_keeps_its_topics(tmp_path: Path) -> None:
    port = free_port()
    broker = Broker(tmp_path / "data", tmp_path / "broker.log", port)
    broker.start()
    assert broker.alive
    assert not broker.unclean
    assert broker.bootstrap == f"127.0.0.1:{port}"
    ensure_topics(_settings(broker))
    producer = Producer(producer_config(_settings(broker)))
    producer.produce("events", b"{}", partition=1)
    assert producer.flush(30) == 0
    broker.stop()
    assert not broker.alive
    assert processes_of(tmp_path) == []

    again = Broker(tmp_path / "data", tmp_path / "broker.log", port)
    again.start()
    assert not again.unclean
    assert end_offsets(_settings(again), "events") == {0: 0, 1: 1, 2: 0, 3: 0}
    again.stop()


def test_a_killed_broker_is_known_as_unclean(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "data", tmp_path / "broker.log")
    broker.start()
    assert broker.child is not None
    os.kill(broker.child.pid, signal.SIGKILL)
    broker.stop()
    broker.start()
    assert broker.unclean
    broker.stop()
    broker.start()
    assert not broker.unclean
    broker.stop()


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    first = Broker(tmp_path / "first", tmp_path / "first.log")
    first.start()
    second = Broker(tmp_path / "second", tmp_path / "second.log", first.port)
    with pytest.raises(UnavailableError, match=rf"another process listens on 127.0.0.1:{first.port}"):
        second.start()
    assert not second.alive
    assert first.alive
    first.stop()


def test_a_broker_that_can_not_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "kafka.json").write_text("garbage")
    broker = Broker(tmp_path / "data", tmp_path / "broker.log")
    with pytest.raises(UnavailableError, match=r"(?s)didn't start on 127.0.0.1:\d+; the end of .*failed to parse"):
        broker.start()
    assert not broker.alive
    assert processes_of(tmp_path) == []
