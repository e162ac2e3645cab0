"""Restore: a partition's rows and its position as they were committed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

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

__all__ = ["StoredPartition", "StoredSegments", "restore_partition", "save_layout"]

_UNASSIGNED = -2
_POSITION_FIELDS = tuple(field.name for field in fields(Position))

#: A person's partition never changes, so other partitions' rows needn't be merged first: PREWHERE, not WHERE.
_PARTITION = f"""
SELECT profile_id, state, identity, peer_marks, layout, other_segments, segment, activity, newest_event_us,
       toUnixTimestamp64Micro(segment_since) AS since,
       kind = 'position' AS is_position, version, model_version, {", ".join(_POSITION_FIELDS)}
FROM profiles FINAL
PREWHERE kafka_partition = {{partition:UInt32}}
"""  # noqa: S608 - field names of a class of ours


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
