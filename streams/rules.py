"""Rules about people, as `userprism.toml` declares them: who gets which price, and who sees which variant."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from streams.errors import ConfigurationError

__all__ = [
    "FIELDS",
    "OPERATORS",
    "POLICIES",
    "AudienceSettings",
    "ConditionSettings",
    "ExperienceSettings",
    "PriceTierSettings",
    "check_rules",
    "fault_of",
]

#: What a condition looks at; `segment.NAME` is another segmentation's.
FIELDS = re.compile(
    r"(segment|segment\.[a-z][a-z0-9_]{0,63}|events|recency_days|frequency|monetary|seen_days"
    r"|trait\.[^\x00-\x1f]{1,200}|feature\.[^\x00-\x1f]{1,200})"
)
OPERATORS = ("exact", "is_not", "gt", "gte", "lt", "lte", "is_set", "is_not_set")
#: How a bandit chooses.
POLICIES = ("thompson", "epsilon_greedy", "ucb")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_SHORTEST_S, _LONGEST_S = 60, 7_776_000


class ConditionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One condition; see `streams.web.decide.conditions` for what fields mean."""

    field: str
    op: str = "exact"
    #: a number or a text, or for "exact" and "is_not" a list of them: any of these
    value: float | str | list[float | str] | None = None


class AudienceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose consent lets them leave with an audience."""

    #: all have to hold, or a person is in no file and no record of an audience; none: everybody may leave
    consent: list[ConditionSettings] = []


class PriceTierSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who gets which price: the first tier in the file whose conditions all hold."""

    name: str
    #: of the list price
    multiplier: float
    #: money; the price never falls below it, nor rises above the cap, unless the list price itself does
    floor: float = 0.0
    cap: float = float("inf")
    #: none: everybody
    when: list[ConditionSettings] = []


class ExperienceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who sees which variant in a slot: the first of the slot in the file whose conditions all hold."""

    name: str
    #: where on the site, e.g. "home"
    slot: str
    variant: str = ""
    #: instead of one: a bandit for each segment chooses among these, by what came of those shown before
    variants: list[str] = []
    #: thompson, epsilon_greedy or ucb
    policy: str = "thompson"
    #: what counts as success: a feature of kind "rfm", of which the person has a new event within so many seconds
    reward: str = "orders"
    within_s: int = 86_400
    #: whose segments; the first one of the file by default
    segmentation: str = ""
    #: none: everybody
    when: list[ConditionSettings] = []


def fault_of(field: str, op: str, value: object) -> str:
    """Return what is wrong with a condition, "" if nothing is.

    Examples
    --------
    >>> fault_of("frequency", "gte", 2.0)
    ''
    >>> fault_of("frequency", "gte", "often")
    "frequency gte 'often': takes one number"
    """
    said = f"{field} {op} {value!r}"
    if not FIELDS.fullmatch(field):
        return (
            f"{said}: a field is segment, segment.NAME, events, seen_days, recency_days, frequency, monetary, "
            "trait.NAME or feature.NAME"
        )
    if op not in OPERATORS:
        return f"{said}: an operator is one of {', '.join(OPERATORS)}"
    if op in {"is_set", "is_not_set"}:
        return "" if value is None else f"{said}: takes no value"
    many = isinstance(value, (list, tuple))
    values: Sequence[object] = value if isinstance(value, (list, tuple)) else [value]
    if op not in {"exact", "is_not"} and many:
        return f"{said}: takes one number"
    wanted = (str, float, int) if field.startswith("trait.") and op in {"exact", "is_not"} else (float, int)
    if not values or any(isinstance(one, bool) or not isinstance(one, wanted) for one in values):
        return f"{said}: takes {'one number' if not many else 'numbers'}" if str not in wanted else f"{said}: no value"
    return ""


def check_rules(
    tiers: Sequence[PriceTierSettings], experiences: Sequence[ExperienceSettings], consent: Sequence[ConditionSettings]
) -> None:
    """Raise ConfigurationError with the first thing that is wrong with declared rules."""
    _check_conditions("audiences.consent", consent)
    for kind, rules in (("price_tiers", tiers), ("experiences", experiences)):
        names = [rule.name for rule in rules]
        for rule in rules:
            where = f"{kind} {rule.name!r}"
            if not _NAME.fullmatch(rule.name) or names.count(rule.name) > 1:
                msg = f"{where}: a name is small letters, digits, - and _, and no two have the same"
                raise ConfigurationError(msg)
            _check_conditions(where, rule.when)
    for experience in experiences:
        fault = _fault_of_variants(experience)
        if fault:
            msg = f"experiences {experience.name!r}: {fault}"
            raise ConfigurationError(msg)
    for tier in tiers:
        if not 0 < tier.multiplier <= 10 or not 0 <= tier.floor <= tier.cap:
            msg = f"price_tiers {tier.name!r}: wants 0 < multiplier <= 10 and 0 <= floor <= cap"
            raise ConfigurationError(msg)


def _check_conditions(where: str, conditions: Sequence[ConditionSettings]) -> None:
    for condition in conditions:
        fault = fault_of(condition.field, condition.op, condition.value)
        if fault:
            msg = f"{where}: {fault}"
            raise ConfigurationError(msg)


def _fault_of_variants(one: ExperienceSettings) -> str:
    if bool(one.variant) == bool(one.variants):
        return "wants variant or variants, one of the two"
    different = set(one.variants) - {""}
    if one.variants and (len(different) < 2 or len(different) < len(one.variants)):
        return f"variants = {one.variants!r}: two or more, no two the same"
    if one.policy not in POLICIES:
        return f"policy = {one.policy!r}: one of {', '.join(POLICIES)}"
    if not _SHORTEST_S <= one.within_s <= _LONGEST_S:
        return f"within_s = {one.within_s}: from {_SHORTEST_S} (a minute) to {_LONGEST_S} (90 days)"
    return ""
