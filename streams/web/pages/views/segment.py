"""One segment: its persona card, everything with the evidence beside it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.web.naming import Lift, SegmentName
from streams.web.pages.charts import Options, axis_value, base
from streams.web.pages.rendering import number, percent
from streams.web.pages.source import Labels, Source, say_lift
from streams.web.pages.view import Card, Look, Shown, View
from streams.web.pages.views._common import now, row, segmentation_of
from streams.web.pages.views.overview import sizes_chart
from streams.web.read import Card as Persona
from streams.web.read import Figure, SegmentsNow, SizesOverTime, segment_card, segments_now

__all__ = ["SEGMENT"]

_LIFTS = 10
#: The widest lift that is drawn; the number beside it says what it really is.
_WIDEST = 4.0
_WHERE = ("country", "city", "region", "language", "locale", "timezone")
_DEVICE = ("device", "os", "browser", "platform", "app")


@dataclass(frozen=True, slots=True)
class _Read:
    segment: int
    card: Persona | None
    now: SegmentsNow
    labels: Labels


def _arguments(asked: Mapping[str, str]) -> tuple[int, str]:
    segment = int(asked["segment"])
    if not -1 <= segment < 2**62:
        raise ValueError(segment)
    return segment, segmentation_of(asked)


async def _read(source: Source, asked: tuple[int, str]) -> _Read:
    segment, segmentation = asked
    card, found, named = await asyncio.gather(
        source.ask(segment_card, segment, segmentation), source.ask(segments_now, segmentation),
        source.named(segmentation),
    )  # fmt: skip
    return _Read(segment, card, found, source.coloured(named, found))


def _show(read: _Read, look: Look) -> Shown:
    text, card = look.text, read.card
    shown = Shown(read.labels.name(read.segment, text))
    values: dict[str, Any] = {"card": card, "me": row(read.labels, read.segment, look)}
    if card is None:
        shown.html = SEGMENT.blocks(look, **values)
        return shown
    named = read.labels.names[look.language].get(read.segment, SegmentName(""))
    change = next((one.change_1h for one in read.now.segments if one.segment == read.segment), None)
    traits = [lift for lift in card.lifts if lift.kind == "trait"]
    rest = [lift for lift in card.lifts if lift.kind in {"category", "event"} or lift not in traits]
    shown.lead = text("segment.lead", people=text("unit.people", n=card.people), share=percent(card.share, 1))
    shown.html = SEGMENT.blocks(
        look, change=change, named=named, terms=named.terms,
        name_lifts=[{"text": say_lift(lift, text), "lift": lift} for lift in named.lifts],
        lifts=[_drawn(lift, look) for lift in _apart(rest)], value=[_figure(figure, look) for figure in card.value],
        where=_shares(traits, _WHERE, look), device=_shares(traits, _DEVICE, look), others=_others(traits, look),
        now=now(), **values,
    )  # fmt: skip
    own = card.trend.people.get(card.segment)
    if own and any(n is not None for n in own):
        only = SizesOverTime(card.trend.segmentation, card.trend.step_s, card.trend.times, {card.segment: own})
        shown.charts["trend"] = sizes_chart(only, read.labels, look)
        shown.said["trend"] = text("segment.trend.said", people=text("unit.people", n=card.people))
    if any(card.hours):
        shown.charts["hours"] = _bars([str(hour) for hour in range(24)], card.hours, look, text("axis.hour"))
        at = max(range(24), key=card.hours.__getitem__)
        shown.said["hours"] = text("segment.hours.said", hour=f"{at}:00", share=percent(card.hours[at]))
    if any(card.weekdays):
        names = [text(f"weekday.short.{day}") for day in range(7)]
        shown.charts["weekdays"] = _bars(names, card.weekdays, look, "")
        at = max(range(7), key=card.weekdays.__getitem__)
        shown.said["weekdays"] = text(
            "segment.weekdays.said", day=text(f"weekday.{at}"), share=percent(card.weekdays[at])
        )
    return shown


def _apart(lifts: list[Lift]) -> list[Lift]:
    """Return what is surely commoner or rarer than among everybody, the surest first."""
    sure = [lift for lift in lifts if lift.low > 1 or lift.high < 1]
    sure.sort(key=lambda lift: -max(math.log(max(lift.low, 1e-9)), -math.log(max(lift.high, 1e-9))))
    return sorted(sure[:_LIFTS], key=lambda lift: -lift.lift)


def _all(lift: Lift) -> float:
    """Return the share of everybody."""
    return lift.share / lift.lift if lift.lift else 0.0


def _place(value: float) -> float:
    """Return where a lift is drawn, 0 to 100: 1 in the middle, the same way out for twice as for half."""
    bound = math.log(_WIDEST)
    return 50 + 50 * max(-bound, min(bound, math.log(max(value, 1e-9)))) / bound


def _drawn(lift: Lift, look: Look) -> dict[str, Any]:
    text = look.text
    return {
        "kind": text.or_else(f"kind.{lift.kind}", lift.kind),
        "text": say_lift(lift, text),
        "low": _place(lift.low),
        "at": _place(lift.lift),
        "high": _place(lift.high),
        "more": lift.lift >= 1,
        "lift": f"{lift.lift:.2f}",
        "range": text("lift.range", low=f"{lift.low:.2f}", high=f"{lift.high:.2f}"),
        "share": text("lift.share", share=percent(lift.share), all=percent(_all(lift))),
    }


def _figure(figure: Figure, look: Look) -> dict[str, Any]:
    text = look.text

    def shown(value: float) -> str:
        if figure.key == "recency_days":
            return text("span.days", n=number(value, 1))
        return number(value, 2 if value < 100 else 0)

    return {
        "name": text.or_else(f"value.{figure.key}", figure.key),
        "mean": shown(figure.mean),
        "range": text("value.range", low=shown(figure.low), high=shown(figure.high)),
        "all": text("value.all", mean=shown(figure.mean_all)),
        "ratio": figure.mean / figure.mean_all if figure.mean_all else None,
    }


def _shares(traits: list[Lift], names: tuple[str, ...], look: Look) -> list[dict[str, Any]]:
    found = [lift for lift in traits if lift.key.split("=")[0] in names]
    return [
        {"text": say_lift(lift, look.text), "share": lift.share, "all": _all(lift), "lift": lift}
        for lift in sorted(found, key=lambda lift: -lift.share)[:6]
    ]


def _others(traits: list[Lift], look: Look) -> list[dict[str, Any]]:
    known = _WHERE + _DEVICE
    found = [lift for lift in traits if lift.key.split("=")[0] not in known]
    return [
        {"text": f"{look.text.or_else('trait.' + lift.key.split('=')[0], lift.key.split('=')[0])}: "
                 f"{say_lift(lift, look.text)}", "share": lift.share, "all": _all(lift), "lift": lift}
        for lift in sorted(found, key=lambda lift: -lift.share)[:6]
    ]  # fmt: skip


def _bars(names: list[str], shares: list[float], look: Look, unit: str) -> Options:
    return base(
        xAxis={
            "type": "category", "data": names, "axisTick": {"show": False}, "name": unit, "nameLocation": "middle",
            "nameGap": 26, "nameTextStyle": {"color": "var(--soft)", "fontSize": 12},
            "axisLine": {"lineStyle": {"color": "var(--line)"}},
            "axisLabel": {"color": "var(--soft)", "fontSize": 12, "hideOverlap": True},
        },
        yAxis=axis_value(look.text("axis.share_people")),
        grid={"left": 4, "right": 8, "top": 28, "bottom": 22 if unit else 4, "containLabel": True},
        series=[{
            "type": "bar", "id": "share", "name": look.text("col.share"), "barCategoryGap": "25%",
            "data": [round(share * 100, 1) for share in shares],
            "itemStyle": {"color": "var(--accent)", "borderRadius": 2}, "emphasis": {"disabled": True},
        }],
    )  # fmt: skip



SEGMENT = View(
    name="segment",
    path="/segments/{segment}",
    cards=(
        Card("numbers", "w12 bare"), Card("lifts", "w7 deep"), Card("evidence", "w5"),
        Card("trend", "w5", "chart short"),
        Card("top", "w4"), Card("medoid", "w4"), Card("typical", "w4"), Card("hours", "w5", "chart short"),
        Card("weekdays", "w3", "chart short"), Card("where", "w4 deep"), Card("value", "w8"),
    ),
    every_s=5.0,
    arguments=_arguments,
    read=_read,
    show=_show,
    part_of="segments",
)
