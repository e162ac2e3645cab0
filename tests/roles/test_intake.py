"""Intake begins again where events count already: those are left out, and not one of the others."""

from __future__ import annotations

import gc
import json
import time

from confluent_kafka import Producer
from msgspec.structs import replace

from streams.contract import decode_block
from streams.kafka import produce, producer_config
from streams.records import records_until_end
from streams.roles.intake import Intake
from streams.settings import Settings
from streams.storage.marks import write_marks

EVENTS, COUNTED = 400, 250  # the third batch of a hundred holds both kinds
PATIENCE_S = 30.0


def test_what_counts_already_is_left_out_and_nothing_else(ready: Settings) -> None:
    settings = replace(ready, intake=replace(ready.intake, batch_events=100))
    producer = Producer(producer_config(settings))
    for number in range(EVENTS):
        event = {"type": "page", "userId": f"u{number}", "timestamp": "2026-01-01T00:00:00Z"}
        produce(producer, settings.kafka.topics.events, json.dumps(event).encode(), partition=0)
    assert producer.flush(10) == 0
    write_marks(settings, {target: {0: COUNTED} for target in range(settings.kafka.partitions)})

    intake = Intake(settings)
    people: list[str] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(people) < EVENTS - COUNTED and time.monotonic() < deadline:
        for _ in range(10):
            intake.step()
        people = [
            name
            for message in records_until_end(settings, settings.kafka.topics.clicks)
            for name in decode_block(message.value() or b"").person.values.to_pylist()
        ]
    intake.close()
    gc.enable()  # intake is made for a process of its own
    gc.unfreeze()

    assert sorted(people) == sorted(f"u{number}" for number in range(COUNTED, EVENTS))
