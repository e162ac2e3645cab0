"""A commit: the rows of all changed people and one position row per partition, in ONE block (DESIGN 6).

`version = next_offset << 16 | seq`. State is a function of the partition's log, so whoever commits at an offset says
the same thing there; a late block of a stalled owner does no harm. `seq` counts commits at the same offset (a segment
that changed because a content vector arrived).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from streams.errors import LeaseLostError, UnavailableError
from streams.identity import LinkRow
from streams.profiles import ActivityRow, Position
from streams.storage.client import COMMIT_SETTINGS

__all__ = [
    "MAX_COMMIT_BYTES",
    "MAX_COMMIT_ROWS",
    "MAX_SEQ",
    "OtherSegments",
    "PartitionCommit",
    "PeopleRows",
    "commit_batches",
    "insert_commit",
    "position_id",
    "version_of",
]

#: A block of at most this size stays one block on the way into ClickHouse (seen: 400 MB became two parts).
MAX_COMMIT_ROWS = 100_000
MAX_COMMIT_BYTES = 64_000_000
MAX_SEQ = 0xFFFF

_CONSTRAINT_VIOLATED = 469
_PERSON, _POSITION = 0, 1
#: Fields of the items of `other_segments` (a person's) and of `other_people` (a position's).
_SEGMENT = {
    "segmentation": pa.utf8(), "segment": pa.int64(), "previous_segment": pa.int64(), "since_us": pa.int64(),
    "model_version": pa.uint64(),
}  # fmt: skip
_PEOPLE = {"segmentation": pa.utf8(), "segment": pa.int64(), "people": pa.uint64(), "model_version": pa.uint64()}
#: Fields of the items of `activity` (a position's); see `ActivityRow`.
_FLOW = pa.map_(pa.int64(), pa.uint64())
_ACTIVITY = {
    "segmentation": pa.utf8(), "model_version": pa.uint64(), "at_us": pa.int64(), "interval_s": pa.uint32(),
    "segment": pa.int64(), "active": pa.uint64(), "newcomers": pa.uint64(), "inflow": _FLOW, "outflow": _FLOW,
    "by_model": _FLOW, "vectors": pa.uint64(), "centroid": pa.list_(pa.float32()), "changed": pa.uint8(),
}  # fmt: skip
#: Fields of a `LinkRow`, as the column `links` has them.
_LINK = {
    "profile_id": pa.utf8(), "anonymous": pa.utf8(), "what": pa.utf8(), "reason": pa.utf8(), "at_us": pa.int64(),
    "message": pa.uint64(), "id_offset": pa.int64(), "kafka_offset": pa.uint64(), "item": pa.uint32(),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PeopleRows:
    """Columns of n people of one partition, ready for the table.

    `ids` utf8, `states` and `identity` binary, `traits` map<utf8, utf8>, `features` map<dictionary<utf8>, float64>,
    `touched` list<uint64>; the others are int64 arrays (n,), times in microseconds UTC.
    """

    ids: pa.Array
    states: pa.Array
    identity: pa.Array
    traits: pa.Array
    features: pa.Array
    touched: pa.Array
    event_count: npt.NDArray[np.uint64]
    first_seen_us: npt.NDArray[np.int64]
    last_seen_us: npt.NDArray[np.int64]
    segment: npt.NDArray[np.int64]
    previous_segment: npt.NDArray[np.int64]
    segment_since_us: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class OtherSegments:
    """What another segmentation than the first says of the people of a commit, and its sizes; int64 arrays (n,)."""

    segmentation: str
    model_version: int
    segment: npt.NDArray[np.int64]
    previous_segment: npt.NDArray[np.int64]
    since_us: npt.NDArray[np.int64]
    people: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class PartitionCommit:
    """Everything one partition puts into a commit."""

    partition: int
    position: Position
    seq: int
    model_version: int
    layout_id: int
    people: PeopleRows
    segment_people: Mapping[int, int]
    marks: Mapping[int, int]
    links: Sequence[LinkRow]
    segmentation: str = "interest"
    others: Sequence[OtherSegments] = ()
    activity: Sequence[ActivityRow] = ()
    newest_event_us: int = 0
    interval_s: int = 3_600

    @property
    def version(self) -> int:
        """The version of every row of this part."""
        return version_of(self.position.next_offset, self.seq)


def version_of(next_offset: int, seq: int) -> int:
    """Return the row version of a commit; never a clock, never a process's counter."""
    return next_offset << 16 | seq


def position_id(partition: int) -> str:
    """Return the reserved profile_id of a position row; the contract refuses ids with NUL, so nobody can claim it."""
    return f"\0position/{partition}"


