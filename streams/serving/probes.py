"""What the protocols rest on, tried out against the broker and the ClickHouse that are configured (DESIGN 6 and 12).

Every probe makes a topic, a group or a table of its own and takes it away again. It raises LookupError saying what is
missing and what that costs.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.kafka import client_config, consumer_config, end_offsets, producer_config, topic_settings
from streams.records import records_until_end
from streams.settings import Settings
from streams.storage.client import COMMIT_SETTINGS, connect

__all__ = ["PROBES"]

_CALL_S = 10.0
_SESSION_MS = 6_000
#: The broker looks at its transactions every ten seconds (transaction.abort.timed.out.transaction.cleanup.interval.ms).
_ORPHAN_S = 12.0
_ROWS = 100_000


def _transactions(settings: Settings) -> str:
    with _topic(settings) as topic:
        producer = _transactional(settings, 10_000)
        for value, end in ((b"aborted", producer.abort_transaction), (b"committed", producer.commit_transaction)):
            producer.begin_transaction()
            producer.produce(topic, value)
            producer.flush(_CALL_S)
            end(_CALL_S)
        found = [message.value() for message in records_until_end(settings, topic)]
    if found != [b"committed"]:
        msg = (
            f"a reader of committed records got {found}: events of transactions that intake aborted would count, and "
            "count again when it repeats them"
        )
        raise LookupError(msg)
    return "readers of committed records see what was committed, and nothing of what was aborted"


def _ends(settings: Settings) -> str:
    with _topic(settings) as topic:
        producer = Producer(producer_config(settings))
        for _ in range(3):
            producer.produce(topic, b"x")
        producer.flush(_CALL_S)
        end = end_offsets(settings, topic, committed=False)[0]
    if end != 3:
        msg = (
            f"after three records the log's end is given as {end} (ListOffsets): readers wouldn't notice new records, "
            "and lag would be wrong"
        )
        raise LookupError(msg)
    return "the ends of a log are where they are"


def _orphans(settings: Settings) -> str:
    with _topic(settings) as topic:
        producer = _transactional(settings, 1_000)
        producer.begin_transaction()
        producer.produce(topic, b"orphan")
        producer.flush(_CALL_S)
        deadline = time.monotonic() + _ORPHAN_S
        while end_offsets(settings, topic)[0] == 0 and time.monotonic() < deadline:
            time.sleep(0.5)
        ended = end_offsets(settings, topic)[0] > 0
        with contextlib.suppress(Exception):
            producer.abort_transaction(_CALL_S)
    if not ended:
        msg = (
            "a transaction whose producer is gone stays open: an intake that dies and isn't started again holds every "
            "reader back for ever (the embedded stack's supervisor ends such transactions itself)"
        )
        raise LookupError(msg)
    return "a transaction whose producer is gone is ended"


def _members(settings: Settings) -> str:
    group = f"{settings.kafka.prefix}.doctor-{uuid.uuid4().hex[:8]}"
    with _topic(settings) as topic:
        member = Consumer(
            consumer_config(settings, group, "doctor", **{
                "session.timeout.ms": _SESSION_MS, "auto.offset.reset": "earliest",
            })
        )  # fmt: skip
        member.subscribe([topic])
        deadline = time.monotonic() + _CALL_S
        while not member.assignment() and time.monotonic() < deadline:
            member.poll(0.2)
        member.close()  # a static member doesn't leave by that
        deadline = time.monotonic() + _SESSION_MS / 1000 + 3.0
        while (there := _size(settings, group)) and time.monotonic() < deadline:
            time.sleep(0.5)
    if there:
        msg = (
            "a member that is gone is kept in its group past its session: its partitions wait until a process with the "
            "same instance id takes its place (keep instance ids, or let a supervisor restart roles)"
        )
        raise LookupError(msg)
    return "a member that is gone loses its partitions to others"


def _record_time(settings: Settings) -> str:
    topic = settings.kafka.topics.clicks
    kind = topic_settings(settings, [topic], "message.timestamp.type")[topic] or "unknown"
    if kind != "LogAppendTime":
        msg = (
            f"{topic} has message.timestamp.type = {kind}: how old a repeat is depends on intake's clock then, and a "
            "clock that jumps opens or freezes the dedup window. Set it to LogAppendTime"
        )
        raise LookupError(msg)
    return f"{topic} carries the broker's time"


def _one_block(settings: Settings) -> str:
    with connect(settings) as client, _table(client, "id UInt64, text String", "") as table:
        batch = pa.record_batch(
            {"id": pa.array(np.arange(_ROWS, dtype=np.uint64)), "text": pa.array(["x" * 100] * _ROWS)}
        )
        _insert(client, table, batch)
        parts = int(client.query(f"SELECT uniqExact(_part) FROM {table}").result_rows[0][0])  # noqa: S608 - a name of ours
    if parts != 1:
        msg = (
            f"a commit of {_ROWS:,} rows became {parts} parts: a crash between them would leave half a commit. "
            f"Does a profile of this user forbid {', '.join(COMMIT_SETTINGS)}?"
        )
        raise LookupError(msg)
    return f"{_ROWS:,} rows in one insert are one part"


def _refused_whole(settings: Settings) -> str:
    rule = ", CONSTRAINT even CHECK id % 2 = 0"
    with connect(settings) as client, _table(client, "id UInt64", rule) as table:
        batch = pa.record_batch({"id": pa.array([0, 2, 3, 4], pa.uint64())})
        try:
            _insert(client, table, batch)
            refused = False
        except ClickHouseError as error:
            refused = "469" in str(error)
        rows = int(client.query(f"SELECT count() FROM {table}").result_rows[0][0])  # noqa: S608 - a name of ours
    if not refused or rows:
        msg = (
            f"a block that breaks a constraint was {'refused' if refused else 'taken'}, and {rows} of its rows are "
            "there: the lease can't hold off a stalled profiler (versions still keep its late block harmless)"
        )
        raise LookupError(msg)
    return "a block that breaks a constraint is refused whole (code 469)"


def _newest_wins(settings: Settings) -> str:
    with (
        connect(settings) as client,
        _table(client, "id UInt64, version UInt64", "", "ReplacingMergeTree(version)") as table,
    ):
        for version in (2, 3, 1):
            _insert(
                client,
                table,
                pa.record_batch({"id": pa.array([7], pa.uint64()), "version": pa.array([version], pa.uint64())}),
            )
        found = client.query(f"SELECT version FROM {table} FINAL").result_rows  # noqa: S608 - a name of ours
    if [tuple(row) for row in found] != [(3,)]:
        msg = f"of versions 2, 3, 1 FINAL gives {found}: a late block of a stalled profiler would undo newer state"
        raise LookupError(msg)
    return "the highest version of a row wins, whatever came last"


def _kept_free(settings: Settings) -> str:
    with connect(settings) as client:
        disks = client.query("SELECT name, keep_free_space FROM system.disks WHERE is_remote = 0").result_rows
    careless = [str(name) for name, kept in disks if not kept]
    if careless:
        msg = (
            f"of disk {', '.join(careless)} every byte may be used: merges on a disk without a byte left were seen to "
            "leave empty parts in the place of what they merged. Set keep_free_space_bytes for it "
            "(deploy/clickhouse/storage.xml)"
        )
        raise LookupError(msg)
    return "some of each disk is kept free" if disks else "no disk of its own that could be full"


#: (name, probe) in the order in which `doctor` shows them.
PROBES: tuple[tuple[str, Callable[[Settings], str]], ...] = (
    ("Kafka: aborted transactions", _transactions),
    ("Kafka: ends of logs", _ends),
    ("Kafka: record time", _record_time),
    ("Kafka: orphaned transactions", _orphans),
    ("Kafka: members that are gone", _members),
    ("ClickHouse: one insert, one part", _one_block),
    ("ClickHouse: constraints", _refused_whole),
    ("ClickHouse: versions", _newest_wins),
    ("ClickHouse: full disks", _kept_free),
)


def _transactional(settings: Settings, timeout_ms: int) -> Producer:
    name = f"{settings.kafka.prefix}.doctor-{uuid.uuid4().hex[:8]}"
    producer = Producer(producer_config(settings, **{"transactional.id": name, "transaction.timeout.ms": timeout_ms}))
    producer.init_transactions(_CALL_S)
    return producer


def _size(settings: Settings, group: str) -> int:
    admin = AdminClient(client_config(settings))
    return len(admin.describe_consumer_groups([group], request_timeout=_CALL_S)[group].result().members)


@contextlib.contextmanager
def _topic(settings: Settings) -> Iterator[str]:
    name = f"{settings.kafka.prefix}.doctor-{uuid.uuid4().hex[:8]}"
    admin = AdminClient(client_config(settings))
    for future in admin.create_topics([NewTopic(name, 1, settings.kafka.replication)]).values():
        future.result(_CALL_S)
    try:
        yield name
    finally:
        for future in admin.delete_topics([name]).values():
            future.result(_CALL_S)


@contextlib.contextmanager
def _table(client: Client, columns: str, rule: str, engine: str = "MergeTree") -> Iterator[str]:
    name = f"doctor_{uuid.uuid4().hex[:8]}"
    order = columns.split(maxsplit=1)[0]
    client.command(f"CREATE TABLE {name} ({columns}{rule}) ENGINE = {engine} ORDER BY {order}")
    try:
        yield name
    finally:
        client.command(f"DROP TABLE {name}")


def _insert(client: Client, table: str, batch: pa.RecordBatch) -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    client.raw_insert(
        table,
        column_names=batch.schema.names,
        insert_block=bytes(sink.getvalue()),
        settings=COMMIT_SETTINGS,
        fmt="Arrow",
    )
