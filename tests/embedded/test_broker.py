from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from confluent_kafka import Producer

from streams.embedded import Broker
from streams.embedded.process import free_port
from streams.embedded.producer_ids import skip_producer_ids
from streams.errors import UnavailableError
from streams.kafka import end_offsets, ensure_topics, producer_config
from streams.outbox import Outbox
from streams.records import records_until_end
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


def test_after_a_kill_no_producer_id_is_given_out_again(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "data", tmp_path / "broker.log")
    broker.start()
    before = skip_producer_ids("127.0.0.1", broker.port, 5)
    assert skip_producer_ids("127.0.0.1", broker.port, 5) == before + 5
    assert broker.child is not None
    os.kill(broker.child.pid, signal.SIGKILL)
    broker.stop()
    broker.start()

    assert skip_producer_ids("127.0.0.1", broker.port, 1) > before + 5
    broker.stop()


@pytest.mark.parametrize(("at_once", "only_failures"), [(False, False), (True, False), (True, True)])
def test_a_sender_goes_on_when_the_broker_has_forgotten_it(
    tmp_path: Path, request: pytest.FixtureRequest, at_once: bool, only_failures: bool
) -> None:
    broker = Broker(tmp_path / "data", tmp_path / "broker.log")
    request.addfinalizer(broker.stop)
    broker.start()
    ensure_topics(_settings(broker))
    outbox = Outbox(_settings(broker), **{"delivery.report.only.error": only_failures})
    outbox.send("events", b"saved", partition=0)
    outbox.flush(10)
    time.sleep(4)  # long enough that it isn't lost
    outbox.send("events", b"forgotten, maybe", partition=0)
    outbox.flush(10)
    assert broker.child is not None
    os.kill(broker.child.pid, signal.SIGKILL)
    broker.stop()
    broker.start()
    wanted = [b"%d" % number for number in range(100)]
    if at_once:
        outbox.send_all("events", wanted, [b"on partition 0"] * 100)
    else:
        for value in wanted:
            outbox.send("events", value, partition=0)
    outbox.flush(30)
    outbox.close()

    values = [message.value() for message in records_until_end(_settings(broker), "events")]
    assert values[0] == b"saved"
    assert values[-100:] == wanted


def test_a_sender_goes_on_when_the_client_ends_without_a_word(settings: Settings) -> None:
    def ends() -> int:
        msg = "<method 'flush' of 'cimpl.Producer' objects> returned NULL without setting an exception"
        raise SystemError(msg)  # seen under load

    ensure_topics(settings)
    outbox = Outbox(settings)
    outbox.send(settings.kafka.events_topic, b"waits", partition=0)
    assert outbox._served(ends) == 0
    outbox.flush(10)
    outbox.close()

    assert b"waits" in [message.value() for message in records_until_end(settings, settings.kafka.events_topic)]
