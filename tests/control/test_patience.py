"""An idle consumer on the embedded broker, which answers every fetch at once."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiokafka  # type: ignore[import-untyped]
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from streams.control.patience import EMPTY_FETCHES_A_SECOND, wait_between_empty_fetches
from streams.kafka import produce, producer_config
from streams.settings import Settings


def test_an_idle_consumer_asks_seldom_and_still_finds_what_comes(settings: Settings) -> None:
    bootstrap, topic = settings.require_kafka(), f"{settings.kafka.prefix}.idle"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result()
    wait_between_empty_fetches()

    async def listen() -> tuple[int, float, bytes]:
        consumer = aiokafka.AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        send, fetches = consumer._client.send, 0

        async def counted(node: int, request: Any, **kwargs: Any) -> Any:
            nonlocal fetches
            fetches += "Fetch" in type(request).__name__
            return await send(node, request, **kwargs)

        consumer._client.send = counted
        try:
            started = time.monotonic()
            await asyncio.sleep(1)
            asked, waited_s = fetches, time.monotonic() - started
            await asyncio.to_thread(_publish, settings, topic)
            record = await asyncio.wait_for(consumer.getone(), 30)
        finally:
            await consumer.stop()
        return asked, waited_s, record.value

    asked, waited_s, value = asyncio.run(listen())

    assert asked <= waited_s * EMPTY_FETCHES_A_SECOND + 2
    assert value == b"here"


def _publish(settings: Settings, topic: str) -> None:
    producer = Producer(producer_config(settings))
    produce(producer, topic, b"here")
    assert producer.flush(30) == 0
