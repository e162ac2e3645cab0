"""Where people are: a sample of them and the middles of all segments in a plane that stays put while they move."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streams.web.pages.charts import Options, base
from streams.web.pages.rendering import percent
from streams.web.pages.source import Labels, Source
from streams.web.pages.view import Card, Look, Shown, View
from streams.web.pages.views._common import row, segmentation_of, tabs
from streams.web.read import PeopleMap, people_map

__all__ = ["MAP", "Read", "bounds"]

_PEOPLE = 1_000
_PHONE, _NARROW, _WIDE = 500, 96, 190


@dataclass(frozen=True, slots=True)
class Read:
    """A map, None: there is no model with centres; and what its segments are called."""

    found: PeopleMap | None
    labels: Labels


async def _read(source: Source, segmentation: str) -> Read:
    found = await source.ask(people_map, segmentation, people=_PEOPLE)
    centres = [one.segment for one in found.centres] if found else []
    return Read(found, await source.labels(segmentation, segments=centres))


def _show(read: Read, look: Look) -> Shown:
    text, found, labels = look.text, read.found, read.labels
    shown = Shown(text("map.title"), text("map.lead"))
    centres = sorted(found.centres, key=lambda one: -one.people) if found else []
    listed: list[dict[str, Any]] = [{**row(labels, one.segment, look), "people": one.people} for one in centres]
    shown.html = MAP.blocks(
        look, found=found, listed=listed, tabs=tabs(labels, "/map"),
        explained=percent(sum(found.explained)) if found else "",
    )  # fmt: skip
    if found:
        shown.charts["plane"] = _plane(found, labels, look)
        shown.said["plane"] = text("map.plane.said", n=len(found.points), segments=len(centres))
    return shown


def bounds(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis that holds all values; they are round, so that one who moves doesn't move the plane.

    Examples
    --------
    >>> bounds([-0.9, 2.1]), bounds([-0.8, 2.4])
    ((-1.0, 3.0), (-1.0, 3.0))
    """
    low, high = min(values, default=0.0), max(values, default=1.0)
    span = (high - low) or 1.0
    step = 10.0 ** math.floor(math.log10(span))
    step = step / 2 if span / step < 2 else step
    first, last = math.floor(low / step), math.ceil(high / step)
    return first * step, max(last, first + 1) * step


def _plane(found: PeopleMap, labels: Labels, look: Look) -> Options:
    people: dict[int, list[list[float]]] = {}
    for one in found.points:
        people.setdefault(one.segment, []).append([round(one.x, 3), round(one.y, 3)])
    (left, right), (low, high) = (
        bounds([getattr(one, axis) for one in (*found.points, *found.centres)]) for axis in ("x", "y")
    )
    middle = (left + right) / 2
    series: list[dict[str, Any]] = [
        {
            "type": "scatter", "id": f"people {segment}", "name": labels.name(segment, look.text), "data": spots,
            "symbolSize": 5, "itemStyle": {"color": labels.colour(segment), "opacity": 0.45},
            "emphasis": {"disabled": True},
        }
        for segment, spots in sorted(people.items())
    ]  # fmt: skip
    data = [
        {
            "name": labels.name(one.segment, look.text), "value": [round(one.x, 3), round(one.y, 3)],
            "itemStyle": {"color": labels.colour(one.segment), "borderColor": "var(--card)", "borderWidth": 2},
            "label": {"position": "right" if one.x < middle else "left"},
        }
        for one in sorted(found.centres, key=lambda centre: -centre.people)
    ]  # fmt: skip
    series.append({
        "type": "scatter", "id": "centres", "name": look.text("map.centres"), "data": data, "symbolSize": 18, "z": 5,
        "emphasis": {"disabled": True}, "tooltip": {"formatter": "{b}"}, "labelLayout": {"hideOverlap": True},
        "label": {
            "show": True, "formatter": "{b}", "color": "var(--ink)", "fontSize": 12, "width": _WIDE,
            "overflow": "truncate", "textBorderColor": "var(--card)", "textBorderWidth": 3,
        },
    })  # fmt: skip
    plain = {
        "type": "value", "axisLabel": {"show": False}, "axisTick": {"show": False}, "axisLine": {"show": False},
        "splitLine": {"lineStyle": {"color": "var(--line)"}}, "splitNumber": 4,
    }  # fmt: skip
    whole = base(
        grid={"left": 4, "right": 4, "top": 4, "bottom": 4}, series=series,
        xAxis={**plain, "min": left, "max": right}, yAxis={**plain, "min": low, "max": high},
        tooltip={
            "trigger": "item", "className": "tip", "confine": True, "formatter": "{a}",
            "textStyle": {"color": "var(--ink)", "fontSize": 12},
        },
    )  # fmt: skip
    return {
        "baseOption": whole,
        "media": [
            {"query": {"maxWidth": _PHONE}, "option": {"series": [{"id": "centres", "label": {"width": _NARROW}}]}},
            {"option": {"series": [{"id": "centres", "label": {"width": _WIDE}}]}},
        ],
    }


MAP = View(
    name="map",
    path="/map",
    cards=(Card("plane", "w8", "chart map"), Card("key", "w4")),
    every_s=5.0,
    arguments=segmentation_of,
    read=_read,
    show=_show,
)
