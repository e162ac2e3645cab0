"""Content vectors for the profiler: the table once, then the topic, projected as they come; one space at a time."""

from __future__ import annotations

import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from confluent_kafka import Consumer, KafkaError, TopicPartition

from encoders import EncoderError, Projection
from streams.contract import VectorBatch, decode_vectors
from streams.errors import StateError
from streams.kafka import consumer_config, end_offsets
from streams.polling import Poller
from streams.profiles.interest import VectorTable
from streams.roles._catalogue import space_of
from streams.settings import Settings
from streams.storage.client import connect
from streams.storage.content import stored_vectors
from streams.storage.encoders import ChosenEncoder, active_encoder

__all__ = ["VectorFeed"]

log = logging.getLogger(__name__)

_MESSAGES_A_POLL = 64
_OUT_OF_RANGE = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}  # noqa: SLF001
#: How often somebody looks whether another encoder is active.
_LOOK_S = 1.0


@dataclass(slots=True)
class _Space:
    """Vectors of one space, and what came in while the table was read."""

    space_id: str
    projection: Projection
    table: VectorTable
    waiting: list[VectorBatch] = field(default_factory=list)

    def take(self, batch: VectorBatch) -> npt.NDArray[np.uint64]:
        self.table.upsert(batch.content_ids[batch.ok], self.projection.apply(batch.vectors[batch.ok]))
        return batch.content_ids[batch.ok]

    def read(self, client: Client) -> None:
        for ids, vectors in stored_vectors(client, self.space_id):
            self.table.upsert(ids, self.projection.apply(vectors))


class VectorFeed:
    """Keeps a VectorTable filled with the vectors of ONE space; those of other spaces are passed over.

    When another encoder becomes active, its vectors are read beside the stream into a table of their own; `changed`
    then says that this table has taken the place of the old one, and no row of the old one is left.

    Parameters
    ----------
    settings : Settings
        Topic and addresses, and the encoder while none was chosen yet.
    client : Client
        Reads the table `content` at the start.
    """

    def __init__(self, settings: Settings, client: Client) -> None:
        self._settings = settings
        self._now = self._space(active_encoder(client))
        self._coming: _Space | None = None
        self._reading: Future[None] | None = None
        self._beside = ThreadPoolExecutor(1, "vectors")
        self._client = connect(settings)
        self._changed_at = self._looked_at = time.monotonic()
        topic = settings.kafka.topics.vectors
        # The topic's ends are noted before the table is read: what comes in between is seen twice, never not at all.
        ends = end_offsets(settings, topic)
        self._now.read(client)
        group = f"{settings.kafka.prefix}.{settings.profiler.instance_id}.vectors"
        self._consumer = Consumer(
            consumer_config(settings, group, settings.profiler.instance_id, **{"enable.partition.eof": True})
        )
        self._poller = Poller(self._consumer)
        self._consumer.assign([TopicPartition(topic, p, offset) for p, offset in ends.items()])

    @property
    def table(self) -> VectorTable:
        """The vectors, projected."""
        return self._now.table

    @property
    def space_id(self) -> str:
        """Their space."""
        return self._now.space_id

    @property
    def quiet_s(self) -> float:
        """Seconds since the table last changed."""
        return time.monotonic() - self._changed_at

    def changed(self) -> bool:
        """See whether another space has come in; True once for each change."""
        if self._reading is None:
            self._look()
            return False
        if not self._reading.done():
            return False
        reading, coming, self._reading, self._coming = self._reading, self._coming, None, None
        try:
            reading.result()
        except (ClickHouseError, OSError) as error:
            log.warning("vectors of the next encoder can't be read: %s; trying again", str(error).splitlines()[0])
            return False
        if coming is None:
            return False
        for batch in coming.waiting:
            coming.take(batch)
        log.info("content is in %s now, %d pieces; it was in %s", coming.space_id, len(coming.table), self.space_id)
        self._now = coming
        self._changed_at = time.monotonic()
        return True

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
            if batch.space_id == self.space_id:
                arrived.append(self._now.take(batch))
            elif self._coming is not None and batch.space_id == self._coming.space_id:
                self._coming.waiting.append(batch)
        ids = np.concatenate(arrived)
        if len(ids):
            self._changed_at = time.monotonic()
        return ids

    def close(self) -> None:
        """Stop following."""
        self._beside.shutdown()
        self._client.close()
        self._consumer.close()

    def _look(self) -> None:
        """Begin to read the vectors of the encoder that is active, when it is another one."""
        if time.monotonic() - self._looked_at < _LOOK_S:
            return
        self._looked_at = time.monotonic()
        try:
            chosen = active_encoder(self._client)
            if chosen is None or chosen.space_id == self.space_id:
                return
            self._coming = self._space(chosen)
        except (ClickHouseError, OSError) as error:
            log.warning("which encoder is active can't be read: %s", str(error).splitlines()[0])
            return
        except EncoderError as error:
            log.error("encoder %s is active and not installed here; %s stays: %s", chosen, self.space_id, error)
            return
        self._reading = self._beside.submit(self._coming.read, self._client)

    def _space(self, chosen: ChosenEncoder | None) -> _Space:
        space = space_of(chosen, self._settings.encoder)
        projection = space.projection(self._settings.segmentation.interest_dim)
        return _Space(space.space_id, projection, VectorTable(projection.matrix.shape[0]))
