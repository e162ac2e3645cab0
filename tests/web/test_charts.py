"""Charts of pages: what is in the options that ECharts gets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from streams.web.pages.source import Labels
from streams.web.pages.view import Look
from streams.web.pages.views.overview import sizes_chart
from streams.web.read import SizesOverTime


@pytest.mark.parametrize(("people", "seen"), [([None, None, 7], True), ([None, 6, 7], False)])
def test_the_first_minute_is_a_point_until_there_is_an_area(people: list[int | None], seen: bool) -> None:
    times = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute) for minute in range(3)]

    (series,) = sizes_chart(SizesOverTime("interest", 60, times, {4: people}), Labels("interest"), Look())["series"]

    assert series["showSymbol"] is seen
    assert [value for _, value in series["data"]] == people
