"""What a page is told equals what the tables hold."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest
from clickhouse_connect.driver.client import Client

from streams.settings import Settings
from streams.storage.client import connect
from streams.web import read
from tests.web.conftest import PEOPLE, refresh
from tests.web.people import CATEGORIES, SEGMENTS


def ask(client: Client, query: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in client.query(query).result_rows]


def test_sizes_are_those_of_the_people(reader: Client) -> None:
    now = read.segments_now(reader)

    counted = ask(reader, "SELECT segment, count() FROM current_profiles GROUP BY segment")
    assert {one.segment: one.people for one in now.segments} == dict(counted)
    assert (now.people, now.unassigned, now.model_version, now.segmentation) == (PEOPLE, 0, 2, "interest")
    assert [one.people for one in now.segments] == sorted((one.people for one in now.segments), reverse=True)
    assert sum(one.share for one in now.segments) == pytest.approx(1)
    assert {one.cause for one in now.segments} == {"fit"}


def test_another_segmentation_has_its_own_sizes(reader: Client) -> None:
    assert read.segmentations(reader) == ["interest", "value"]

    value = read.segments_now(reader, "value")

    assert {one.segment for one in value.segments} <= {0, 1, 2}
    assert value.segmentation == "value"


def test_sizes_over_time_end_with_those_of_now_and_say_when_nothing_is_known(reader: Client) -> None:
    over_time = read.sizes_over_time(reader, minutes=30)

    now = {one.segment: one.people for one in read.segments_now(reader).segments}
    assert {segment: sizes[-1] for segment, sizes in over_time.people.items()} == now
    assert all(sizes[0] is None for sizes in over_time.people.values())
    assert len(over_time.times) == 30
    assert over_time.times[-1] > datetime.now(UTC)
    assert over_time.step_s == 60


def test_steps_are_longer_where_more_is_asked_for(reader: Client) -> None:
    day = read.sizes_over_time(reader, minutes=24 * 60, points=100)

    assert (day.step_s, len(day.times)) == (900, 96)
    assert {len(sizes) for sizes in day.people.values()} == {96}


def test_a_minute_without_commits_keeps_the_sizes_of_the_one_before(reader: Client) -> None:
    later = read.sizes_over_time(
        reader, minutes=5, until=datetime.fromtimestamp(datetime.now(UTC).timestamp() + 900, UTC)
    )

    now = {one.segment: one.people for one in read.segments_now(reader).segments}
    assert {segment: set(sizes) for segment, sizes in later.people.items()} == {s: {n} for s, n in now.items()}


def test_flows_count_every_change_once(reader: Client) -> None:
    found = read.flows(reader, hours=24 * 40)

    counted = Counter(
        {
            (old, new): n
            for old, new, n in ask(
                reader, "SELECT from_segment, to_segment, count() FROM segment_changes FINAL "
                "WHERE segmentation = 'interest' GROUP BY 1, 2"
            )
        }
    )  # fmt: skip
    assert Counter({(f.from_segment, f.to_segment): f.changes for f in found.flows}) == counted
    assert found.total_changes == counted.total()
    assert all(flow.people == flow.changes for flow in found.flows)
    assert {flow.from_segment for flow in found.flows if flow.relabelled} == {3}


def test_flows_of_some_hours_are_those_of_the_newest(reader: Client) -> None:
    day, all_of_them = read.flows(reader, hours=24), read.flows(reader, hours=24 * 40)

    assert 0 < day.total_changes < all_of_them.total_changes
    assert day.until == all_of_them.until


def test_flows_are_of_hours_that_were_counted_and_of_commits_since(shop: Settings, reader: Client) -> None:
    moves = read.flows(reader, hours=24 * 40)

    with connect(shop) as writer:
        writer.command("TRUNCATE TABLE segment_flow_hours")
        assert read.flows(reader, hours=24 * 40) == moves
        refresh(writer)
        # As if an hour had passed without a commit; the doubled numbers show where they are read.
        writer.command(
            "INSERT INTO segment_flow_hours SELECT * REPLACE (committed_at + INTERVAL 1 HOUR AS committed_at, "
            "made_at + INTERVAL 1 HOUR AS made_at, changes * 2 AS changes) FROM segment_flow_hours FINAL"
        )
        later = read.flows(reader, hours=24 * 40)
        writer.command("TRUNCATE TABLE segment_flow_hours")
        refresh(writer)
    assert later.total_changes == 2 * moves.total_changes
    assert {(f.from_segment, f.to_segment, f.people) for f in later.flows} == {
        (f.from_segment, f.to_segment, f.people) for f in moves.flows
    }


def test_stability_counts_moves_but_not_newcomers(reader: Client) -> None:
    found = read.stability(reader, minutes=60)

    moves = ask(
        reader, "SELECT count() FROM segment_changes FINAL WHERE segmentation = 'interest' AND from_segment >= 0"
    )
    assert found.changes == moves[0][0]
    assert len(found.points) == 60
    assert sum(point.changes_per_1000 for point in found.points) == pytest.approx(1000 * found.changes / PEOPLE)
    assert [version.model_version for version in found.versions] == [2, 1]


def test_a_card_says_what_sets_a_segment_apart_and_how_sure_that_is(reader: Client) -> None:
    card = read.segment_card(reader, 2)

    assert card is not None
    liked = next(lift for lift in card.lifts if lift.kind == "category")
    assert liked.key == CATEGORIES[2]
    assert 1 < liked.low < liked.lift < liked.high
    assert card.people == next(one.people for one in read.segments_now(reader).segments if one.segment == 2)
    assert 0 < card.sampled < card.people  # a quarter of all people
    assert card.hours[6] == pytest.approx(1)
    assert sum(card.weekdays) == pytest.approx(1)
    assert "camping" not in card.name.text.casefold()
    assert card.name.text


def test_lifts_are_shares_of_the_sampled_people(reader: Client) -> None:
    card = read.segment_card(reader, 1)

    assert card is not None
    mine, everybody = (
        ask(
            reader,
            f"SELECT avg(traits['country'] = 'US') FROM people_sample FINAL WHERE event_count > 0 AND {condition}",
        )[0][0]
        for condition in ("segments['interest'] = 1", "1")
    )
    us = next((lift for lift in card.lifts if lift.key == "country=US"), None)
    assert us is not None
    assert us.share == pytest.approx(mine)
    assert us.lift == pytest.approx(mine / everybody)  # type: ignore[operator]


def test_a_card_shows_content_people_and_value(reader: Client) -> None:
    card = read.segment_card(reader, 4)

    assert card is not None
    assert {piece.piece.categories[0] for piece in card.top_content} == {CATEGORIES[4]}
    assert {piece.piece.categories[0] for piece in card.medoid_content} == {CATEGORIES[4]}
    assert len(card.typical) == 3
    held = ask(reader, "SELECT profile_id FROM current_profiles WHERE segment = 4")
    assert {one.profile_id for one in card.typical} <= {row[0] for row in held}
    assert all(one.top for one in card.typical)
    assert {figure.key for figure in card.value} == {"events", "orders", "price", "recency_days", "revenue", "sessions"}
    assert all(figure.low <= figure.mean <= figure.high for figure in card.value)


def test_nobody_has_no_card(reader: Client) -> None:
    assert read.segment_card(reader, 99) is None


def test_every_segment_has_a_name_of_its_own(reader: Client) -> None:
    names = [name.text for name in read.segment_names(reader).values()]

    assert len(names) == SEGMENTS
    assert len(set(names)) == SEGMENTS


def test_a_person_is_found_by_any_id_with_all_that_is_known(reader: Client) -> None:
    found = read.person(reader, "anon:d1")

    assert found is not None
    assert (found.profile_id, found.asked_for) == ("user-0000003", "anon:d1")
    assert found.segments["interest"] == 4  # from 3, in the second commit
    assert [(c.from_segment, c.to_segment) for c in found.changes] == [(3, 4), (-2, 3)] or [
        (c.from_segment, c.to_segment) for c in found.changes
    ] == [(-2, 3), (3, 4)]
    assert {link.anonymous: link.status for link in found.links} == {
        "anon:d0": "merged",
        "anon:d1": "merged",
        "anon:d2": "refused",
    }
    assert found.touches
    assert found.updated_at.tzinfo is UTC
    assert read.person(reader, "nobody") is None


def test_people_come_page_by_page(reader: Client) -> None:
    first = read.people(reader, segment=5, limit=10)
    second = read.people(reader, segment=5, limit=10, after=first[-1].profile_id)

    ids = [row.profile_id for row in [*first, *second]]
    assert ids == sorted(set(ids))
    assert len(ids) == 20
    assert {row.segment for row in first} == {5}
    assert read.people(reader, segmentation="value", segment=1, limit=1)[0].segment == 1


def test_health_tells_reasons_apart(reader: Client) -> None:
    found = read.health(reader)

    assert found.dead_letters == {"malformed_json": 3, "too_deep": 2}
    assert (found.merged, found.refused_merges) == (2, {"too_many": 1})
    assert [p.partition for p in found.partitions] == [0, 1, 2, 3]
    assert found.freshness[-1].events == 400
    assert (found.freshness[-1].p50_s, found.freshness[-1].p99_s) == (0.1, 0.9)


def test_the_overview_holds_the_totals(reader: Client) -> None:
    found = read.overview(reader)

    assert found.events == sum(p.accepted for p in read.health(reader).partitions)
    assert found.dead_letters == 5
    assert found.freshness is not None
    assert found.changes_1h > 0
    assert read.alerts(reader) == []
