"""Restore: a partition's rows and its position as they were committed, and the derived rows of its last commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from streams.errors import UnavailableError
from streams.profiles import ActivityRow, Position
from streams.storage.client import RESTORE_SETTINGS
from streams.storage.commit import MAX_SEQ
from streams.storage.page_rows import PAGE_ROWS

__all__ = [
    "Change",
    "Stats",
    "StoredPartition",
    "StoredSegments",
    "derive_last_commit",
    "last_changes",
    "last_stats",
    "restore_partition",
    "save_layout",
]

_UNASSIGNED = -2
_POSITION_FIELDS = tuple(field.name for field in fields(Position))

_PARTITION = f"""
SELECT profile_id, state, identity, peer_marks, layout, other_segments, segment, activity, newest_event_us,
       toUnixTimestamp64Micro(segment_since) AS since,
       kind = 'position' AS is_position, version, model_version, {", ".join(_POSITION_FIELDS)}
FROM profiles FINAL
WHERE kafka_partition = {{partition:UInt32}}
"""  # noqa: S608 - field names of a class of ours

_CHANGES_OF_COMMIT = """
INSERT INTO segment_changes
    (profile_id, version, from_segment, to_segment, model_version, at, committed_at, segmentation)
SELECT profile_id, version, previous_segment, segment, model_version, segment_since, updated_at, segmentation
FROM profiles
WHERE kafka_partition = {partition:UInt32} AND version = {version:UInt64}
  AND kind = 'person' AND segment != previous_segment
"""

_SIZES_OF_COMMIT = """
INSERT INTO segment_sizes (kafka_partition, version, segment, people, model_version, at, segmentation)
SELECT kafka_partition, version, entry.1, entry.2, model_version, updated_at, segmentation
FROM profiles
ARRAY JOIN CAST(segment_people, 'Array(Tuple(Int64, UInt64))') AS entry
WHERE kafka_partition = {partition:UInt32} AND version = {version:UInt64} AND kind = 'position'
"""

_OTHER_CHANGES_OF_COMMIT = """
INSERT INTO segment_changes
    (profile_id, version, from_segment, to_segment, model_version, at, committed_at, segmentation)
SELECT profile_id, version, o.previous_segment, o.segment, o.model_version, fromUnixTimestamp64Micro(o.since_us),
       updated_at, o.segmentation
FROM profiles
ARRAY JOIN other_segments AS o
WHERE kafka_partition = {partition:UInt32} AND version = {version:UInt64}
  AND kind = 'person' AND o.segment != o.previous_segment
"""

_OTHER_SIZES_OF_COMMIT = """
INSERT INTO segment_sizes (kafka_partition, version, segment, people, model_version, at, segmentation)
SELECT kafka_partition, version, o.segment, o.people, o.model_version, updated_at, o.segmentation
FROM profiles
ARRAY JOIN other_people AS o
WHERE kafka_partition = {partition:UInt32} AND version = {version:UInt64} AND kind = 'position'
"""


_CHANGES = """
SELECT profile_id, version, previous_segment, segment, model_version, toUnixTimestamp64Micro(segment_since),
       segmentation
FROM profiles
WHERE kafka_partition = {partition:UInt32} AND version = {version:UInt64}
  AND kind = 'person' AND segment != previous_segment
UNION ALL
SELECT profile_id, version, o.previous_segment, o.segment, o.model_version, o.since_us, o.segmentation
FROM profiles
ARRAY JOIN other_segments AS o
WHERE kafka_partition = {partition:UInt32} AND version = {version:UInt64}
  AND kind = 'person' AND o.segment != o.previous_segment
"""

_ACTIVITY_OF_COMMIT = """
INSERT INTO segment_stats
SELECT a.segmentation, a.interval_s, fromUnixTimestamp64Micro(a.at_us), kafka_partition, a.segment, version,
       a.model_version, a.active, a.newcomers, a.inflow, a.outflow, a.by_model, a.vectors, a.centroid,
       fromUnixTimestamp64Micro(newest_event_us), updated_at
FROM profiles
ARRAY JOIN activity AS a
WHERE kafka_partition = {partition:UInt32} AND version = {version:UInt64} AND kind = 'position' AND a.changed
"""

_STATS = """
SELECT a.segmentation, any(a.model_version), a.at_us, any(a.interval_s), any(newest_event_us),
       CAST((groupArray(a.segment), groupArray(a.active)), 'Map(Int64, UInt64)')
