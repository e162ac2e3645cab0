"""A person in a few sentences, each with the numbers it was made from. Nothing is guessed."""

from __future__ import annotations

from dataclasses import dataclass

from streams.web.pages.rendering import duration, number, percent, stamp
from streams.web.pages.source import daypart
from streams.web.pages.texts import Texts
from streams.web.read import Person

__all__ = ["Sentence", "portrait"]

_MOST, _WORTH = 3, 0.2


@dataclass(frozen=True, slots=True)
class Sentence:
    """What is said, and what it rests on."""

    text: str
    evidence: tuple[str, ...] = ()


def portrait(found: Person, text: Texts) -> list[Sentence]:
    """Return what can be said of a person; what there is no evidence for isn't said."""
    said = [
        Sentence(
            text("portrait.seen", n=found.event_count, since=stamp(found.first_seen, seconds=False)),
            (text("portrait.seen.evidence", first=stamp(found.first_seen), last=stamp(found.last_seen)),),
        ),
        _rhythm(found, text),
        _interest(found, text),
        _actions(found, text),
        _spending(found, text),
        _touched(found, text),
    ]
    return [sentence for sentence in said if sentence is not None]


def _rhythm(found: Person, text: Texts) -> Sentence | None:
    hour, day = found.features.get("busiest_hour"), found.features.get("busiest_weekday")
    if hour is None:
        return None
    when = text(f"daypart.{daypart(int(hour))}")
    evidence = [text("portrait.hour.evidence", hour=f"{int(hour)}:00 UTC")]
    if day is not None:
        evidence.append(text("portrait.day.evidence", day=text(f"weekday.{int(day)}")))
    if sessions := found.features.get("sessions"):
        evidence.append(text("portrait.sessions.evidence", n=round(sessions)))
    return Sentence(text("portrait.rhythm", when=when), tuple(evidence))


def _shares(found: Person, prefix: str) -> list[tuple[str, float]]:
    of = {name.removeprefix(prefix): value for name, value in found.features.items() if name.startswith(prefix)}
    total = sum(of.values())
    return sorted(((name, value / total) for name, value in of.items()), key=lambda e: -e[1]) if total > 0 else []


def _interest(found: Person, text: Texts) -> Sentence | None:
    shares = _shares(found, "category/")
    liked = [name for name, share in shares if share >= _WORTH][:_MOST]
    if not liked:
        return None
    said = text("list.and").join(text.or_else(f"category.{name}", name) for name in liked)
    return Sentence(
        text("portrait.interest", list=said), tuple(f"{name} {percent(share)}" for name, share in shares[:_MOST])
    )


def _actions(found: Person, text: Texts) -> Sentence | None:
    shares = _shares(found, "event/")
    if not shares:
        return None
    name = text.or_else(f"event.{shares[0][0]}", shares[0][0])
    return Sentence(
        text("portrait.actions", what=name),
        tuple(f"{text.or_else(f'event.{event}', event)} {percent(share)}" for event, share in shares[:_MOST]),
    )


def _spending(found: Person, text: Texts) -> Sentence | None:
    orders, amount = found.features.get("orders/count", 0.0), found.features.get("orders/amount", 0.0)
    price = found.features.get("price/mean")
    evidence = []
    if price:
        evidence.append(text("portrait.price.evidence", price=number(price, 2)))
    if orders < 1:
        return Sentence(text("portrait.no_orders"), tuple(evidence))
    evidence.append(text("portrait.amount.evidence", amount=number(amount, 2)))
    recency = found.features.get("orders/recency_days")
    if recency is not None:
        evidence.append(text("portrait.recency.evidence", span=duration(recency * 86_400, text)))
    return Sentence(text("portrait.orders", n=round(orders)), tuple(evidence))


def _touched(found: Person, text: Texts) -> Sentence | None:
    titles = list(dict.fromkeys(piece.title for piece in found.touches if piece.title))[:_MOST]
    if not titles:
        return None
    return Sentence(text("portrait.touched", list=text("list.and").join(text("list.title", title=t) for t in titles)))
