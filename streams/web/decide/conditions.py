"""Conditions about a person as parameterised SQL over `current_profiles`: audiences and rules ask the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from streams.rules import fault_of

__all__ = ["Condition", "Definition", "Where", "condition_sql"]

Operator = Literal["exact", "is_not", "gt", "gte", "lt", "lte", "is_set", "is_not_set"]
_SIGNS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_DAY_S = 86_400
#: RFM: days since the last order, orders ever, money ever. Recency is unknown of who never ordered.
_NUMBERS = {
    "segment": "segment",
    "events": "event_count",
    "frequency": "features['orders/count']",
    "monetary": "features['orders/amount']",
    "seen_days": f"(dateDiff('second', last_seen, now64(6)) / {_DAY_S})",
    "recency_days": (
        "if(mapContains(features, 'orders/recency_days'), features['orders/recency_days'] "
        f"+ dateDiff('second', last_seen, now64(6)) / {_DAY_S}, NULL)"
    ),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition about a person.

    `field`: segment, segment.NAME (another segmentation), events (how many ever), seen_days (days since the newest
    event), recency_days (days since the newest order), frequency (orders), monetary (revenue), trait.NAME or
    feature.NAME. `value`: a number or a text; for exact and is_not also a list, any of it; nothing for is_set.
    Numbers compare traits that read as numbers.
    """

    field: str
    op: Operator = "exact"
    value: float | str | tuple[float | str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """Who belongs to an audience: those for whom all conditions hold (or any)."""

    conditions: tuple[Condition, ...] = ()
    match: Literal["all", "any"] = "all"
    description: str = ""

    def faults(self) -> list[str]:
        """Return what is wrong with it."""
        found = [fault_of(one.field, one.op, one.value) for one in self.conditions]
        return [fault for fault in found if fault]


@dataclass(slots=True)
class Where:
    """SQL under construction: texts, and the parameters they name."""

    parameters: dict[str, Any] = field(default_factory=dict)

    def take(self, value: Any, kind: str) -> str:
        """Return a parameter that stands for a value."""
        name = f"c{len(self.parameters)}"
        self.parameters[name] = value
        return f"{{{name}:{kind}}}"

    def of(self, definition: Definition) -> str:
        """Return the text of a definition; without conditions it is everybody."""
        parts = [condition_sql(one, self)[0] for one in definition.conditions]
        return "(" + (" AND " if definition.match == "all" else " OR ").join(parts) + ")" if parts else "true"


def condition_sql(condition: Condition, where: Where) -> tuple[str, str]:
    """Return (whether it holds, what the person has as text) as SQL expressions.

    Examples
    --------
    >>> where = Where()
    >>> condition_sql(Condition("frequency", "gte", 2), where)[0]
    "ifNull(features['orders/count'] >= {c0:Float64}, 0)"
    >>> where.parameters
    {'c0': 2.0}
    """
    text, there = _expression(condition.field, where)
    shown = f"ifNull(toString({text}), '')"
    if condition.op == "is_set":
        return there, shown
    if condition.op == "is_not_set":
        return f"NOT ({there})", shown
    if condition.op in _SIGNS:
        number = f"toFloat64OrNull({text})" if condition.field.startswith("trait.") else text
        bound = where.take(float(_values(condition)[0]), "Float64")
        return f"ifNull({number} {_SIGNS[condition.op]} {bound}, 0)", shown
    if condition.field.startswith("trait."):
        found = f"has({where.take([_said(one) for one in _values(condition)], 'Array(String)')}, {text})"
    else:
        wanted = where.take([float(one) for one in _values(condition)], "Array(Float64)")
        found = f"ifNull(has({wanted}, toFloat64({text})), 0)"
    return (found if condition.op == "exact" else f"NOT ({found})"), shown


def _expression(name: str, where: Where) -> tuple[str, str]:
    """Return (what a person has, whether they have it)."""
    if name in _NUMBERS:
        text = _NUMBERS[name]
        return text, f"({text}) IS NOT NULL" if name == "recency_days" else "true"
    kind, _, key = name.partition(".")
    column = {"segment": "segments", "trait": "traits", "feature": "features"}[kind]
    taken = where.take(key, "String")
    there = f"mapContains({column}, {taken})"
    # who has no label in a segmentation isn't in its segment 0
    text = f"if({there}, {column}[{taken}], NULL)" if kind == "segment" else f"{column}[{taken}]"
    return text, there


def _values(condition: Condition) -> Sequence[float | str]:
    value = condition.value
    if isinstance(value, tuple):
        return value
    return [value] if value is not None else []


def _said(value: float | str) -> str:
    """Write a number as traits are written: 3, not 3.0."""
    return value if isinstance(value, str) else f"{value:.15g}"
