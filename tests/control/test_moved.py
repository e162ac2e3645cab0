"""What an alert says about content and features, of people of whom some come often and some seldom."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from clickhouse_connect.driver.client import Client

from streams.control.moved import what_moved
from streams.settings import Settings
from streams.storage import connect, initialise
from streams.storage.alerts import EVERYTHING
from tests.storage.test_alerts import ALERT

AT = datetime.fromtimestamp(ALERT.starts_at_us / 1e6, UTC)
LEASE = datetime(2100, 1, 1, tzinfo=UTC)
SPORTS, BOOKS = 11, 12


def people(client: Client, name: str, number: int, events: int, *, sports: bool, now: bool) -> None:
    """Write people with so many events, seen last in the alert's window or two days before it."""
    seen = AT + timedelta(minutes=5) if now else AT - timedelta(days=2)
    features = {"event/View": float(events), "category/sports" if sports else "category/books": events / 2}
    rows = [
        [f"{name}{i}", "person", 1, LEASE, events, seen, features, [SPORTS if sports else BOOKS]] for i in range(number)
    ]
    columns = "profile_id kind version lease_until event_count last_seen features touched"
    client.insert("profiles", rows, column_names=columns.split())


def world(client: Client, readers: int, players: int) -> None:
    """Let so many of those with 40 events be in the window, and a quarter as many of those with 10."""
    for name, sports, here in (("r", False, readers), ("p", True, players)):
        people(client, f"{name}often", here, 40, sports=sports, now=True)
        people(client, f"{name}oftenbefore", 100 - here, 40, sports=sports, now=False)
        people(client, f"{name}seldom", here // 4, 10, sports=sports, now=True)
        people(client, f"{name}seldombefore", 100 - here // 4, 10, sports=sports, now=False)


def moved(settings: Settings, client: Client) -> dict[str, tuple[float, float]]:
    return what_moved(client, replace(ALERT, segment=EVERYTHING), settings.shifts.interval_s)


@pytest.mark.parametrize("players", [40, 80])
def test_who_comes_often_is_no_shift_and_what_shifts_is_told_first(settings: Settings, players: int) -> None:
    initialise(settings)
    with connect(settings) as client:
        world(client, 40, players)
        found = moved(settings, client)
    before, now = found["event/View"]
    assert now == pytest.approx(before, rel=1e-9)
    share_before, share_now = found[f"content/{SPORTS}"]
    assert share_before == pytest.approx(0.5)
    assert share_now == pytest.approx(players / (players + 40))
    if players == 80:
        assert next(iter(found)) in {"category/books", "category/sports"}
        assert found["category/sports"][1] > 1.3 * found["category/sports"][0]


def test_nobody_before_is_nothing_that_has_moved(settings: Settings) -> None:
    initialise(settings)
    with connect(settings) as client:
        people(client, "new", 5, 3, sports=True, now=True)
        assert moved(settings, client) == {}
