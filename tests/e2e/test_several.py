"""Two of each: the program runs two intakes and two profilers, which count exactly and have one model."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError
from confluent_kafka import Producer

from streams.kafka import produce, producer_config
from streams.settings import Settings, load_settings
from streams.storage import connect
from streams.telemetry import read_statuses
from tests.faults.known_log import KnownLog

PATIENCE_S = 300.0


def ask(settings: Settings, query: str) -> list[Any]:
    """Rows, asked for again while the engine is too busy to answer: no answer isn't an empty one."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            with connect(settings) as client:
                return list(client.query(query).result_rows)
        except (ClickHouseError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@pytest.mark.long
def test_up_with_two_of_each_counts_exactly_and_has_one_model(tmp_path: Path) -> None:
    data = tmp_path / "data"
    log = KnownLog(21, 6_000)
    log_file = tmp_path / "up.log"
    with log_file.open("wb") as sink:
        command = [sys.executable, "-m", "streams.cli", "up", "--profilers", "2", "--intakes", "2", "--data-dir", data]
        process = subprocess.Popen([str(part) for part in command], stderr=sink)

    def until(done: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not done():
            said = log_file.read_text()[-3000:]
            assert process.poll() is None, said
            assert time.monotonic() < deadline, f"{what}\n{said}"
            time.sleep(0.1)

    try:
        until(lambda: "ready." in log_file.read_text(), "the stack")
        settings = load_settings(overrides={"data_dir": str(data)}, environ={})
        roles = {name.rsplit("-", 1)[0] for name in read_statuses(settings.run_dir)}
        assert {"control", "encoder", "intake", "profiler"} <= roles
        assert {"intake-0", "intake-1", "profiler-0", "profiler-1"} <= set(read_statuses(settings.run_dir))
        producer = Producer(producer_config(settings))
        for place, (key, value) in enumerate(log.messages):
            produce(producer, settings.kafka.topics.events, value, key, partition=place % 4)
        assert producer.flush(PATIENCE_S) == 0
        counted = "SELECT sum(event_count) FROM current_profiles"
        until(lambda: ask(settings, counted) == [(log.accepted,)], "every event")

        def one_model() -> bool:
            newest = ask(settings, "SELECT max(model_version) FROM model_versions")
            shown = [s["model_version"] for name, s in read_statuses(settings.run_dir).items() if "profiler" in name]
            unlabelled = ask(settings, "SELECT count() FROM current_profiles WHERE segment < 0")
            return newest > [(0,)] and shown == [newest[0][0]] * 2 and unlabelled == [(0,)]

        until(one_model, "one model")
        counts = dict(ask(settings, "SELECT profile_id, event_count FROM current_profiles"))
        assert counts == {name: person.events for name, person in log.people.items()}
        people = "SELECT sum(people) FROM segment_stability"  # a view follows its table a moment later
        until(lambda: sum(row[0] for row in ask(settings, people)) >= len(counts), "everybody in segment_stability")
        stability = ask(settings, "SELECT max(noise_share), max(versions) FROM segment_stability")[0]
        assert (stability[0], stability[1] > 0) == (0, True)
        first = ask(settings, "SELECT from_segment, to_segment, vectors FROM model_overlaps WHERE model_version = 1")
        assert {before for before, _, _ in first} == {-2}  # nobody was in a segment before
        assert (
            sum(vectors for _, _, vectors in first)
            == ask(settings, "SELECT vectors FROM model_versions FINAL WHERE model_version = 1")[0][0]
        )
        minted = ask(settings, "SELECT count() FROM model_changes WHERE model_version = 1 AND cause = 'first fit'")
        assert minted[0][0] == len({now for _, now, _ in first})
        owners = ask(settings, "SELECT uniqExact(kafka_partition) FROM positions")
        assert owners == [(4,)]
    finally:
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
