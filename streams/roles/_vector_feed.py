"""Content vectors for the profiler: the table once, then the topic, projected as they come."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, KafkaError, TopicPartition

from encoders import Projection
from streams.contract import decode_vectors
from streams.errors import StateError
from streams.kafka import consumer_config, end_offsets
from streams.polling import Poller
from streams.profiles.interest import VectorTable
from streams.settings import Settings
from streams.storage.content import stored_vectors

__all__ = ["VectorFeed"]

_MESSAGES_A_POLL = 64
_OUT_OF_RANGE = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}  # noqa: SLF001


class VectorFeed:
    """Keeps a VectorTable filled with the vectors of ONE space; those of other spaces are passed over.

    Parameters
    ----------
    settings : Settings
        Topic and addresses.
    client : Client
        Reads the table `content` at the start.
    projection : Projection
        From the encoder's space to the width of the interest part.
    space_id : str
        Vectors are comparable only within one space.
    """

    def __init__(self, settings: Settings, client: Client, projection: Projection, space_id: str) -> None:
        self.table = VectorTable(projection.matrix.shape[0])
        self.space_id = space_id
        self._projection = projection
        self._changed_at = time.monotonic()
        topic = settings.kafka.topics.vectors
        # The topic's ends are noted before the table is read: what comes in between is seen twice, never not at all.
        ends = end_offsets(settings, topic)
        for ids, vectors in stored_vectors(client, space_id):
            self.table.upsert(ids, projection.apply(vectors))
        group = f"{settings.kafka.prefix}.{settings.profiler.instance_id}.vectors"
        self._consumer = Consumer(
            consumer_config(settings, group, settings.profiler.instance_id, **{"enable.partition.eof": True})
        )
        self._poller = Poller(self._consumer)
        self._consumer.assign([TopicPartition(topic, p, offset) for p, offset in ends.items()])

    @property
    def quiet_s(self) -> float:
        """Seconds since the table last changed."""
        return time.monotonic() - self._changed_at

    def poll(self) -> npt.NDArray[np.uint64]:
        """Take in what has arrived; return the ids of that content. Never waits."""
        arrived = [np.empty(0, np.uint64)]
        for message in self._poller.consume(_MESSAGES_A_POLL, 0):
            error = message.error()
            if error is not None and error.code() in _OUT_OF_RANGE:
                msg = (
                    f"vectors between the table and the topic are gone ({error.str()}); restart to read the table again"
                )
                raise StateError(msg)
            value = message.value()
            if error is not None or not value:
                continue
            batch = decode_vectors(value)
            if batch.space_id != self.space_id:
                continue
            good = batch.ok
            self.table.upsert(batch.content_ids[good], self._projection.apply(batch.vectors[good]))
            arrived.append(batch.content_ids[good])
        ids = np.concatenate(arrived)
        if len(ids):
            self._changed_at = time.monotonic()
        return ids

    def close(self) -> None:
        """Stop following."""
        self._consumer.close()