def commit_batches(
    parts: Sequence[PartitionCommit], lease_until_us: int, each: Callable[..., Iterable[pa.RecordBatch]] = map
) -> list[pa.RecordBatch]:
    """Build the blocks of a commit: one, or (past the limits) one for each partition with its position row.

    `each` is called as `map` is: an executor's builds partitions beside each other.
    """
    batches = list(each(partial(_partition_batch, lease_until_us=lease_until_us), parts))
    rows = sum(batch.num_rows for batch in batches)
    size = sum(batch.nbytes for batch in batches)
    if rows > MAX_COMMIT_ROWS or size > MAX_COMMIT_BYTES:
        return batches
    return [pa.concat_batches(batches)]


def insert_commit(client: Client, batches: Iterable[pa.RecordBatch]) -> None:
    """Insert each batch as one block.

    Raises
    ------
    LeaseLostError
        ClickHouse refused the block because its lease had run out (code 469): nothing of it was written.
    UnavailableError
        ClickHouse can't be reached or the outcome is unknown. The caller discards its memory and restores.
    """
    for batch in batches:
        try:
            client.raw_insert(
                "profiles",
                column_names=batch.schema.names,
                insert_block=_arrow_file(batch),
                settings=COMMIT_SETTINGS,
                fmt="Arrow",
            )
        except ClickHouseError as error:
            if f"code: {_CONSTRAINT_VIOLATED}" in str(error).lower():
                msg = "ClickHouse refused a commit whose lease had run out; nothing of it was written"
                raise LeaseLostError(msg) from error
            msg = f"a commit of {batch.num_rows} rows has no known outcome: {str(error).splitlines()[0]}"
            raise UnavailableError(msg) from error
        except OSError as error:
            msg = f"ClickHouse went away during a commit: {error}"
            raise UnavailableError(msg) from error


def _arrow_file(batch: pa.RecordBatch) -> bytes:
    """Write an Arrow file; as bytes it goes out in one piece, a file object would be read and sent 16 KB at a time."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def _partition_batch(part: PartitionCommit, lease_until_us: int) -> pa.RecordBatch:
    """People first, the position row last; columns that don't apply are zero."""
    people, position = part.people, part.position
    n = len(people.ids)
    shared = {
        "kind": _with(np.full(n, _PERSON, np.int8), _POSITION),
        "version": np.full(n + 1, part.version, np.uint64),
        "kafka_partition": np.full(n + 1, part.partition, np.uint32),
        "next_offset": np.full(n + 1, position.next_offset, np.uint64),
        "model_version": np.full(n + 1, part.model_version, np.uint64),
        "layout": np.full(n + 1, part.layout_id, np.uint64),
        "segment": _with(people.segment, 0),
        "previous_segment": _with(people.previous_segment, 0),
        "event_count": _with(people.event_count, 0),
    }
    times = {
        "lease_until": np.full(n + 1, lease_until_us, np.int64),
        "segment_since": _with(people.segment_since_us, 0),
        "first_seen": _with(people.first_seen_us, 0),
        "last_seen": _with(people.last_seen_us, 0),
    }
    nested = {
        "profile_id": (people.ids, pa.utf8(), position_id(part.partition)),
        "state": (people.states, people.states.type, b""),
        "identity": (people.identity, people.identity.type, b""),
        "traits": (people.traits, pa.map_(pa.utf8(), pa.utf8()), []),
        "features": (people.features, pa.map_(pa.dictionary(pa.int32(), pa.utf8()), pa.float64()), []),
        "touched": (people.touched, pa.list_(pa.uint64()), []),
    }
    only_position = {
        "dedup_start": (position.dedup_start, pa.uint64()),
        "dedup_time_us": (position.dedup_time_us, pa.int64()),
        "log_time_us": (position.log_time_us, pa.int64()),
        "accepted": (position.accepted, pa.uint64()),
        "duplicates": (position.duplicates, pa.uint64()),
        "late": (position.late, pa.uint64()),
        "clamped": (position.clamped, pa.uint64()),
        "suppressed": (position.suppressed, pa.uint64()),
        "newest_event_us": (part.newest_event_us, pa.int64()),
    }
    columns: dict[str, pa.Array] = {name: pa.array(values) for name, values in shared.items()}
    columns |= {name: pa.array(values, pa.timestamp("us", tz="UTC")) for name, values in times.items()}
    columns |= {
        name: pa.concat_arrays([values.cast(kind), pa.array([last], kind)])
        for name, (values, kind, last) in nested.items()
    }
    columns |= {
        name: pa.array(_with(np.zeros(n, kind.to_pandas_dtype()), value), kind)
        for name, (value, kind) in only_position.items()
    }
    columns["segment_people"] = _last_map(n, part.segment_people, pa.int64())
    columns["sources"] = _last_map(n, position.sources, pa.uint32())
    columns["peer_marks"] = _last_map(n, part.marks, pa.uint32())
    links = [[getattr(link, name) for link in part.links] for name in _LINK]
    columns["links"] = _lists(_all_last(n, len(part.links)), _LINK, links)
    columns["segmentation"] = pa.DictionaryArray.from_arrays(np.zeros(n + 1, np.int32), [part.segmentation])
    columns["activity"] = _activity(n, part)
    if part.others:  # the table's default is none
        columns["other_segments"] = _other_segments(n, part.others)
        columns["other_people"] = _other_people(n, part.others)
    return pa.RecordBatch.from_pydict(columns)


