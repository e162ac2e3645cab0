"""The control role as processes: by the program and by Faust's own command, killed, restarted, told to stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import Producer

from streams.control.plane import create_plane
from streams.errors import ConfigurationError
from streams.kafka import produce, producer_config
from streams.roles import control
from streams.settings import KafkaSettings, Settings
from streams.storage import initialise
from streams.telemetry import read_statuses
from tests.embedded.common import wait_for

ROLE = [sys.executable, "-m", "streams.role", "control"]
FAUST = [sys.executable, "-m", "faust", "-A", "streams.roles.control", "worker", "--without-web", "-l", "WARN"]


def environment(settings: Settings) -> dict[str, str]:
    fields = {
        "DATA_DIR": settings.data_dir,
        "KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
        "KAFKA__PREFIX": settings.kafka.prefix,
        "KAFKA__EVENTS_TOPIC": settings.kafka.events_topic,
        "KAFKA__SESSION_TIMEOUT_MS": settings.kafka.session_timeout_ms,
        "CLICKHOUSE__URL": settings.clickhouse.url,
        "CLICKHOUSE__DATABASE": settings.clickhouse.database,
        "CLICKHOUSE__USER": settings.clickhouse.user,
        "CLICKHOUSE__PASSWORD": settings.clickhouse.password,
    }
    return {**os.environ, **{f"USERPRISM_{name}": json.dumps(value) for name, value in fields.items()}}


@contextmanager
def worker(settings: Settings, command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, env=environment(settings))
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def status_of(settings: Settings, process: subprocess.Popen[bytes]) -> Mapping[str, Any]:
    status = read_statuses(settings.run_dir).get("control-0", {})
    return status if status.get("pid") == process.pid and status["state"] == "ready" else {}


def say(settings: Settings, *values: bytes) -> None:
    producer = Producer(producer_config(settings))
    for value in values:
        produce(producer, settings.kafka.topics.segment_stats, value)
    assert producer.flush(10) == 0


@pytest.mark.parametrize("command", [ROLE, FAUST], ids=["role", "faust"])
def test_it_reads_comes_back_after_a_kill_and_stops_when_told(settings: Settings, command: list[str]) -> None:
    initialise(settings)
    with worker(settings, command) as process:
        wait_for(lambda: status_of(settings, process), "the role")
        os.kill(process.pid, signal.SIGKILL)
    say(settings, b"not a record of ours", b"")
    with worker(settings, command) as process:
        wait_for(lambda: status_of(settings, process).get("segment_stats") == 1, "what came meanwhile")
        process.send_signal(signal.SIGTERM)
        asked_at = time.monotonic()
        assert process.wait(10) == 0
        assert time.monotonic() - asked_at < 10
    assert "control-0" not in read_statuses(settings.run_dir)


def test_the_app_is_made_when_somebody_asks_for_it(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(settings).items():
        monkeypatch.setenv(name, value)
    app = control.app
    assert app.conf.id == f"{settings.kafka.prefix}.control"
    assert app.conf.consumer_group_instance_id == "control-0"
    assert not app.conf.web_enabled
    assert app.conf.web_bind == "127.0.0.1"
    with pytest.raises(AttributeError):
        _ = control.sunflower


def test_security_settings_become_fausts_or_are_refused(settings: Settings) -> None:
    def credentials(**client: str) -> Any:
        named = {key.replace("_", "."): value for key, value in client.items()}
        return create_plane(
            Settings(data_dir=settings.data_dir, kafka=KafkaSettings(bootstrap="a:1,b:2", client=named))
        ).app.conf.broker_credentials

    assert credentials() is None
    assert credentials(security_protocol="SSL").protocol.value == "SSL"
    login = credentials(
        security_protocol="sasl_ssl", sasl_mechanism="SCRAM-SHA-512", sasl_username="u", sasl_password="p"
    )
    assert (login.protocol.value, login.mechanism.value, login.username) == ("SASL_SSL", "SCRAM-SHA-512", "u")
    with pytest.raises(ConfigurationError, match="GSSAPI"):
        credentials(security_protocol="sasl_ssl", sasl_mechanism="GSSAPI")