FROM profiles
ARRAY JOIN activity AS a
WHERE kafka_partition = {partition:UInt32} AND version = {version:UInt64} AND kind = 'position' AND a.changed
GROUP BY a.segmentation, a.at_us
"""

_LINKS_OF_COMMIT = """
INSERT INTO identity_links
SELECT link.profile_id, link.anonymous, link.what, link.reason, fromUnixTimestamp64Micro(link.at_us), link.message,
       link.id_offset, kafka_partition, link.kafka_offset, link.item, updated_at
FROM profiles
ARRAY JOIN links AS link
WHERE kafka_partition = {partition:UInt32} AND version = {version:UInt64} AND kind = 'position'
"""


@dataclass(frozen=True, slots=True)
class StoredSegments:
    """What a segmentation says of n people: segment and since when (n,), and the version of its model."""

    segment: npt.NDArray[np.int64]
    since_us: npt.NDArray[np.int64]
    model_version: int


@dataclass(frozen=True, slots=True)
class StoredPartition:
    """What ClickHouse holds of one partition; `version` 0 means nothing was ever committed."""

    position: Position
    version: int
    model_version: int
    ids: pa.Array
    states: pa.Array
    layouts: npt.NDArray[np.uint64]
    segment: npt.NDArray[np.int64]
    segment_since_us: npt.NDArray[np.int64]
    #: segmentation -> what the others say of people
    others: dict[str, StoredSegments]
    #: profile id -> what its owner knows of it, of those that have links
    identity: dict[str, bytes]
    #: source partition -> newest record of identity that was applied
    marks: dict[int, int]
    #: layout id -> descriptor of every layout that the states were written under
    descriptors: dict[int, str]
    #: who was active in the intervals that are still open, and the newest event time
    activity: Sequence[ActivityRow] = ()
    newest_event_us: int = 0

    @property
    def next_seq(self) -> int:
        """The seq of the next commit at the same offset."""
        return (self.version & MAX_SEQ) + 1 if self.version else 0

    def starting_at(self, offset: int) -> StoredPartition:
        """Return the same with nothing read before `offset`: the first start on a log that is older than we are."""
        return replace(self, position=replace(self.position, next_offset=offset, dedup_start=offset))


@dataclass(frozen=True, slots=True)
class Change:
    """A change of segment, as it goes to the topic."""

    profile_id: str
    version: int
    from_segment: int
    to_segment: int
    model_version: int
    at_us: int
    segmentation: str


class Stats(msgspec.Struct, frozen=True):
    """A record of `userprism.segment-stats`: people active per segment whose number a commit has changed.

    Flows and centroids are in the table `segment_stats`, under the same keys.
    """

    id: str
    kafka_partition: int
    version: int
    segmentation: str
    model_version: int
    at_us: int
    interval_s: int
    newest_event_us: int
    active: dict[int, int]

    @classmethod
    def of(cls, partition: int, version: int, said: tuple[str, int, int, int, int, dict[int, int]]) -> Stats:
        """Return the record, its id made of what makes it unique; `said` are the fields after `version`."""
        return cls(f"{partition}:{version}:{said[0]}:{said[2]}", partition, version, *said)


def restore_partition(client: Client, partition: int) -> StoredPartition:
    """Read one partition back, people and position in one SELECT: a late commit lands before it or after, not between.

    Raises
    ------
    UnavailableError
        ClickHouse can't be reached.
    """
    try:
        rows = client.query_arrow(
            _PARTITION,
            parameters={"partition": partition},
            settings={"output_format_arrow_string_as_string": 0, **RESTORE_SETTINGS},
        )
        descriptors = client.query("SELECT layout, descriptor FROM state_layouts FINAL").result_rows
    except (ClickHouseError, OSError) as error:
        msg = f"partition {partition} can't be restored: {str(error).splitlines()[0]}"
        raise UnavailableError(msg) from error
    is_position = rows.column("is_position").cast(pa.bool_())
    people = rows.filter(pc.invert(is_position))
    wanted = [*_POSITION_FIELDS, "version", "model_version", "peer_marks", "activity", "newest_event_us"]
    positions = rows.filter(is_position).select(wanted).to_pylist()
    nothing: dict[str, Any] = {**dict.fromkeys(wanted, 0), "sources": (), "peer_marks": (), "activity": ()}
    at: dict[str, Any] = positions[0] if positions else nothing
    linked = people.filter(pc.greater(pc.binary_length(people.column("identity")), 0))
    return StoredPartition(
        position=Position(**{name: at[name] for name in _POSITION_FIELDS} | {"sources": dict(at["sources"])}),
        version=at["version"],
        model_version=at["model_version"],
        ids=people.column("profile_id").combine_chunks().cast(pa.utf8()),
        states=people.column("state").combine_chunks(),
        layouts=people.column("layout").to_numpy(),
        segment=people.column("segment").to_numpy(),
        segment_since_us=people.column("since").to_numpy(),
        others=_others(people.column("other_segments").combine_chunks()),
        identity=dict(
            zip(
                linked.column("profile_id").cast(pa.utf8()).to_pylist(),
                linked.column("identity").to_pylist(),
                strict=True,
            )
        ),
        marks=dict(at["peer_marks"]),
        descriptors={int(layout): str(text) for layout, text in descriptors},
        activity=[_activity(item) for item in at["activity"]],
        newest_event_us=at["newest_event_us"],
    )


def _activity(item: dict[str, Any]) -> ActivityRow:
    vectors = item["vectors"]
    return ActivityRow(
        _text(item["segmentation"]), item["at_us"], item["segment"], item["active"], item["newcomers"],
        dict(item["inflow"]), dict(item["outflow"]), dict(item["by_model"]),
        vectors, np.array(item["centroid"], np.float64) * vectors, changed=bool(item["changed"]),
    )  # fmt: skip


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _others(column: pa.ListArray) -> dict[str, StoredSegments]:
    """Sort the lists of people by segmentation; who has no item of one is unassigned there."""
    items = column.flatten()
    if not len(items):
        return {}
    names = np.array(items.field("segmentation").cast(pa.utf8()).to_pylist())
    person = np.repeat(np.arange(len(column)), np.diff(column.offsets.to_numpy()))
    found = {}
    for name in np.unique(names).tolist():
        of_it = names == name
        segment, since = np.full(len(column), _UNASSIGNED, np.int64), np.zeros(len(column), np.int64)
        segment[person[of_it]] = items.field("segment").to_numpy()[of_it]
        since[person[of_it]] = items.field("since_us").to_numpy()[of_it]
        found[name] = StoredSegments(segment, since, int(items.field("model_version").to_numpy()[of_it].max()))
    return found


def derive_last_commit(client: Client, partition: int, version: int) -> None:
    """Write the derived rows of a partition's last commit again: views may have missed them, the targets replace."""
    others = _OTHER_CHANGES_OF_COMMIT, _OTHER_SIZES_OF_COMMIT
    derived = _CHANGES_OF_COMMIT, _SIZES_OF_COMMIT, *others, _ACTIVITY_OF_COMMIT, _LINKS_OF_COMMIT, *PAGE_ROWS
    for statement in derived:
        client.command(statement, parameters={"partition": partition, "version": version})


def last_changes(client: Client, partition: int, version: int) -> list[Change]:
    """Return the changes of a partition's last commit: their notifications go out again, with the same ids."""
    rows = client.query(_CHANGES, parameters={"partition": partition, "version": version}).result_rows
    return [Change(*row) for row in rows]


def last_stats(client: Client, partition: int, version: int) -> list[Stats]:
    """Return what a partition's last commit said of who was active: it goes out again, with the same ids."""
    rows = client.query(_STATS, parameters={"partition": partition, "version": version}).result_rows
    return [Stats.of(partition, version, tuple(row)) for row in rows]


def save_layout(client: Client, layout_id: int, descriptor: str) -> None:
    """Remember what a state written under this layout looks like, before the first such state is written."""
    known = client.query(
        "SELECT count() FROM state_layouts WHERE layout = {layout:UInt64}", parameters={"layout": layout_id}
    ).result_rows[0][0]
    if not known:
        client.command(
            "INSERT INTO state_layouts (layout, descriptor) VALUES ({layout:UInt64}, {descriptor:String})",
            parameters={"layout": layout_id, "descriptor": descriptor},
        )
