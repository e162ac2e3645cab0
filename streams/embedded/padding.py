"""What has to be put right in the embedded broker before any role starts: lost tails and orphaned transactions.

A killed broker loses up to 3 s of acknowledged records, so a log can end before an offset that somebody has stored.
New records would then take offsets that count as read. Empty records fill the gap; readers pass them over.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from streams.contract.control import CONTROL_HEADER, IDENTITY
from streams.errors import StateError, UnavailableError
from streams.identity import OPERATOR, Remind, envelopes
from streams.kafka import PADDING_HEADER, client_config, end_offsets, produce, producer_config
from streams.outbox import Outbox
from streams.settings import Settings
from streams.storage.client import connect
from streams.storage.marks import write_marks

__all__ = ["pad_partitions", "remind_owners", "settle_transactions", "stored_positions"]

_log = logging.getLogger(__name__)

_TIMEOUT_S = 30.0
_LOOK_S = 0.5
#: As intake's own (DESIGN 4); the broker would refuse another one only above its limit.
_TRANSACTION_TIMEOUT_MS = 10_000


def pad_partitions(settings: Settings, *, alive: Callable[[], bool] = lambda: True) -> dict[str, dict[int, int]]:
    """Fill each log up to what was read of it: `clicks` by ClickHouse's positions, the rest by their readers' groups.

    Parameters
    ----------
    settings : Settings
        Broker and ClickHouse.
    alive : callable
        Whether there is still a broker to wait for.

    Returns
    -------
    dict
        topic -> partition -> number of empty records written; only where there were any.

    Raises
    ------
    StateError
        A position names a partition that the topic doesn't have, or a log still ends elsewhere afterwards.
    UnavailableError
        The broker or ClickHouse can't be reached.
    """
    topics, prefix = settings.kafka.topics, settings.kafka.prefix
    marks = stored_marks(settings)
    write_marks(settings, marks)
    events = _group_offsets(settings, f"{prefix}.intake", topics.events)
    for sources in marks.values():  # an event that counts has a place, also when the broker has forgotten both
        for source, offset in sources.items():
            events[source] = max(offset, events.get(source, 0))
    wanted = {
        topics.clicks: stored_positions(settings),
        topics.events: events,
        topics.content: _group_offsets(settings, f"{prefix}.encoder", topics.content),
    }
    padded = {}
    for topic, targets in wanted.items():
        gaps = _gaps(settings, topic, targets)
        if gaps:
            _log.warning("the broker lost the end of %s; empty records take its place: %s", topic, gaps)
            _write_empty(settings, topic, gaps, alive)
            _check_ends(settings, topic, targets)
            padded[topic] = gaps
    return padded


def remind_owners(settings: Settings) -> None:
    """Let the owner of each partition ask again for ids it got no answer about: question or answer may be lost.

    Raises
    ------
    UnavailableError
        The broker can't be reached.
    """
    outbox = Outbox(settings)
    for partition in range(settings.kafka.partitions):
        for order in envelopes(OPERATOR, 0, "", [Remind(time.time_ns() // 1000)]):
            header = (CONTROL_HEADER, IDENTITY)
            outbox.send(settings.kafka.topics.clicks, order, partition=partition, headers=[header])
    outbox.flush(_TIMEOUT_S)
    outbox.close()


def stored_positions(settings: Settings) -> dict[int, int]:
    """Return the next offset of each partition of `clicks` as the last commit in ClickHouse names it."""
    with connect(settings) as client:
        rows = client.query("SELECT kafka_partition, next_offset FROM positions").result_rows
    return {int(partition): int(offset) for partition, offset in rows}


def stored_marks(settings: Settings) -> dict[int, dict[int, int]]:
    """Return how far the events topic has come into each partition of `clicks`, as the last commit names it."""
    with connect(settings) as client:
        rows = client.query("SELECT kafka_partition, sources FROM profiles FINAL WHERE kind = 'position'").result_rows
    return {int(partition): {int(s): int(offset) for s, offset in sources.items()} for partition, sources in rows}


def settle_transactions(settings: Settings, ids: Iterable[str]) -> None:
    """End what any of these transactional ids left open: the embedded broker never does it by itself.

    Readers of committed records would otherwise wait behind an orphan for ever.

    Parameters
    ----------
    settings : Settings
        Says where the broker is.
    ids : iterable of str
        Every transactional id that was ever used with this broker.

    Raises
    ------
    UnavailableError
        The broker doesn't answer.
    """
    for name in ids:
        producer = Producer(
            producer_config(settings, **{"transactional.id": name, "transaction.timeout.ms": _TRANSACTION_TIMEOUT_MS})
        )
        try:
            producer.init_transactions(_TIMEOUT_S)
        except KafkaException as error:
            msg = f"transactional id {name!r} can't be settled on {settings.kafka.bootstrap}: {error.args[0].str()}"
            raise UnavailableError(msg) from error


def _group_offsets(settings: Settings, group: str, topic: str) -> dict[int, int]:
    consumer = Consumer({**client_config(settings), "group.id": group, "enable.auto.commit": False})
    try:
        partitions = consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic].partitions
        committed = consumer.committed([TopicPartition(topic, p) for p in partitions], timeout=_TIMEOUT_S)
    except KafkaException as error:
        msg = f"the offsets of group {group} can't be read from {settings.kafka.bootstrap}: {error.args[0].str()}"
        raise UnavailableError(msg) from error
    finally:
        consumer.close()
    return {entry.partition: entry.offset for entry in committed if entry.offset >= 0}


def _gaps(settings: Settings, topic: str, targets: Mapping[int, int]) -> dict[int, int]:
    if not targets:
        return {}
    ends = end_offsets(settings, topic, committed=False)
    unknown = sorted(set(targets) - set(ends))
    if unknown:
        msg = (
            f"positions of {topic} name the partitions {unknown}, the topic has {len(ends)}: this data directory's "
            "broker and ClickHouse don't belong together. Bring back both from the same backup, or start afresh"
        )
        raise StateError(msg)
    return {p: target - ends[p] for p, target in sorted(targets.items()) if target > ends[p]}


def _write_empty(settings: Settings, topic: str, gaps: Mapping[int, int], alive: Callable[[], bool]) -> None:
    failures: list[KafkaError] = []

    def delivered(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            failures.append(error)

    producer = Producer(producer_config(settings))
    for partition, count in gaps.items():
        for _ in range(count):
            headers = [(PADDING_HEADER, b"1")]
            produce(producer, topic, b"", partition=partition, headers=headers, on_delivery=delivered)
            producer.poll(0)
    deadline = time.monotonic() + _TIMEOUT_S
    while (left := producer.flush(_LOOK_S)) and alive() and time.monotonic() < deadline:
        pass
    if left or failures:
        reason = failures[0].str() if failures else f"{left} records weren't acknowledged in {_TIMEOUT_S:.0f} s"
        msg = f"{topic} can't be padded: {reason}"
        raise UnavailableError(msg)


def _check_ends(settings: Settings, topic: str, targets: Mapping[int, int]) -> None:
    rest = _gaps(settings, topic, targets)
    if rest:
        msg = f"{topic} still ends before the stored positions after padding, by {rest} records; nothing may write yet"
        raise StateError(msg)
