"""Which variant somebody sees in each slot: by declared rules, and among several variants by a bandit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from clickhouse_connect.driver.client import Client

from streams.rules import ExperienceSettings
from streams.settings import Settings
from streams.web.decide.bandits import Arm, Outcomes, choose
from streams.web.decide.because import Because, rules_that_hold
from streams.web.read._rows import rows

__all__ = [
    "Experience", "Experiences", "Results", "SegmentResult", "experiences_of", "record_experiences", "results_of",
]  # fmt: skip

_SEGMENTS = "SELECT segments FROM current_profiles WHERE profile_id = {id:String}"
_KEPT = """
SELECT experience, argMax(variant, shown_at), max(shown_at) FROM exposures FINAL
WHERE experience IN {names:Array(String)} AND until > now64(3)
  AND (profile_id = {id:String} OR profile_id IN (
      SELECT anonymous FROM current_links WHERE profile_id = {id:String} AND status = 'merged'))
GROUP BY experience
"""


@dataclass(frozen=True, slots=True)
class Experience:
    """The variant that a person sees in a slot.

    Attributes
    ----------
    name : str
        Of the rule; `because` says what of the person fulfils it.
    by : str
        ``rule`` where it has one variant; ``bandit``: chosen now by what came of the variants in the person's segment;
        ``kept``: chosen at `since`, and shown for as long as an order counts.
    segment : int, optional
        The bandit's.
    arms : list of Arm
        What the bandit knew.
    """

    slot: str
    variant: str
    name: str
    because: list[Because]
    by: str = "rule"
    since: datetime | None = None
    segment: int | None = None
    arms: tuple[Arm, ...] = ()


@dataclass(frozen=True, slots=True)
class Experiences:
    """What a person sees, slot by slot; slots without a rule that holds are left out."""

    profile_id: str
    experiences: list[Experience]


@dataclass(frozen=True, slots=True)
class SegmentResult:
    """What came of an experience in one segment."""

    segment: int
    arms: tuple[Arm, ...]


@dataclass(frozen=True, slots=True)
class Results:
    """What came of a declared experience with several variants, in each segment."""

    name: str
    slot: str
    variants: list[str]
    policy: str
    reward: str
    within_s: int
    segmentation: str
    segments: list[SegmentResult]


def experiences_of(
    client: Client, settings: Settings, profile_id: str, known: Sequence[Outcomes] = (), seed: int | None = None
) -> Experiences | None:
    """Return what one person sees now; None: nobody has that id.

    Parameters
    ----------
    known : sequence of Outcomes
        What bandits know.
    seed : int, optional
        For tests.
    """
    held = rules_that_hold(client, settings.experiences, profile_id)
    if held is None:
        return None
    first: dict[str, ExperienceSettings] = {}
    for rule in settings.experiences:
        if rule.name in held:
            first.setdefault(rule.slot, rule)
    choosing = [rule.name for rule in first.values() if rule.variants]
    kept = {name: (variant, at.replace(tzinfo=UTC)) for name, variant, at in _kept(client, profile_id, choosing)}
    segments = rows(client, _SEGMENTS, id=profile_id)[0][0] if choosing else {}
    shown = []
    for slot, rule in first.items():
        because = held[rule.name]
        variant, since = kept.get(rule.name, ("", None))
        if not rule.variants:
            shown.append(Experience(slot, rule.variant, rule.name, because))
        elif variant in rule.variants:
            shown.append(Experience(slot, variant, rule.name, because, "kept", since))
        else:
            segment = int(segments.get(_segmentation(settings, rule), -2))
            arms = _arms(settings, rule, segment, known)
            chosen = choose(rule.policy, rule.variants, arms, seed)
            shown.append(Experience(slot, chosen, rule.name, because, "bandit", None, segment, arms))
    return Experiences(profile_id, shown)


def record_experiences(
    client: Client, settings: Settings, profile_id: str, known: Sequence[Outcomes] = ()
) -> Experiences | None:
    """Decide as `experiences_of` does, and leave a row in `exposures` for each variant that a bandit chose."""
    made = experiences_of(client, settings, profile_id, known)
    rules = {rule.name: rule for rule in settings.experiences}
    now = datetime.now(UTC)
    chosen = [
        {
            "profile_id": profile_id, "experience": one.name, "shown_at": now, "variant": one.variant,
            "segmentation": _segmentation(settings, rules[one.name]), "segment": one.segment,
            "policy": rules[one.name].policy, "reward": rules[one.name].reward,
            "until": now + timedelta(seconds=rules[one.name].within_s), "judged": 0, "judged_at": now,
        }
        for one in (made.experiences if made is not None else [])
        if one.by == "bandit"
    ]  # fmt: skip
    if chosen:
        client.insert("exposures", [list(one.values()) for one in chosen], column_names=list(chosen[0]))
    return made


def results_of(settings: Settings, known: Sequence[Outcomes]) -> list[Results]:
    """Return what came of every declared experience that has several variants."""
    return [
        Results(
            rule.name, rule.slot, rule.variants, rule.policy, rule.reward, rule.within_s,
            _segmentation(settings, rule),
            [
                SegmentResult(one.segment, _arms(settings, rule, one.segment, known))
                for one in known
                if (one.experience, one.segmentation) == (rule.name, _segmentation(settings, rule))
            ],
        )
        for rule in settings.experiences
        if rule.variants
    ]  # fmt: skip


def _kept(client: Client, profile_id: str, names: list[str]) -> list[tuple[str, str, datetime]]:
    return rows(client, _KEPT, id=profile_id, names=names) if names else []


def _arms(settings: Settings, rule: ExperienceSettings, segment: int, known: Sequence[Outcomes]) -> tuple[Arm, ...]:
    """Return what is known of all declared variants in a segment."""
    wanted = rule.name, _segmentation(settings, rule), segment
    found = {
        arm.variant: arm
        for one in known
        if (one.experience, one.segmentation, one.segment) == wanted
        for arm in one.arms
    }
    return tuple(found.get(variant, Arm(variant, 0, 0, 0)) for variant in rule.variants)


def _segmentation(settings: Settings, rule: ExperienceSettings) -> str:
    return rule.segmentation or settings.segmentation.name
