"""What a map shows; `make look` opens it."""

from __future__ import annotations

from streams.web.pages.source import Labels
from streams.web.pages.view import Look
from streams.web.pages.views.map import MAP, Read, bounds
from streams.web.read import MapCentre, MapPoint, PeopleMap


def test_a_map_shows_people_in_the_colour_of_their_segment_and_every_middle() -> None:
    points = [MapPoint("ann", 4, -0.8, 0.5), MapPoint("bo", 7, 2.4, 1.5), MapPoint("cy", 4, 0.1, 0.2)]
    found = PeopleMap("main", 3, (0.5, 0.25), points, [MapCentre(4, "", 2, 0, 0.4), MapCentre(7, "", 9, 2, 1)])
    shown = MAP.show(Read(found, Labels("main", ["main"], {}, {4: 0, 7: 1})), Look())

    series = shown.charts["plane"]["baseOption"]["series"]
    assert [(one["id"], len(one["data"])) for one in series] == [("people 4", 2), ("people 7", 1), ("centres", 2)]
    assert [one["itemStyle"]["color"] for one in series[2]["data"]] == ["var(--s1)", "var(--s0)"]  # the biggest first
    assert "75%" in shown.html["plane"]
    assert shown.html["key"].count("<tr>") == 3


def test_a_map_without_a_model_says_so() -> None:
    shown = MAP.show(Read(None, Labels()), Look())

    assert "No map yet" in shown.html["plane"]
    assert shown.charts == {}


def test_a_plane_stays_put_while_people_move_a_little() -> None:
    assert bounds([-0.9, 2.1]) == bounds([-0.8, 2.4]) == (-1.0, 3.0)
    assert bounds([0.0, 0.0]) == (0.0, 0.5)
