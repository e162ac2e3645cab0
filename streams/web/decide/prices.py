"""Prices by declared tiers; every decision names the tier and what it found of the person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from clickhouse_connect.driver.client import Client

from streams.settings import Settings
from streams.web.decide.because import Because, rules_that_hold

__all__ = ["Price", "price_of", "record_price"]

_CENTS = 2


@dataclass(frozen=True, slots=True)
class Price:
    """A decided price; `tier` is empty where none holds, `bound` says what stopped it ("floor", "cap", or nothing)."""

    profile_id: str
    tier: str
    list_price: float
    price: float
    multiplier: float
    bound: str
    because: list[Because]
    decided_at: datetime


def price_of(client: Client, settings: Settings, profile_id: str, list_price: float) -> Price | None:
    """Return the price that one person gets for something; None: nobody has that id."""
    held = rules_that_hold(client, settings.price_tiers, profile_id)
    if held is None:
        return None
    now = datetime.now(UTC)
    tier = next((tier for tier in settings.price_tiers if tier.name in held), None)
    if tier is None:
        return Price(profile_id, "", list_price, list_price, 1.0, "", [], now)
    wanted = list_price * tier.multiplier
    lowest, highest = min(tier.floor, list_price), max(tier.cap, list_price)
    bound = "floor" if wanted < lowest else "cap" if wanted > highest else ""
    price = round(min(max(wanted, lowest), highest), _CENTS)
    return Price(profile_id, tier.name, list_price, price, tier.multiplier, bound, held[tier.name], now)


def record_price(client: Client, settings: Settings, profile_id: str, list_price: float) -> Price | None:
    """Decide as `price_of` does, and leave a row in `price_decisions`."""
    made = price_of(client, settings, profile_id, list_price)
    if made is not None:
        because = msgspec.json.encode(made.because).decode()
        fields = {name: getattr(made, name) for name in Price.__slots__} | {"because": because}
        client.insert("price_decisions", [list(fields.values())], column_names=list(fields))
    return made
