"""The encoder: content in, vectors out, beside the stream and never in its way. Start reading at `EncoderRole.step`.

Table first, topic second, offset last: a crash repeats work and loses none, and repeats replace themselves.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from confluent_kafka import Consumer, KafkaError, KafkaException

from encoders import ContentEncoder, Thing, VectorCache
from streams.contract import Content, ContentError, decode_content, encode_vectors, merged, text_of
from streams.errors import Transient, UnavailableError
from streams.kafka import consumer_config, refuse_lost_place
from streams.lag import GroupLag
from streams.outbox import Outbox
from streams.polling import Poller
from streams.roles._catalogue import Catalogue
from streams.settings import Settings
from streams.storage.client import connect
from streams.storage.content import said_before, save_content, stored_vectors
from streams.telemetry import RoleStatus, Stages

__all__ = ["CRASH_POINTS", "EncoderRole", "run"]

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

#: Pieces of content in one insert: ClickHouse has better things to do than many small parts.
_BATCH = 1024
#: Of content that the client reads ahead. The topic is the queue: while ClickHouse refuses or the encoder is slow, no
#: more than a batch and this lies in memory, and content waits in the broker.
_AHEAD_KB = 16_384
#: Of vectors in one message; a broker takes 1 MB unless it is told otherwise.
_MESSAGE_BYTES = 500_000
_POLL_S = 0.05
_FLUSH_S = 10.0
#: Content waits while so many events do, for so long at most (what intake takes a quarter of a second for).
_CLICKS_BEHIND = 25_000
_PATIENCE_S = 10.0
#: Behind a burst of clicks comes the commit of all it changed: it too is let by.
_COMMIT_FOLLOWS_S = 1.0
_RETRY_S = 1.0
_IDLE_NICENESS = 19

#: Where a crash could leave things half done.
CRASH_POINTS = ("after table", "after topic")


def run(settings: Settings, stop: threading.Event) -> None:
    """Work until `stop` is set."""
    _let_others_go_first(settings.encoder.nice)
    role = EncoderRole(settings, stop=stop)
    try:
        while not stop.is_set():
            try:
                role.step()
            except Transient as error:
                log.warning("%s; trying again", error)
                role.pause(str(error))
                stop.wait(_RETRY_S)
    finally:
        role.close()


def _let_others_go_first(niceness: int) -> None:
    """Work when a core is idle: at niceness 19 alone the encoder still takes 15 % of two cores that are busy (seen)."""
    os.nice(niceness)
    if niceness == _IDLE_NICENESS and hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


class EncoderRole:
    """A member of the group `<prefix>.encoder`.

    Parameters
    ----------
    settings : Settings
        Which encoder, topics, addresses.
    at : callable, optional
        Told the name of each point a crash could hit; tests raise there (`CRASH_POINTS`).
    stop : threading.Event, optional
        Ends its waiting.
    """

    def __init__(
        self, settings: Settings, at: Callable[[str], None] = lambda point: None, stop: threading.Event | None = None
    ) -> None:
        self._settings = settings
        self._at = at
        self._stop = stop or threading.Event()
        self._topics = settings.kafka.topics
        self._status = RoleStatus(settings.run_dir, settings.encoder.instance_id)
        self._stages = Stages()
        self._client = connect(settings)
        self._catalogue = Catalogue(self._client, settings.encoder)
        self._begin_space()
        self._outbox = Outbox(settings)
        self._consumer = Consumer(
            consumer_config(
                settings,
                f"{settings.kafka.prefix}.encoder",
                settings.encoder.instance_id,
                **{
                    "auto.offset.reset": "earliest",
                    "enable.partition.eof": True,
                    "queued.max.messages.kbytes": _AHEAD_KB,
                },
            )
        )
        self._consumer.subscribe([self._topics.content])
        self._poller = Poller(self._consumer)
        self._clicks_lag = GroupLag(settings, "intake", self._topics.events)
        self._clicks_behind_at = -_COMMIT_FOLLOWS_S
        self._waiting: list[Content] = []
        self._totals = {"encoded": 0, "cached": 0, "missing": 0}

    def step(self) -> None:
        """Read some content, encode what is new, and write it to the table, then to the topic."""
        if self._ask(self._catalogue.look):
            self._begin_space()
        if not self._waiting:
            with self._stages("consume"):
                self._waiting = self._poll()
        new, held = self._merged()
        if held:
            with self._stages("write"):
                self._publish_again(held)
        if new:
            self._let_clicks_pass()
            with self._stages("encode"):
                vectors, status = self._vectors(new)
            with self._stages("write"):
                self._write(self._encoder, new, vectors, status)
        self._done |= {content.content_id: content.content_hash for content in [*new, *held]}
        if self._waiting:
            self._at("after topic")
            self._commit()
        idle = not self._waiting and not self._read_catalogue()
        self._waiting = []
        self._status.update(
            state="ready" if self._consumer.assignment() else "starting",
            idle=idle,
            provider=self._encoder.provider,
            space=self._encoder.space.space_id,
            preparing=self._catalogue.preparing,
            encoder_version=self._catalogue.version,
            stages=self._stages.seconds,
            **self._counted(),
        )

    def pause(self, reason: str) -> None:
        """Say that we wait; what was read is kept and tried again."""
        self._status.update(state="paused", waiting_for=reason, **self._counted())

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()
        self._clicks_lag.close()
        self._outbox.close()
        self._status.close()

    def _counted(self) -> dict[str, int | float]:
        """Return what the status tells in numbers.

        `queue`: pieces of content that wait, here and in the topic. `hit_rate`: share of content whose vector was
        known already. `batch_size`: mean of what the model is given at once.
        """
        asked = sum(self._totals.values())
        batches, pieces = self._encoder.batches
        return {
            **self._totals,
            "queue": len(self._waiting) + self._poller.behind(),
            "hit_rate": round(self._totals["cached"] / asked, 4) if asked else 0.0,
            "batches": batches,
            "batch_size": round(pieces / batches, 2) if batches else 0.0,
        }

    def _begin_space(self) -> None:
        """Start anew in the space of the encoder that is active; nothing of another space is remembered."""
        self._encoder = self._catalogue.encoder
        self._cache = VectorCache(self._encoder.space)
        #: content id -> hash of what we have published ourselves
        self._done: dict[int, int] = {}

    def _merged(self) -> tuple[list[Content], list[Content]]:
        """Return what is new of the content that waits, with all that was said of it before, and what isn't.

        A mention that says less than is known replaces nothing: of each field the latest that says anything counts.
        """
        if not self._waiting:
            return [], []
        ids = list({content.content_id for content in self._waiting})
        with self._stages("merge"):
            before = self._ask(lambda client: said_before(client, self._encoder.space.space_id, ids))
        now = {content_id: content for content_id, (content, _) in before.items()}
        for content in self._waiting:
            known = now.get(content.content_id)
            now[content.content_id] = content if known is None else merged(known, content)
        read = {content_id for content_id, (content, done) in before.items() if done and now[content_id] is content}
        return (
            [content for content_id, content in now.items() if content_id not in read],
            [now[i] for i in read if self._done.get(i) != now[i].content_hash],
        )

    def _read_catalogue(self) -> bool:
        """Read some of what an encoder hasn't read yet; return whether there was any."""
        encoder, contents = self._ask(self._catalogue.unread)
        if not contents:
            return False
        self._let_clicks_pass()
        with self._stages("catalogue"):
            vectors, status = encoder.encode_with_status([_thing(content, encoder) for content in contents])
            self._write(encoder, contents, vectors, status)
        return True

    def _ask(self, question: Callable[[Client], Answer]) -> Answer:
        try:
            return question(self._client)
        except (ClickHouseError, OSError) as error:
            msg = f"ClickHouse doesn't tell which encoder is wanted: {str(error).splitlines()[0]}"
            raise UnavailableError(msg) from error

    def _let_clicks_pass(self) -> None:
        """Wait while intake is behind, though not for ever: two roles that compute share a core's caches and units."""
        began = now = time.monotonic()
        while now - began < _PATIENCE_S:
            if self._clicks_lag.records() > _CLICKS_BEHIND:
                self._clicks_behind_at = now
            elif now - self._clicks_behind_at >= _COMMIT_FOLLOWS_S:
                return
            if self._stop.wait(_POLL_S):
                return
            now = time.monotonic()

    def _poll(self) -> list[Content]:
        contents = []
        for message in self._poller.consume(_BATCH, _POLL_S):
            error = message.error()
            if error is not None:
                if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001
                    refuse_lost_place(error)
                    log.warning("%s", error.str())
                continue
            self._consumer.store_offsets(message)
            value = message.value()
            if not value:  # pads a log that lost its end
                continue
            try:
                contents.append(decode_content(value))
            except ContentError as error:
                log.warning("%s[%d] offset %d: %s", message.topic(), message.partition(), message.offset(), error)
        return contents

    def _vectors(self, contents: list[Content]) -> tuple[npt.NDArray[np.float32], list[str]]:
        """Encode the same content once, however often it comes; what can't be read is missing, with its reason."""
        things = {_written(content): content for content in contents}
        known = {written: self._cache.get(written) for written in things}
        missing = [written for written, vector in known.items() if vector is None]
        found, reasons = self._encoder.encode_with_status(
            [_thing(things[written], self._encoder) for written in missing]
        )
        status_of = dict.fromkeys(things, "ok")
        for written, vector, reason in zip(missing, found, reasons, strict=True):
            known[written], status_of[written] = vector, reason
            if reason == "ok":
                self._cache.put(written, vector)
        order = list(map(_written, contents))
        status = [status_of[written] for written in order]
        encoded, good = reasons.count("ok"), status.count("ok")
        self._totals["encoded"] += encoded
        self._totals["missing"] += len(status) - good
        self._totals["cached"] += good - encoded
        return np.array([known[written] for written in order], np.float32), status

    def _write(
        self, encoder: ContentEncoder, contents: list[Content], vectors: npt.NDArray[np.float32], status: list[str]
    ) -> None:
        try:
            save_content(self._client, contents, vectors, status, encoder=encoder.name, space_id=encoder.space.space_id)
        except (ClickHouseError, OSError) as error:
            msg = f"ClickHouse doesn't take content: {str(error).splitlines()[0]}"
            raise UnavailableError(msg) from error
        ids = np.array([content.content_id for content in contents], np.uint64)
        self._at("after table")
        self._publish(encoder, ids, vectors, status)

    def _publish_again(self, contents: list[Content]) -> None:
        """Send vectors that the table holds: a crash may have come between the table and the topic."""
        wanted = np.array([content.content_id for content in contents], np.uint64)
        try:
            for ids, vectors in stored_vectors(self._client, self._encoder.space.space_id, wanted):
                self._publish(self._encoder, ids, vectors, ["ok"] * len(ids))
        except (ClickHouseError, OSError) as error:
            msg = f"ClickHouse doesn't give content back: {str(error).splitlines()[0]}"
            raise UnavailableError(msg) from error

    def _publish(
        self, encoder: ContentEncoder, ids: npt.NDArray[np.uint64], vectors: npt.NDArray[np.float32], status: list[str]
    ) -> None:
        most = max(1, _MESSAGE_BYTES // vectors[0].nbytes)
        for at in range(0, len(ids), most):
            part = slice(at, at + most)
            value = encode_vectors(
                ids[part], vectors[part], status[part], space_id=encoder.space.space_id, encoder=encoder.name
            )
            self._outbox.send(self._topics.vectors, value)
        self._outbox.flush(_FLUSH_S)

    def _commit(self) -> None:
        try:
            self._consumer.commit(asynchronous=False)
        except KafkaException as error:
            log.warning("offsets of content: %s", error.args[0].str())


def _thing(content: Content, encoder: ContentEncoder) -> Thing:
    """Return what an encoder takes of a piece of content."""
    if not encoder.sees:
        return Thing(text=text_of(content))
    return Thing(text=text_of(content) or None, image=content.image_url or None, video=content.video_url or None)


def _written(content: Content) -> str:
    """Return all that a vector depends on, as one text."""
    return "\0".join((text_of(content), content.image_url, content.video_url))
