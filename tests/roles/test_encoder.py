"""The encoder role: content in, table and topic out, and nothing lost between the two."""

from __future__ import annotations

import time

import numpy as np
import pytest
from confluent_kafka import Producer

from encoders import load_encoder
from streams.contract import Content, decode_vectors, encode_content
from streams.errors import UnavailableError
from streams.kafka import produce, producer_config
from streams.records import records_until_end
from streams.roles.encoder import CRASH_POINTS, EncoderRole
from streams.settings import Settings
from streams.storage import connect
from streams.telemetry import read_statuses

CONTENTS = [
    Content(content_id=2**63 + 1, kind="item", content_hash=1, title="Cast iron skillet"),
    Content(content_id=2, kind="item", content_hash=2, title="铸铁煎锅"),
    Content(content_id=3, kind="item", content_hash=3),
]


def send(settings: Settings, *values: bytes, key: bytes | None = None) -> None:
    producer = Producer(producer_config(settings))
    for value in values:
        produce(producer, settings.kafka.topics.content, value, key)
    assert producer.flush(10) == 0


def work(settings: Settings, wanted: set[int]) -> None:
    """Let a role run until all that is wanted is in the topic."""
    role = EncoderRole(settings)
    deadline = time.monotonic() + 30
    done = False
    while not done:
        for _ in range(20):
            role.step()
        done = wanted <= published(settings).keys() or time.monotonic() > deadline
    role.close()


def step_often(role: EncoderRole) -> None:
    for _ in range(1_000):
        role.step()


def published(settings: Settings) -> dict[int, str]:
    found: dict[int, str] = {}
    for message in records_until_end(settings, settings.kafka.topics.vectors):
        batch = decode_vectors(message.value() or b"")
        assert np.isfinite(batch.vectors[batch.ok]).all()
        found |= dict(zip(batch.content_ids.tolist(), batch.status, strict=True))
    return found


def test_content_becomes_rows_and_vectors_and_what_has_no_text_says_so(ready: Settings) -> None:
    send(ready, b"no content", *map(encode_content, CONTENTS))

    work(ready, {2**63 + 1, 2, 3})

    assert published(ready) == {2**63 + 1: "ok", 2: "ok", 3: "empty"}
    with connect(ready) as client:
        rows = client.query(
            "SELECT content_id, status, length(vector) FROM content FINAL ORDER BY content_id"
        ).result_rows
    assert [tuple(row) for row in rows] == [(2, "ok", 512), (3, "empty", 0), (2**63 + 1, "ok", 512)]


def test_a_mention_by_id_alone_replaces_nothing(own: Settings) -> None:
    ids = {"content_id": 7, "kind": "item", "item": "p7"}
    rich = Content(**ids, content_hash=1, title="red", brand="Acme", price=3.0)
    bare = Content(**ids, content_hash=2, price=2.0)
    later = Content(**ids, content_hash=3, title="blue")

    encoder = load_encoder("one", own.encoder.models_dir)
    for contents, title in (((rich, bare), "red"), ((bare, later), "blue")):
        send(own, *map(encode_content, contents), key=b"7")
        role = EncoderRole(own)  # another each time: what is known lies in the table, not in the role
        deadline = time.monotonic() + 30
        expected = (7, "ok", title, "Acme", 2.0)
        while (found := described(own))[0] != expected and time.monotonic() < deadline:
            role.step()
        role.close()

        assert found[0] == expected
        np.testing.assert_array_equal([found[1]], encoder.encode([title]))


def test_while_clickhouse_refuses_content_waits_in_the_topic_and_is_counted(own: Settings) -> None:
    words = ("red", "green", "blue", "")
    contents = [Content(content_id=i, kind="item", content_hash=i, title=words[i % 4]) for i in range(1, 2_501)]
    send(own, *map(encode_content, contents), key=b"7")
    role = EncoderRole(own)
    with connect(own) as client:
        client.command("RENAME TABLE content TO hidden")
        refused, told = 0, read_statuses(own.run_dir)["encoder-0"]
        deadline = time.monotonic() + 30
        while refused < 5 or told.get("queue", 0) < 2_500:  # it is written twice a second
            try:
                role.step()
            except UnavailableError as error:
                role.pause(str(error))
                refused += bool(role._waiting)  # before the first batch has come it is the catalogue that can't be read
                assert len(role._waiting) <= 1_024, "one batch lies in memory, however long it lasts"
            told = read_statuses(own.run_dir)["encoder-0"]
            assert time.monotonic() < deadline, told
        assert (told["state"], told["queue"], told["encoded"]) == ("paused", 2_500, 0)
        client.command("RENAME TABLE hidden TO content")

    while sum(role._totals.values()) < 2_500:
        role.step()
        assert time.monotonic() < deadline
    role.pause("so that the status is written")
    told = read_statuses(own.run_dir)["encoder-0"]
    role.close()
    assert published(own) == {content.content_id: "ok" if content.title else "empty" for content in contents}
    assert (told["encoded"], told["missing"], told["queue"]) == (3, 625, 0)
    assert told["hit_rate"] == round((1_875 - 3) / 2_500, 4)
    assert (told["batches"], told["batch_size"], told["provider"]) == (1, 3.0, "CPUExecutionProvider")


def described(settings: Settings) -> tuple[tuple[object, ...], list[float]]:
    with connect(settings) as client:
        rows = client.query("SELECT content_id, status, title, brand, price, vector FROM content FINAL").result_rows
    return (tuple(rows[0][:-1]), rows[0][-1]) if rows else ((), [])


@pytest.mark.parametrize("point", CRASH_POINTS)
def test_a_crash_loses_no_vector(ready: Settings, point: str) -> None:
    def crash(reached: str) -> None:
        if reached == point:
            raise KeyboardInterrupt

    send(ready, *map(encode_content, CONTENTS))
    killed = EncoderRole(ready, at=crash)
    with pytest.raises(KeyboardInterrupt):
        step_often(killed)
    killed.close()
    with connect(ready) as client:
        assert client.query("SELECT count() FROM content FINAL").result_rows[0][0] > 0

    work(ready, {2**63 + 1, 2})

    assert {i for i, status in published(ready).items() if status == "ok"} == {2**63 + 1, 2}
