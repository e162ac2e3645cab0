"""Restore: a partition's rows and its position as they were committed, and the derived rows of its last commit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from streams.errors import UnavailableError
from streams.storage.commit import MAX_SEQ, Position

__all__ = ["Change", "StoredPartition", "derive_last_commit", "last_changes", "restore_partition", "save_layout"]


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
    #: layout id -> descriptor of every layout that the states were written under
    descriptors: dict[int, str]

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


def restore_partition(client: Client, partition: int) -> StoredPartition:
    """Read one partition back.

    Raises
    ------
    UnavailableError
        ClickHouse can't be reached.
    """
    parameters = {"partition": partition}
    try:
        people = client.query_arrow(
            "SELECT profile_id, state, layout, segment, toUnixTimestamp64Micro(segment_since) AS since "
            "FROM profiles FINAL WHERE kafka_partition = {partition:UInt32} AND kind = 'person'",
            parameters=parameters,
            settings={"output_format_arrow_string_as_string": 0},
        )
        positions = client.query(
            "SELECT next_offset, dedup_start, dedup_time_us, log_time_us, accepted, duplicates, late, clamped, "
            "version, model_version FROM profiles FINAL WHERE kafka_partition = {partition:UInt32} AND kind = 'position'",
            parameters=parameters,
        ).result_rows
        layouts = people.column("layout").to_numpy()
        descriptors = client.query("SELECT layout, descriptor FROM state_layouts FINAL").result_rows
    except (ClickHouseError, OSError) as error:
        msg = f"partition {partition} can't be restored: {str(error).splitlines()[0]}"
        raise UnavailableError(msg) from error
    *position, version, model_version = positions[0] if positions else (0,) * 10
    return StoredPartition(
        position=Position(*position),
        version=version,
        model_version=model_version,
        ids=people.column("profile_id").combine_chunks().cast(pa.utf8()),
        states=people.column("state").combine_chunks(),
        layouts=layouts,
        segment=people.column("segment").to_numpy(),
        segment_since_us=people.column("since").to_numpy(),
        descriptors=dict(descriptors),
    )


def derive_last_commit(client: Client, partition: int, version: int) -> None:
    """Write the derived rows of a partition's last commit again: views may have missed them, the targets replace."""
    parameters = {"partition": partition, "version": version}
    of_last = "FROM profiles WHERE kafka_partition = {partition:UInt32} AND version = {version:UInt64}"
    client.command(
        "INSERT INTO segment_changes SELECT profile_id, version, previous_segment, segment, model_version, "
        f"segment_since, updated_at {of_last} AND kind = 'person' AND segment != previous_segment",
        parameters=parameters,
    )
    client.command(
        "INSERT INTO segment_sizes SELECT kafka_partition, version, entry.1, entry.2, model_version, updated_at "
        "FROM (SELECT *, arrayJoin(CAST(segment_people, 'Array(Tuple(Int64, UInt64))')) AS entry "
        f"{of_last} AND kind = 'position')",  # noqa: S608 - both parts are constants; values go as parameters
        parameters=parameters,
    )


def last_changes(client: Client, partition: int, version: int) -> list[Change]:
    """Return the changes of a partition's last commit: their notifications go out again, with the same ids."""
    rows = client.query(
        "SELECT profile_id, version, previous_segment, segment, model_version, toUnixTimestamp64Micro(segment_since) "
        "FROM profiles WHERE kafka_partition = {partition:UInt32} AND version = {version:UInt64} AND kind = 'person' "
        "AND segment != previous_segment",
        parameters={"partition": partition, "version": version},
    ).result_rows
    return [Change(*row) for row in rows]


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
