"""Another encoder takes over while everything runs, on the real broker and ClickHouse; a rollback is one command."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from confluent_kafka import Producer

from encoders import content_space, load_encoder
from streams.cli import cli
from streams.contract import Contract, Incoming, Limits, encode_content
from streams.contract.frames import closed
from streams.errors import InputError
from streams.kafka import produce, producer_config
from streams.roles.encoder import EncoderRole
from streams.roles.profiler import Profiler
from streams.settings import Settings
from streams.storage import connect
from streams.storage.encoders import active_encoder, wanted_encoder

RECORD_MS = 1_790_000_000_000
PATIENCE_S = 60.0
TITLES = ("red", "green", "blue", "mauve")
PEOPLE = 60


def send(settings: Settings, events: list[dict[str, object]]) -> list[tuple[int, bytes]]:
    """Publish content and blocks as intake would; return the blocks."""
    contract = Contract(settings.kafka.partitions, Limits(), 600_000_000)
    values = [json.dumps(event).encode() for event in events]
    made = contract.apply(values, [RECORD_MS] * len(values), lambda i: Incoming("events", 0, i, None, []))
    producer = Producer(producer_config(settings))
    for content in made.contents:
        produce(producer, settings.kafka.topics.content, encode_content(content))
    blocks = [(partition, closed(block)) for partition, block in made.blocks]
    for partition, block in blocks:
        produce(producer, settings.kafka.topics.clicks, block, partition=partition)
    assert producer.flush(10) == 0
    return blocks


def views(item: int, title: str, people: range) -> Iterator[dict[str, object]]:
    for person in people:
        yield {
            "type": "track", "event": "Product Viewed", "userId": f"u{person}", "messageId": f"{item}-{person}",
            "timestamp": "2026-09-01T10:00:00Z", "properties": {"product_id": f"p{item}", "name": title},
        }  # fmt: skip


def vectors_now(profiler: Profiler) -> dict[int, np.ndarray]:
    size, ids, vectors, _ = profiler._vectors.table.arrays()
    return {int(i): vector.copy() for i, vector in zip(ids[: size[0]], vectors[: size[0]], strict=True)}


def expected(settings: Settings, name: str) -> dict[int, np.ndarray]:
    """Encode what the table `content` says, without any of what surrounds a role."""
    with connect(settings) as client:
        rows = client.query("SELECT DISTINCT content_id, title FROM content").result_rows
    vectors = load_encoder(name, settings.encoder.models_dir).encode([title for _, title in rows])
    projected = content_space(name, models_dir=settings.encoder.models_dir).projection(4).apply(vectors)
    return {row[0]: vector for row, vector in zip(rows, projected, strict=True)}


def run_until(
    encoder: EncoderRole, profiler: Profiler, space_id: str, pieces: int, *, fitted: bool = False
) -> list[tuple[str, int]]:
    """Let both work until the profiler holds so many vectors of a space; return (space, model version) of each step."""
    seen = []
    deadline = time.monotonic() + PATIENCE_S
    segmentations = profiler._segmentations
    while (
        profiler._vectors.space_id != space_id
        or len(profiler._vectors.table) < pieces
        or (fitted and not segmentations.fitted)
    ):  # a busy machine may have read everything before it had time for a fit
        encoder.step()
        profiler.step()
        seen.append((profiler._vectors.space_id, profiler._models.newest[0]))
        assert time.monotonic() < deadline, seen[-1]
    for _ in range(20):
        profiler.step()
    profiler.commit()
    return seen


def command(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, *arguments: str, group: str = "encoders"
) -> dict[str, object]:
    """Run `userprism encoders ...`, or that of another group, against this stack."""
    named = {
        "KAFKA__BOOTSTRAP": settings.kafka.bootstrap, "CLICKHOUSE__URL": settings.clickhouse.url,
        "CLICKHOUSE__DATABASE": settings.clickhouse.database, "CLICKHOUSE__USER": settings.clickhouse.user,
        "CLICKHOUSE__PASSWORD": json.dumps(settings.clickhouse.password), "ENCODER__TEXT": "one",
        "ENCODER__MODELS_DIR": settings.encoder.models_dir, "SEGMENTATION__INTEREST_DIM": "4",
        "DATA_DIR": settings.data_dir,
    }  # fmt: skip
    for name, value in named.items():
        monkeypatch.setenv(f"USERPRISM_{name}", value)
    done = CliRunner().invoke(cli, [group, *arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_switch_is_at_once_and_a_rollback_brings_everything_back(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(own, [e for i, title in enumerate(TITLES) for e in views(i, title, range(i * 10, PEOPLE))])
    encoder, profiler = EncoderRole(own), Profiler(own)
    try:
        run_until(encoder, profiler, "one/1", len(TITLES), fitted=True)
        before = vectors_now(profiler)
        assert before.keys() == expected(own, "one").keys()

        asked = command(own, monkeypatch, "switch", "two")
        send(own, list(views(9, "green", range(5))))  # comes in while the catalogue is read
        steps = run_until(encoder, profiler, "two/1", len(TITLES) + 1)

        # One change, none back; the model of the new space is a later one; no vector of the old space is left.
        spaces = [space for space, _ in steps]
        assert (asked["space_id"], asked["before"], spaces) == ("two/1", "one/1", sorted(spaces))
        for content_id, vector in expected(own, "two").items():
            np.testing.assert_allclose(vectors_now(profiler)[content_id], vector, atol=1e-6)
        with connect(own) as client:
            assert active_encoder(client).space_id == "two/1"  # type: ignore[union-attr]
            assert wanted_encoder(client) is None
            labelled = client.query(
                "SELECT DISTINCT m.space_id FROM positions AS p "
                "JOIN model_versions AS m ON m.model_version = p.model_version"
            ).result_rows
            written = client.query("SELECT content_id, updated_at FROM content WHERE space_id = 'one/1'").result_rows
        assert labelled == [("two/1",)]

        # Interest is that of the touches in the new space.
        state = next(p.state for p in profiler._partitions.values() if p.state.people)
        ids, weights = state.touches(np.arange(state.people, dtype=np.int32))
        known = expected(own, "two")
        liked = profiler._segmentations.all[0]._space.raw(state, np.arange(state.people, dtype=np.int32))[0][:, -4:]
        for row in range(state.people):
            total = sum(w * known[int(i)] for i, w in zip(ids[row], weights[row], strict=True) if w > 0)
            np.testing.assert_allclose(liked[row], total / weights[row].sum(), atol=1e-6)

        assert command(own, monkeypatch, "rollback")["space_id"] == "one/1"
        run_until(encoder, profiler, "one/1", len(TITLES) + 1)

        found = vectors_now(profiler)
        for content_id, vector in before.items():
            np.testing.assert_array_equal(found[content_id], vector)
        with connect(own) as client:
            again = client.query("SELECT content_id, updated_at FROM content WHERE space_id = 'one/1'").result_rows
        assert set(written) <= set(again), "what was there needn't be encoded again"
    finally:
        encoder.close()
        profiler.close()


def test_a_restart_keeps_what_is_active_and_other_settings_are_a_wish(own: Settings) -> None:
    replace = msgspec.structs.replace
    EncoderRole(own).close()
    changed = replace(own, encoder=replace(own.encoder, text="two"))
    encoder, profiler = EncoderRole(changed), Profiler(changed)
    try:
        assert profiler._vectors.space_id == "one/1"
        run_until(encoder, profiler, "two/1", 0)
    finally:
        encoder.close()
        profiler.close()


def test_what_cant_be_taken_is_refused(own: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no encoder 'three'"):
        command(own, monkeypatch, "switch", "three")
