"""Copies dead letters from their topic to the table `dead_letters`, beside intake and never in its way."""

from __future__ import annotations

import logging
import threading

from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer

from streams.contract.dead_letters import DeadLetter, from_record
from streams.errors import UserprismError
from streams.kafka import consumer_config, headers_of
from streams.polling import Poller
from streams.settings import Settings
from streams.storage.client import connect
from streams.storage.dead_letters import save_dead_letters

__all__ = ["DeadLetterSink"]

log = logging.getLogger(__name__)

_BATCH = 2_000
_RETRY_S = 1.0
_REST_S = 1.0


class DeadLetterSink(threading.Thread):
    """At least once into a Replacing table keyed by where the event came from: repeats do no harm."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(name="dead-letters", daemon=True)
        self._settings = settings
        self._ended = threading.Event()

    def stop(self) -> None:
        """Stop after the batch at hand."""
        self._ended.set()
        self.join(3.0)

    def run(self) -> None:
        """Copy until stopped; an outage of ClickHouse only delays it."""
        instance = self._settings.intake.instance_id
        group = f"{self._settings.kafka.prefix}.dead-letters"
        consumer = Consumer(
            consumer_config(
                self._settings, group, instance, **{"auto.offset.reset": "earliest", "enable.partition.eof": True}
            )
        )
        consumer.subscribe([self._settings.kafka.topics.dead_letters])
        poller = Poller(consumer)
        waiting: list[DeadLetter] = []
        client: Client | None = None
        try:
            while not self._ended.is_set():
                if not waiting:
                    waiting = self._read(consumer, poller)
                if waiting:
                    try:
                        client = client or connect(self._settings)
                        save_dead_letters(client, waiting)
                        consumer.commit(asynchronous=False)
                    except Exception as error:
                        log.warning("dead letters wait: %s", str(error).splitlines()[0])
                        client = None
                        self._ended.wait(_RETRY_S)
                        continue
                    waiting = []
                    self._ended.wait(_REST_S)  # a few large inserts, not many small ones
        except UserprismError as error:
            log.warning("dead letters are no longer copied to ClickHouse: %s", error)
        finally:
            consumer.close()

    def _read(self, consumer: Consumer, poller: Poller) -> list[DeadLetter]:
        letters = []
        for message in poller.consume(_BATCH, 0.5):
            if message.error() is not None:
                continue
            consumer.store_offsets(message)
            try:
                letters.append(from_record(message.key(), message.value(), headers_of(message)))
            except (KeyError, ValueError):
                log.warning("record %d of %s is no dead letter of ours", message.offset(), message.topic())
        return letters
