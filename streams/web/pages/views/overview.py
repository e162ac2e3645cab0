"""The first page: how many people, in which segments, who moves, and whether all is well."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from streams.web.pages.charts import Options, axis_time, axis_value, base, line
from streams.web.pages.rendering import number
from streams.web.pages.source import Labels, Source
from streams.web.pages.view import Card, Look, Shown, View
from streams.web.pages.views._common import ms, now, row, segmentation_of, tabs
from streams.web.read import Flows, Overview, SizesOverTime, flows, overview, sizes_over_time

__all__ = ["OVERVIEW", "sizes_chart"]

_MINUTES, _HOURS, _MOVES, _ALERTS = 60, 24, 6, 4


@dataclass(frozen=True, slots=True)
class _Read:
    overview: Overview
    sizes: SizesOverTime
    flows: Flows
    labels: Labels


async def _read(source: Source, segmentation: str) -> _Read:
    found, sizes, moves, named = await asyncio.gather(
        source.ask(overview, segmentation),
        source.ask(sizes_over_time, segmentation, minutes=_MINUTES),
        source.ask(flows, segmentation, hours=_HOURS),
        source.named(segmentation),
    )
    return _Read(found, sizes, moves, source.coloured(named, found.now))


def _show(read: _Read, look: Look) -> Shown:
    text, found, labels = look.text, read.overview, read.labels
    shown = Shown(text("overview.title"), text("overview.lead"))
    everybody = found.now.people + found.now.unassigned
    segments = [
        {**row(labels, one.segment, look), "people": one.people, "share": one.share, "change": one.change_1h}
        for one in found.now.segments
    ]
    moves = [
        {"from": row(labels, flow.from_segment, look), "to": row(labels, flow.to_segment, look), "people": flow.people}
        for flow in read.flows.flows
        if not flow.relabelled and {flow.from_segment, flow.to_segment} <= {-1, *labels.places}
    ]
    shown.html = OVERVIEW.blocks(
        look, found=found, everybody=everybody, segments=segments, moves=moves[:_MOVES], alerts=found.alerts[:_ALERTS],
        labels=labels, tabs=tabs(labels, "/"), now=now(), hours=_HOURS,
    )  # fmt: skip
    if any(people is not None for of in read.sizes.people.values() for people in of):
        shown.charts["sizes"] = sizes_chart(read.sizes, labels, look)
        shown.said["sizes"] = text(
            "overview.sizes.said",
            list=", ".join(f"{one['name']} {number(one['people'])}" for one in segments),
        )
    return shown


def sizes_chart(sizes: SizesOverTime, labels: Labels, look: Look) -> Options:
    """Return people by segment over time, one upon the other: the top is everybody."""
    ranked = sorted(sizes.people, key=lambda segment: -(sizes.people[segment][-1] or 0))
    known = max((sum(people is not None for people in of) for of in sizes.people.values()), default=0)
    series: list[Any] = [
        line(
            labels.name(segment, look.text),
            [(ms(at), people) for at, people in zip(sizes.times, sizes.people[segment], strict=True)],
            labels.colour(segment),
            id=str(segment),
            stack="people",
            showSymbol=known == 1,  # an area needs two
            areaStyle={"color": labels.colour(segment), "opacity": 0.55},
            lineStyle={"width": 1, "color": labels.colour(segment)},
        )
        for segment in ranked
    ]
    return base(useUTC=True, xAxis=axis_time(), yAxis=axis_value(look.text("axis.people")), series=series)


OVERVIEW = View(
    name="overview",
    path="/",
    cards=(
        Card("numbers", "w12 bare"), Card("sizes", "w7", "chart tall"), Card("now", "w5"), Card("moves", "w7"),
        Card("alerts", "w5"),
    ),
    every_s=2.0,
    arguments=segmentation_of,
    read=_read,
    show=_show,
)
