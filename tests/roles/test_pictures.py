"""Pictures down the whole road, by the processes that a user runs: intake, encoder, profiler, ClickHouse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
from confluent_kafka import Producer
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from encoders.manifest import Golden, ImageInput, Manifest, file_sha256
from streams.kafka import produce, producer_config
from streams.settings import Settings
from streams.storage import connect
from tests.encoders.pictures import data_url, encoded

PATIENCE_S = 120.0
COUNTS = "SELECT (SELECT sum(event_count) FROM current_profiles), (SELECT count() FROM content FINAL)"
SEGMENTS = "SELECT profile_id, segment FROM current_profiles"
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
PEOPLE = 45


def picture(colour: str, form: str = "PNG") -> str:
    return data_url(encoded(Image.new("RGB", (12, 9), COLOURS[colour]), form), f"image/{form.lower()}")


def mean_colour(folder: Path) -> None:
    """Write an image encoder whose vector is a picture's mean colour."""
    folder.mkdir(parents=True)
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["pixels", "sides"], ["vector"], keepdims=0)],
        "colours",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(np.array([2, 3], np.int64), "sides")],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), folder / "model.onnx"
    )
    manifest = Manifest(
        id="colours", version="1", space_id="colours/1", kind="image", opset=18, dim=3, pooling="mean", max_len=0,
        inputs={"pixels": "float32 (batch, 3, 8, 8)"}, outputs={"vector": "float32 (batch, 3)"}, normalised=False,
        languages=[], preprocessing="squashed to 8 x 8", batch_invariant=True, licence="Apache-2.0", source="a test",
        sha256={"model.onnx": file_sha256(folder / "model.onnx")}, projection_version="", tolerance=1e-6, tokenizer="",
        goldens=[Golden(picture("green"), [0.0, 1.0, 0.0])], weights="random",
        image=ImageInput(size=8, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
    )  # fmt: skip
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))


@contextmanager
def running(settings: Settings, role: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a role as a process of its own; it must end in order."""
    named = {
        "KAFKA__BOOTSTRAP": settings.kafka.bootstrap, "KAFKA__PREFIX": settings.kafka.prefix,
        "KAFKA__EVENTS_TOPIC": settings.kafka.events_topic, "CLICKHOUSE__URL": settings.clickhouse.url,
        "CLICKHOUSE__DATABASE": settings.clickhouse.database, "CLICKHOUSE__USER": settings.clickhouse.user,
        "CLICKHOUSE__PASSWORD": json.dumps(settings.clickhouse.password), "ENCODER__TEXT": "one",
        "ENCODER__IMAGE": "colours", "ENCODER__NICE": "0", "ENCODER__MODELS_DIR": settings.encoder.models_dir,
        "SEGMENTATION__INTEREST_DIM": "4", "SEGMENTATION__N_CLUSTERS": "3",
    }  # fmt: skip
    command = [sys.executable, "-m", "streams.role", "--data-dir", settings.data_dir, role]
    environment = os.environ | {f"USERPRISM_{name}": value for name, value in named.items()}
    with log.open("wb") as sink:
        process = subprocess.Popen(command, env=environment, stdout=sink, stderr=sink)
        try:
            yield process
        finally:
            process.terminate()
            assert process.wait(60) == 0, log.read_text()[-3000:]


def told_apart(segment: dict[str, int], colours: list[str]) -> bool:
    """Whether everybody of a colour is in one segment, each colour in another."""
    chosen = {colour: {segment.get(f"u{p}", -2) for p in range(PEOPLE) if colours[p] == colour} for colour in COLOURS}
    together = set.union(*chosen.values())
    return all(len(one) == 1 for one in chosen.values()) and len(together) == 3 and min(together) >= 0


def send(settings: Settings, events: list[dict[str, Any]]) -> None:
    producer = Producer(producer_config(settings))
    for event in events:
        produce(producer, settings.kafka.topics.events, json.dumps(event).encode(), event["userId"].encode())
    assert producer.flush(10) == 0


def viewed(person: int, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "track", "event": "Product Viewed", "userId": f"u{person}", "messageId": f"m{person}",
        "timestamp": "2026-09-01T10:00:00Z", "properties": properties,
    }  # fmt: skip


def test_people_are_told_apart_by_nothing_but_the_pictures_they_looked_at(own: Settings, tmp_path: Path) -> None:
    mean_colour(Path(own.encoder.models_dir) / "colours")
    # All things are called the same; a third of the people look at each colour.
    colours = [list(COLOURS)[person % 3] for person in range(PEOPLE)]
    events = [
        viewed(person, {"product_id": f"p-{colour}", "name": "pan", "image_url": picture(colour)})
        for person, colour in enumerate(colours)
    ]
    odd = [
        {"product_id": "p-broken", "name": "pan", "image_url": "data:image/png;base64,iVBORw0KGgo="},
        {"product_id": "p-jpeg", "name": "pan", "image_url": picture("green", "JPEG")},
        {"product_id": "p-nothing", "image_url": "data:image/png;base64,iVBORw0KGgo="},
        {"image_url": picture("blue")},
    ]
    others = [viewed(PEOPLE + place, properties) for place, properties in enumerate(odd)]

    with ExitStack() as stack, connect(own) as client:
        roles = {
            role: stack.enter_context(running(own, role, tmp_path / f"{role}.log"))
            for role in ("encoder", "profiler", "intake")
        }

        def until(done: Callable[[], bool], query: str) -> None:
            deadline = time.monotonic() + PATIENCE_S
            while not done():
                for role, process in roles.items():
                    assert process.poll() is None, (tmp_path / f"{role}.log").read_text()[-3000:]
                assert time.monotonic() < deadline, client.query(query).result_rows
                time.sleep(0.1)

        send(own, events)
        until(lambda: told_apart(dict(client.query(SEGMENTS).result_rows), colours), SEGMENTS)
        send(own, others)
        until(lambda: client.query(COUNTS).result_rows == [(len(events + others), 7)], COUNTS)
        rows = client.query("SELECT item, kind, status, vector FROM content FINAL").result_rows

    said, silent = [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]
    red, green, blue, unseen = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]
    found = {item or kind: (status, vector) for item, kind, status, vector in rows}
    jpeg = found.pop("p-jpeg")[1]
    np.testing.assert_allclose(jpeg, said + green, atol=0.02)
    assert found == {
        "p-red": ("ok", said + red), "p-green": ("ok", said + green), "p-blue": ("ok", said + blue),
        "p-broken": ("ok", said + unseen), "p-nothing": ("unsupported", []), "media": ("ok", silent + blue),
    }  # fmt: skip
