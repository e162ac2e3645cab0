"""Bandits: which of several variants a segment's next visitor sees, by what came of those shown before.

River's policies, one for each experience and segment. All they know is counted from the table `exposures`, so every
process decides from the same and none has anything to lose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clickhouse_connect.driver.client import Client

from streams.web.read._rows import rows

if TYPE_CHECKING:
    from river import bandit

__all__ = ["Arm", "Outcomes", "choose", "judge_exposures", "outcomes"]

#: No arm counts more: what was learned long ago weighs no more than what is learned now, and a choice costs little.
_MOST = 2_000
#: Share of visitors that epsilon-greedy shows just any variant.
_EPSILON = 0.1
#: River's name for UCB1.
_UCB1 = 1.0
#: An order may take so long to arrive; until then nobody is judged to have ordered nothing.
_GRACE_S = 60
_OPEN_DAYS = 7

_OUTCOMES = """
SELECT experience, segmentation, segment, variant, count(), countIf(judged = 2), countIf(judged > 0)
FROM exposures FINAL
GROUP BY experience, segmentation, segment, variant
ORDER BY experience, segmentation, segment, variant
"""

# Somebody's newest order is what their profile says under today's person: who ordered after logging in is found by the
# id that they had when they were shown something.
_JUDGE = """
INSERT INTO exposures
WITH
    waiting AS (
        SELECT e.profile_id AS profile_id, e.experience AS experience, e.shown_at AS shown_at, e.variant AS variant,
               e.segmentation AS segmentation, e.segment AS segment, e.policy AS policy, e.reward AS reward,
               e.until AS until, if(l.person = '', e.profile_id, l.person) AS person
        FROM (
            SELECT * FROM exposures FINAL WHERE judged = 0 AND until > now64(3) - INTERVAL {open_days:UInt16} DAY
        ) AS e
        LEFT JOIN (
            SELECT anonymous, any(profile_id) AS person FROM current_links WHERE status = 'merged' GROUP BY anonymous
        ) AS l ON l.anonymous = e.profile_id
    ),
    people AS (
        SELECT profile_id, features, last_seen FROM current_profiles
        WHERE profile_id IN (SELECT person FROM waiting)
    )
SELECT w.profile_id, w.experience, w.shown_at, w.variant, w.segmentation, w.segment, w.policy, w.reward, w.until,
       if(ordered_at > w.shown_at AND ordered_at <= w.until, 2, 1) AS outcome, now64(3)
FROM (
    SELECT waiting.*, concat(waiting.reward, '/recency_days') AS recency,
           if(mapContains(people.features, recency),
              toDateTime64(people.last_seen, 3) - toIntervalMillisecond(round(people.features[recency] * 86400000)),
              toDateTime64(0, 3, 'UTC')) AS ordered_at
    FROM waiting LEFT JOIN people ON people.profile_id = waiting.person
) AS w
WHERE outcome = 2 OR now64(3) > w.until + toIntervalSecond({grace_s:UInt32})
"""


@dataclass(frozen=True, slots=True)
class Arm:
    """A variant in a segment: how often it was shown, how many of these are judged, how many were rewarded."""

    variant: str
    shown: int
    judged: int
    rewarded: int


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What came of an experience in a segment; variants that nobody was shown are missing."""

    experience: str
    segmentation: str
    segment: int
    arms: tuple[Arm, ...]


def outcomes(client: Client) -> tuple[Outcomes, ...]:
    """Return what came of all experiences in all segments."""
    found: dict[tuple[str, str, int], list[Arm]] = {}
    for experience, segmentation, segment, variant, shown, rewarded, judged in rows(client, _OUTCOMES):
        found.setdefault((experience, segmentation, segment), []).append(Arm(variant, shown, judged, rewarded))
    return tuple(Outcomes(*key, tuple(arms)) for key, arms in found.items())


def choose(policy: str, variants: Sequence[str], arms: Sequence[Arm], seed: int | None = None) -> str:
    """Return the variant that is shown next.

    Parameters
    ----------
    policy : str
        One of `streams.rules.POLICIES`.
    variants : sequence of str
        Those that are declared now; what is known of others doesn't count.
    arms : sequence of Arm
        What is known.
    seed : int, optional
        For tests.
    """
    made = _policy(policy, seed)
    for arm in arms:
        if arm.variant in variants:
            part = min(1.0, _MOST / arm.judged) if arm.judged else 0.0
            rewarded, judged = round(arm.rewarded * part), round(arm.judged * part)
            for number in range(judged):
                made.update(arm.variant, number < rewarded)  # type: ignore[no-untyped-call]
    return str(made.pull(list(variants)))


def _policy(name: str, seed: int | None) -> bandit.base.Policy:
    from river import bandit, proba  # noqa: PLC0415 - half a second; only who has variants pays

    match name:
        case "thompson":
            return bandit.ThompsonSampling(reward_obj=proba.Beta(), seed=seed)
        case "epsilon_greedy":
            return bandit.EpsilonGreedy(epsilon=_EPSILON, burn_in=1, seed=seed)
        case _:
            return bandit.UCB(delta=_UCB1, burn_in=1, seed=seed)


def judge_exposures(client: Client, open_days: int = _OPEN_DAYS) -> None:
    """Say what came of those exposures of which it is known by now: an order in time, or that its time has passed.

    What was open `open_days` ago is left as it is: orders since then hide those that came in time.
    """
    client.command(_JUDGE, parameters={"open_days": open_days, "grace_s": _GRACE_S})