def _with(values: npt.NDArray[np.generic], last: int) -> npt.NDArray[np.generic]:
    return np.append(values, np.asarray(last, values.dtype))


def _last_map(n: int, entries: Mapping[int, int], key: pa.DataType) -> pa.Array:
    keys, values = pa.array(list(entries), key), pa.array(list(entries.values()), pa.uint64())
    return pa.MapArray.from_arrays(_all_last(n, len(entries)), keys, values)


def _other_segments(n: int, others: Sequence[OtherSegments]) -> pa.Array:
    """Return one item a person and segmentation, none for the position."""
    offsets = np.minimum(np.arange(n + 2), n) * len(others)
    columns = [
        np.tile([other.segmentation for other in others], n),
        *(np.column_stack([getattr(other, name) for other in others]).ravel() for name in list(_SEGMENT)[1:4]),
        np.tile([other.model_version for other in others], n),
    ]
    return _lists(pa.array(offsets, pa.int32()), _SEGMENT, columns)


def _other_people(n: int, others: Sequence[OtherSegments]) -> pa.Array:
    items = [(o.segmentation, segment, people, o.model_version) for o in others for segment, people in o.people.items()]
    return _lists(_all_last(n, len(items)), _PEOPLE, list(zip(*items, strict=True)) or [[]] * len(_PEOPLE))


def _activity(n: int, part: PartitionCommit) -> pa.Array:
    """Column by column: history that comes in at once has thousands of rows in a commit."""
    versions = {part.segmentation: part.model_version, **{o.segmentation: o.model_version for o in part.others}}
    said = part.activity
    given: dict[str, Any] = {
        "model_version": [versions[row.segmentation] for row in said],
        "interval_s": [part.interval_s] * len(said),
        "changed": [int(row.changed) for row in said],
        "centroid": _centroids(said),
        **{name: _flows([getattr(row, name) for row in said]) for name in ("inflow", "outflow", "by_model")},
    }
    columns = [given[name] if name in given else [getattr(row, name) for row in said] for name in _ACTIVITY]
    return _lists(_all_last(n, len(said)), _ACTIVITY, columns)


def _centroids(said: Sequence[ActivityRow]) -> pa.Array:
    """Return the mean vector of each row's people."""
    sizes = np.array([len(row.total) for row in said], np.int64)
    vectors = np.array([max(row.vectors, 1) for row in said], np.int64)
    means = np.concatenate([row.total for row in said] or [np.empty(0)]) / np.repeat(vectors, sizes)
    return pa.ListArray.from_arrays(_starts(sizes), means.astype(np.float32))


def _flows(flows: Sequence[Mapping[int, int]]) -> pa.Array:
    keys = pa.array(list(chain.from_iterable(flows)), pa.int64())
    people = pa.array(list(chain.from_iterable(flow.values() for flow in flows)), pa.uint64())
    return pa.MapArray.from_arrays(_starts(np.array(list(map(len, flows)), np.int64)), keys, people)


def _starts(sizes: npt.NDArray[np.int64]) -> pa.Array:
    return pa.array(np.append(0, np.cumsum(sizes)), pa.int32())


def _lists(offsets: pa.Array, kinds: Mapping[str, pa.DataType], columns: Sequence[Any]) -> pa.Array:
    fields = [
        column if isinstance(column, pa.Array) else pa.array(column, kind)
        for column, kind in zip(columns, kinds.values(), strict=True)
    ]
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(fields, list(kinds)))


def _all_last(n: int, items: int) -> pa.Array:
    """Return the offsets of a column whose items are all in the last row, the position's."""
    offsets = np.zeros(n + 2, np.int32)
    offsets[-1] = items
    return pa.array(offsets)
