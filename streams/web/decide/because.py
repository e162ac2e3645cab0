"""Declared rules: which of them hold for somebody, and what was found of the person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from clickhouse_connect.driver.client import Client

from streams.rules import ConditionSettings
from streams.web.decide.conditions import Condition, Where, condition_sql
from streams.web.read._rows import rows

__all__ = ["Because", "Rule", "condition_of", "rules_that_hold"]

_ONE = "SELECT [{rules}] FROM current_profiles WHERE profile_id = {id:String}"


class Rule(Protocol):
    """What tiers and experiences have in common."""

    @property
    def name(self) -> str:
        """Unique among its like."""

    @property
    def when(self) -> list[ConditionSettings]:
        """All of them have to hold."""


@dataclass(frozen=True, slots=True)
class Because:
    """A condition that held, and what the person has (as text)."""

    condition: Condition
    found: str


def rules_that_hold(client: Client, rules: Sequence[Rule], profile_id: str) -> dict[str, list[Because]] | None:
    """Return rule -> why, of the rules whose conditions all hold for a person; None: nobody has that id.

    One query answers for all of them.
    """
    where = Where()
    wanted = [[condition_of(one) for one in rule.when] for rule in rules]
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


def condition_of(one: ConditionSettings) -> Condition:
    """Return a declared condition as it is asked."""
    value = tuple(one.value) if isinstance(one.value, list) else one.value
    return Condition(one.field, one.op, value)  # type: ignore[arg-type]  # settings were checked
