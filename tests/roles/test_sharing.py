"""Two profilers and the agent that merges: exact counts, one model, and no need of the agent for anything but news."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from streams.errors import Transient
from streams.kafka import end_offsets
from streams.roles.profiler import Profiler
from streams.settings import Settings
from streams.storage import connect
from tests.faults.known_log import KnownLog
from tests.roles.test_control import ROLE, status_of, worker
from tests.roles.test_profiler import blocks_of, positions, send, stored_states, undisturbed_states

PATIENCE_S = 240.0


class Running:
    """A profiler on a thread of its own."""

    def __init__(self, settings: Settings, name: str) -> None:
        own = msgspec.structs.replace(settings.profiler, instance_id=name, commit_interval_ms=200)
        self.profiler: Any = Profiler(msgspec.structs.replace(settings, profiler=own))
        self.error: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    @property
    def owned(self) -> set[int]:
        return set(self.profiler._partitions)

    @property
    def version(self) -> int:
        return int(self.profiler._models.newest[0]) if self.profiler._segmentations.fitted else 0

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self.profiler.close()

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    self.profiler.step()
                except (Transient, ClickHouseError, OSError) as error:
                    self.profiler.recover(error, self._stop)
        except BaseException as error:
            self.error = error


@contextmanager
def profilers(settings: Settings, *names: str) -> Iterator[list[Running]]:
    running: list[Running] = []
    try:
        for name in names:
            running.append(Running(settings, name))
            if len(names) > 1:  # as the supervisor does: two that join an empty group at once may wait for ever
                until(lambda: running[-1].owned, running, f"{name} is in the group")
        yield running
    finally:
        for one in running:
            one.stop()


def until(done: Callable[[], object], running: list[Running], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        for one in running:
            if one.error is not None:
                raise one.error
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def rows(settings: Settings, query: str) -> list[Any]:
    with connect(settings) as client:
        return list(client.query(query).result_rows)


@pytest.fixture
def quick(ready: Settings) -> Settings:
    """A stack whose agent doesn't wait long."""
    return msgspec.structs.replace(
        ready, control=msgspec.structs.replace(ready.control, merge_vectors=500, merge_s=1.0)
    )


def test_two_profilers_count_exactly_and_have_one_model_with_or_without_the_agent(
    quick: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = KnownLog(11, 6_000)
    blocks = blocks_of(quick, log)
    most, piece = len(blocks) * 6 // 10, len(blocks) // 20
    monkeypatch.setenv("USERPRISM_CONTROL__MERGE_VECTORS", "500")
    monkeypatch.setenv("USERPRISM_CONTROL__MERGE_S", "1.0")

    def newest() -> int:
        return int(rows(quick, "SELECT max(model_version) FROM model_versions")[0][0])

    def merged() -> bool:
        return rows(quick, "SELECT count() FROM model_versions WHERE cause = 'merged'") > [(0,)]

    def read() -> bool:
        return positions(quick) == {p: end for p, end in end_offsets(quick, quick.kafka.topics.clicks).items() if end}

    with profilers(quick, "one", "two") as running:
        until(lambda: all(len(one.owned) == 2 for one in running), running, "each has two partitions")
        with worker(quick, ROLE) as control:
            send(quick, blocks[:most])
            until(lambda: read() and all(one.version for one in running), running, "a first model")
            while not merged():  # each piece leads to a version: what was learned is merged, or grown history fitted
                before = newest()
                send(quick, blocks[most : most + piece])
                most += piece
                until(lambda before=before: read() and newest() > before, running, "another version")
            until(lambda: status_of(quick, control).get("updates_fitted"), running, "its status")
            os.kill(control.pid, signal.SIGKILL)
        until(lambda: all(one.version == newest() for one in running), running, "the newest version")

        known = newest()
        send(quick, blocks[most:])  # nobody merges: everything goes on under the version there is
        until(read, running, "the rest")
        assert [one.version for one in running] == [known, known]
        held = {p for one in running for p in one.owned}

    assert held == {0, 1, 2, 3}
    assert stored_states(quick) == undisturbed_states(quick, blocks)
    counts = dict(rows(quick, "SELECT profile_id, event_count FROM current_profiles"))
    assert counts == {name: person.events for name, person in log.people.items()}
    (segments,) = rows(quick, "SELECT segments FROM model_versions FINAL ORDER BY model_version DESC LIMIT 1")[0]
    assert {segment for (segment,) in rows(quick, "SELECT DISTINCT segment FROM current_profiles")} <= set(segments)
    ids = rows(quick, "SELECT segment, uniqExact(model_version) FROM segments GROUP BY segment")
    assert {versions for _, versions in ids} == {1}  # an id is minted once


def test_who_is_left_alone_goes_on_from_the_newest_model_and_mints_later_versions(quick: Settings) -> None:
    blocks = blocks_of(quick, KnownLog(12, 4_000))
    half = len(blocks) // 2
    send(quick, blocks[:half])
    with profilers(quick, "one") as running:
        until(lambda: len(running[0].owned) == 4 and running[0].version, running, "a model of its own")
        until(lambda: running[0].profiler._all_safe, running, "its commit")
        alone = rows(quick, "SELECT max(model_version), max(segment) FROM model_versions, segments")[0]
        with profilers(quick, "two") as others:
            both = [*running, *others]
            until(lambda: all(len(one.owned) == 2 for one in both), both, "each has two partitions")
            until(lambda: all(one.profiler._sharing.active for one in both), both, "both learn together")
            until(lambda: all(one.version == alone[0] for one in both), both, "the version that one made alone")
            send(quick, blocks[half:])
            until(lambda: all(one.profiler._segmentations.all[0]._model.pending for one in both), both, "learning")
