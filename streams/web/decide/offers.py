"""Prices and experiences by declared rules; every decision names the rule and what it found of the person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec
from clickhouse_connect.driver.client import Client

from streams.rules import ConditionSettings
from streams.settings import Settings
from streams.web.decide.conditions import Condition, Where, condition_sql
from streams.web.read._rows import rows

__all__ = ["Because", "Experience", "Experiences", "Price", "experiences_of", "price_of", "record_price"]

_ONE = "SELECT [{rules}] FROM current_profiles WHERE profile_id = {id:String}"
_CENTS = 2


class _Rule(Protocol):
    """What tiers and experiences have in common."""

    @property
    def name(self) -> str: ...
    @property
    def when(self) -> list[ConditionSettings]: ...


@dataclass(frozen=True, slots=True)
class Because:
    """A condition that held, and what the person has (as text)."""

    condition: Condition
    found: str


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


@dataclass(frozen=True, slots=True)
class Experience:
    """The variant that a person sees in a slot."""

    slot: str
    variant: str
    name: str
    because: list[Because]


@dataclass(frozen=True, slots=True)
class Experiences:
    """What a person sees, slot by slot; slots without a rule that holds are left out."""

    profile_id: str
    experiences: list[Experience]


def price_of(client: Client, settings: Settings, profile_id: str, list_price: float) -> Price | None:
    """Return the price that one person gets for something; None: nobody has that id."""
    held = _held(client, settings.price_tiers, profile_id)
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


def experiences_of(client: Client, settings: Settings, profile_id: str) -> Experiences | None:
    """Return what one person sees; None: nobody has that id."""
    held = _held(client, settings.experiences, profile_id)
    if held is None:
        return None
    shown: dict[str, Experience] = {}
    for one in settings.experiences:
        if one.name in held:
            shown.setdefault(one.slot, Experience(one.slot, one.variant, one.name, held[one.name]))
    return Experiences(profile_id, list(shown.values()))


def _held(client: Client, rules: Sequence[_Rule], profile_id: str) -> dict[str, list[Because]] | None:
    """Return rule -> why, of the rules whose conditions all hold for a person; one query for all of them."""
    where = Where()
    wanted = [[_condition(one) for one in rule.when] for rule in rules]
    texts = [
        "CAST([" + ", ".join(f"(toUInt8({holds}), {shown})" for holds, shown in _sql(of_one, where))
        + "], 'Array(Tuple(UInt8, String))')"
        for of_one in wanted
    ]  # fmt: skip
    query = _ONE.replace("{rules}", ", ".join(texts))
    found: list[tuple[Any, ...]] = rows(client, query, id=profile_id, **where.parameters)
    if not found:
        return None
    return {
        rule.name: [Because(condition, shown) for condition, (_, shown) in zip(of_one, answers, strict=True)]
        for rule, of_one, answers in zip(rules, wanted, found[0][0], strict=True)
        if all(holds for holds, _ in answers)
    }


def _sql(conditions: Sequence[Condition], where: Where) -> list[tuple[str, str]]:
    return [condition_sql(one, where) for one in conditions]


def _condition(one: ConditionSettings) -> Condition:
    value = tuple(one.value) if isinstance(one.value, list) else one.value
    return Condition(one.field, one.op, value)  # type: ignore[arg-type]  # settings were checked
