"""Segment cards against a plain count over the same people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from clickhouse_connect.driver.client import Client

from streams.serving import segment_cards


def weights(kind: str, traits: dict[str, str], features: dict[str, float]) -> Iterator[tuple[str, float]]:
    if kind == "trait":
        yield from ((f"{name}={value}", 1.0) for name, value in traits.items())
    else:
        yield from ((n.removeprefix(f"{kind}/"), w) for n, w in features.items() if n.startswith(f"{kind}/"))


def highest(kind: str, people: list[tuple[int, int, dict[str, str], dict[str, float]]], segment: int) -> list[float]:
    here, everywhere = Counter[str](), Counter[str]()
    for of, _, traits, features in people:
        for key, weight in weights(kind, traits, features):
            everywhere[key] += weight
            here[key] += weight if of == segment else 0.0
    mine, all_of_it = sum(here.values()), sum(everywhere.values())
    lifts = [w / mine / (everywhere[key] / all_of_it) for key, w in here.items() if w / mine >= 0.02]
    return sorted(lifts, reverse=True)[:3]


def test_cards_say_sizes_and_the_highest_lifts(reader: Client) -> None:
    people = reader.query("SELECT segment, event_count, traits, features FROM current_profiles").result_rows
    cards = segment_cards(reader)

    assert {card.segment: card.people for card in cards} == Counter(segment for segment, *_ in people)
    for card in cards:
        assert card.events == sum(count for segment, count, *_ in people if segment == card.segment)
        for kind, said in (("category", card.categories), ("event", card.actions), ("trait", card.traits)):
            expected = highest(kind, [tuple(row) for row in people], card.segment)
            assert [lift for _, lift in said] == pytest.approx(expected, abs=0.006)
