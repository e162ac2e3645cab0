"""The commit is the checkpoint: one block, refused whole when its lease is gone, the higher version wins."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import LeaseLostError, StateError, UnavailableError
from streams.identity import LinkRow
from streams.profiles import ActivityRow, Position
from streams.settings import Settings
from streams.storage import connect, initialise
from streams.storage.commit import (
    MAX_COMMIT_ROWS,
    OtherSegments,
    PartitionCommit,
    PeopleRows,
    commit_batches,
    insert_commit,
    position_id,
    version_of,
)
from streams.storage.last_commit import derive_last_commits, last_changes, last_stats
from streams.storage.restore import restore_partition, save_layout

DERIVED = (
    "segment_changes", "segment_sizes", "identity_links", "identity_overrides", "segment_sizes_by_minute",
    "segment_flow_counts", "people_sample", "segment_stats",
)  # fmt: skip
FLOWS = "segment_flow_counts"
FAR_FUTURE_US = 4_000_000_000_000_000


def people(names: list[str], *, segment: int = 3, previous: int = -2, events: int = 5) -> PeopleRows:
    n = len(names)
    full = lambda value, kind=np.int64: np.full(n, value, kind)  # noqa: E731
    return PeopleRows(
        ids=pa.array(names, pa.utf8()),
        states=pa.array([b"\x00state of " + name.encode() for name in names], pa.binary()),
        identity=pa.array([b"links" if name == "bo" else b"" for name in names], pa.binary()),
        traits=pa.array([[("plan", "pro")]] * n, pa.map_(pa.utf8(), pa.utf8())),
        features=pa.MapArray.from_arrays(
            np.arange(0, 2 * n + 1, 2, np.int32),
            pa.array(["event/Product Viewed", "sessions"] * n).dictionary_encode(),
            pa.array([2.0, 1.0] * n),
        ),
        touched=pa.array([[11, 2**63]] * n, pa.list_(pa.uint64())),
        event_count=full(events, np.uint64),
        first_seen_us=full(1_700_000_000_000_001),
        last_seen_us=full(1_700_000_500_000_002),
        segment=full(segment),
        previous_segment=full(previous),
        segment_since_us=full(1_700_000_400_000_003),
    )


def part(partition: int, names: list[str], *, next_offset: int = 10, seq: int = 0, **of_people: int) -> PartitionCommit:
    return PartitionCommit(
        partition=partition,
        position=Position(next_offset, 4, 1_000, 2_000, accepted=7, duplicates=2, late=1, clamped=0),
        seq=seq,
        model_version=9,
        layout_id=2**64 - 5,
        people=people(names, **of_people),
        segment_people={3: len(names), -2: 4},
        marks={2: 77 << 16},
        links=[
            LinkRow(name, f"anon:of {name}", "merged", "", 1_700_000_000_000_001, 2**64 - 9, 6, next_offset - 1, i)
            for i, name in enumerate(names[:3])
        ],
        activity=[
            ActivityRow(
                "interest", 1_699_999_200_000_000, 3, 6, 2, {-2: 2}, {1: 3}, {}, 2, np.array([3.0, -1.0]), changed=True
            ),
            ActivityRow("interest", 1_699_995_600_000_000, 3, 9, changed=False),
        ],
        newest_event_us=1_700_000_500_000_002,
    )


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    initialise(settings)
    with connect(settings) as client:
        yield client


def test_what_was_committed_is_restored(client: Client) -> None:
    save_layout(client, 2**64 - 5, '{"columns": []}')
    insert_commit(client, commit_batches([part(0, ["ann", "bo"]), part(1, ["陈"])], FAR_FUTURE_US))

    stored = restore_partition(client, 0)

    assert sorted(stored.ids.to_pylist()) == ["ann", "bo"]
    assert dict(zip(stored.ids.to_pylist(), stored.states.to_pylist(), strict=True)) == {
        "ann": b"\x00state of ann",
        "bo": b"\x00state of bo",
    }
    assert (stored.identity, stored.marks) == ({"bo": b"links"}, {2: 77 << 16})
    assert stored.position == Position(10, 4, 1_000, 2_000, 7, 2, 1, 0)
    assert (stored.version, stored.model_version, stored.next_seq) == (10 << 16, 9, 1)
    assert stored.layouts.tolist() == [2**64 - 5] * 2
    assert stored.segment_since_us.tolist() == [1_700_000_400_000_003] * 2
    assert stored.descriptors == {2**64 - 5: '{"columns": []}'}
    assert restore_partition(client, 1).ids.to_pylist() == ["陈"]
    said = part(0, [])
    assert stored.newest_event_us == said.newest_event_us
    for restored, row in zip(stored.activity, said.activity, strict=True):
        for name in (
            "segmentation",
            "at_us",
            "segment",
            "active",
            "newcomers",
            "inflow",
            "outflow",
            "vectors",
            "changed",
        ):
            assert getattr(restored, name) == getattr(row, name)
        assert restored.total.tolist() == row.total.tolist()


def test_who_was_active_is_what_the_newest_commit_says(client: Client) -> None:
    insert_commit(client, commit_batches([part(0, ["ann"], next_offset=20), part(1, ["bo"])], FAR_FUTURE_US))
    insert_commit(client, commit_batches([part(0, ["ann"], next_offset=10)], FAR_FUTURE_US))
    rows = client.query("SELECT segment, active, newcomers, inflow, outflow FROM segment_activity").result_rows
    assert rows == [(3, 12, 4, {-2: 4}, {1: 6})]
    version = version_of(20, 0)
    (said,) = last_stats(client, {0: version})
    assert (said.id, said.active) == (f"0:{version}:interest:1699999200000000", {3: 6})


def test_nothing_stored_restores_as_an_empty_partition(client: Client) -> None:
    stored = restore_partition(client, 3)
    assert (stored.version, stored.next_seq, len(stored.ids), stored.position) == (0, 0, 0, Position())
    assert stored.starting_at(17).position == Position(next_offset=17, dedup_start=17)


def test_a_commit_is_one_part_and_the_view_hides_positions(client: Client) -> None:
    names = [f"user-{i}" for i in range(20_000)]
    insert_commit(client, commit_batches([part(0, names), part(1, ["x"])], FAR_FUTURE_US))
    assert client.query("SELECT uniqExact(_part), count() FROM profiles").result_rows == [(1, 20_003)]
    assert client.query("SELECT count(), sum(event_count) FROM current_profiles").result_rows == [(20_001, 100_005)]


def test_a_commit_past_the_limits_is_cut_by_partition_each_with_its_position() -> None:
    big = [f"u{i}" for i in range(MAX_COMMIT_ROWS - 1)]
    batches = commit_batches([part(0, big), part(1, ["x"])], FAR_FUTURE_US)
    assert [batch.num_rows for batch in batches] == [MAX_COMMIT_ROWS, 2]
    assert [batch.column("profile_id")[-1].as_py() for batch in batches] == [position_id(0), position_id(1)]
    assert len(commit_batches([part(0, ["a"]), part(1, ["b"])], FAR_FUTURE_US)) == 1


def test_a_block_whose_lease_is_gone_is_refused_whole(client: Client) -> None:
    gone_us = int((time.time() - 3600) * 1e6)
    with pytest.raises(LeaseLostError, match="nothing of it was written"):
        insert_commit(client, commit_batches([part(0, ["ann", "bo"])], gone_us))
    assert client.query("SELECT count() FROM profiles").result_rows == [(0,)]


def test_a_late_block_of_a_stalled_owner_changes_nothing(client: Client) -> None:
    insert_commit(client, commit_batches([part(0, ["ann"], next_offset=20, events=9)], FAR_FUTURE_US))
    insert_commit(client, commit_batches([part(0, ["ann"], next_offset=10, events=5)], FAR_FUTURE_US))
    assert client.query("SELECT event_count FROM current_profiles").result_rows == [(9,)]
    assert restore_partition(client, 0).position.next_offset == 20


def test_derived_rows_can_be_written_again_without_doubling(client: Client) -> None:
    insert_commit(client, commit_batches([part(0, ["ann", "bo"])], FAR_FUTURE_US))
    for table in DERIVED:
        client.command(f"TRUNCATE TABLE {table}")  # as if the process had died between table and view
    for _ in range(2):
        derive_last_commits(client, {0: 10 << 16})
    changes = client.query(
        "SELECT profile_id, from_segment, to_segment FROM segment_changes FINAL ORDER BY 1"
    ).result_rows
    assert changes == [("ann", -2, 3), ("bo", -2, 3)]
    sizes = client.query("SELECT segment, people FROM segment_sizes FINAL ORDER BY segment").result_rows
    assert sizes == [(-2, 4), (3, 2)]
    overrides = client.query(
        "SELECT profile_id, person, below_version FROM identity_overrides FINAL ORDER BY 1"
    ).result_rows
    assert overrides == [("anon:of ann", "ann", 7 << 16), ("anon:of bo", "bo", 7 << 16)]


def other(name: str, version: int, segments: list[int], before: list[int], sizes: dict[int, int]) -> OtherSegments:
    since = np.full(len(segments), 1_700_000_300_000_001, np.int64)
    return OtherSegments(name, version, np.array(segments), np.array(before), since, sizes)


#: What two more segmentations say of two people: in `value` one has moved, in `odd` one has moved, and one was merged.
TWO_MORE = [other("value", 5, [7, 8], [-2, 8], {7: 1, 8: 6}), other("odd", 6, [1, -3], [-3, 2], {1: 4})]


@pytest.mark.parametrize("others", [[], TWO_MORE], ids=["one", "three"])
def test_the_views_write_what_derivation_writes(client: Client, others: list[OtherSegments]) -> None:
    both = [replace(part(0, ["ann", "gus"]), others=others), part(2, ["cy"])]
    insert_commit(client, [batch for one in both for batch in commit_batches([one], FAR_FUTURE_US)])
    # One JSON line a row: it shows maps and sketches too.
    tables = {t: f"SELECT toJSONString(tuple(*)) AS row FROM {t} FINAL ORDER BY row" for t in DERIVED if t != FLOWS}
    shown = "toJSONString(tuple(* REPLACE (finalizeAggregation(people) AS people)))"
    tables[FLOWS] = f"SELECT {shown} AS row FROM {FLOWS} FINAL ORDER BY row"
    by_view = {t: client.query(query).result_rows for t, query in tables.items()}
    derive_last_commits(client, {0: 10 << 16, 2: 10 << 16})
    assert {t: client.query(query).result_rows for t, query in tables.items()} == by_view
    assert all(by_view.values())


def test_each_segmentation_has_rows_of_its_own(client: Client) -> None:
    insert_commit(client, commit_batches([replace(part(0, ["ann", "gus"]), others=TWO_MORE)], FAR_FUTURE_US))

    def rows(query: str) -> list[tuple[object, ...]]:
        return sorted(map(tuple, client.query(query).result_rows))

    moves = rows("SELECT segmentation, profile_id, from_segment, to_segment, model_version FROM segment_changes")
    assert moves == [
        ("interest", "ann", -2, 3, 9), ("interest", "gus", -2, 3, 9),
        ("odd", "ann", -3, 1, 6), ("odd", "gus", 2, -3, 6), ("value", "ann", -2, 7, 5),
    ]  # fmt: skip
    since = rows("SELECT segmentation, toUnixTimestamp64Micro(any(at)) FROM segment_changes GROUP BY segmentation")
    told = 1_700_000_300_000_001
    assert since == [("interest", 1_700_000_400_000_003), ("odd", told), ("value", told)]
    assert rows("SELECT segmentation, segment, people, model_version FROM segment_sizes") == [
        ("interest", -2, 4, 9), ("interest", 3, 2, 9), ("odd", 1, 4, 6), ("value", 7, 1, 5), ("value", 8, 6, 5),
    ]  # fmt: skip
    by_minute = client.query("SELECT segmentation, people, model_version FROM segment_sizes_by_minute").result_rows
    assert sorted(by_minute) == [
        ("interest", {-2: 4, 3: 2}, 9), ("odd", {1: 4}, 6), ("value", {7: 1, 8: 6}, 5),
    ]  # fmt: skip
    # Who becomes part of another person leaves no segment, and comes from none.
    flows = rows(f"SELECT segmentation, from_segment, to_segment, changes, model_version FROM {FLOWS}")
    assert flows == [("interest", -2, 3, 2, 9), ("odd", -2, 1, 1, 6), ("value", -2, 7, 1, 5)]
    told_again = last_changes(client, {0: 10 << 16}).select(
        ["segmentation", "profile_id", "from_segment", "to_segment"]
    )
    assert sorted(tuple(row.values()) for row in told_again.to_pylist()) == [move[:4] for move in moves]


def test_changes_of_the_last_commit_come_back_with_the_same_version(client: Client) -> None:
    insert_commit(client, commit_batches([part(0, ["ann"])], FAR_FUTURE_US))
    insert_commit(client, commit_batches([part(0, ["bo"], seq=1)], FAR_FUTURE_US))
    changes = last_changes(client, {0: version_of(10, 1)})
    found = changes.select(["profile_id", "from_segment", "to_segment", "version"]).to_pylist()
    assert [tuple(row.values()) for row in found] == [("bo", -2, 3, 10 << 16 | 1)]
    assert last_changes(client, {0: version_of(10, 2)}).num_rows == 0


def test_initialising_again_changes_nothing_and_another_partition_count_is_refused(settings: Settings) -> None:
    first = initialise(settings)
    assert first == sorted(first)
    assert first
    assert initialise(settings) == []
    other = replace_partitions(settings, settings.kafka.partitions + 1)
    with pytest.raises(StateError, match=r"kafka.partitions = \d"):
        initialise(other)


def test_a_server_that_is_not_there_is_named(settings: Settings) -> None:
    nowhere = "http://127.0.0.1:9"
    gone = replace_section(settings, url=nowhere)
    with pytest.raises(UnavailableError, match=nowhere):
        connect(gone)


@given(st.integers(0, 2**47), st.integers(0, 0xFFFF), st.integers(0, 2**47), st.integers(0, 0xFFFF))
def test_versions_order_by_offset_then_seq(offset: int, seq: int, other: int, other_seq: int) -> None:
    assert (version_of(offset, seq) < version_of(other, other_seq)) == ((offset, seq) < (other, other_seq))


def replace_partitions(settings: Settings, count: int) -> Settings:
    return msgspec.structs.replace(settings, kafka=msgspec.structs.replace(settings.kafka, partitions=count))


def replace_section(settings: Settings, **clickhouse: str) -> Settings:
    section = msgspec.structs.replace(settings.clickhouse, **clickhouse)
    return msgspec.structs.replace(settings, clickhouse=section)


def test_without_a_lease_a_late_block_may_leave_a_change_of_segment_that_nobody_took_back(client: Client) -> None:
    """Labels aren't a function of the log, so of a late block only they can differ: the profile stays right."""

    def commit(next_offset: int, previous: int, segment: int) -> None:
        said = part(0, ["ann"], next_offset=next_offset)
        labels = {"segment": np.array([segment], np.int64), "previous_segment": np.array([previous], np.int64)}
        insert_commit(client, commit_batches([replace(said, people=replace(said.people, **labels))], FAR_FUTURE_US))

    commit(10, -1, 1)
    commit(20, 1, 1)  # the new owner sees no change
    commit(15, 1, 2)  # the old one's block, late: its model had seen other people

    assert client.query("SELECT argMax(to_segment, version) FROM segment_changes").result_rows == [(2,)]
    assert client.query("SELECT segment FROM current_profiles").result_rows == [(1,)]
