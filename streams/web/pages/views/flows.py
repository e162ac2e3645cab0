"""Who moves from which segment to which."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.web.pages.charts import Options, base
from streams.web.pages.rendering import number
from streams.web.pages.source import CEASED, Labels, Source
from streams.web.pages.view import Card, Look, Shown, View
from streams.web.pages.views._common import row, segmentation_of, tabs
from streams.web.read import Flows, flows

__all__ = ["FLOWS"]

_SPANS = (1, 24, 168)
_DRAWN, _LISTED = 40, 10
#: Names beside a chart narrower than a phone get less room: they must not meet in the middle (px).
_PHONE, _NARROW, _WIDE = 500, 130, 230


@dataclass(frozen=True, slots=True)
class _Read:
    hours: int
    found: Flows
    labels: Labels


def _arguments(asked: Mapping[str, str]) -> tuple[int, str]:
    hours = int(asked.get("hours", "24"))
    if hours not in _SPANS:
        raise ValueError(hours)
    return hours, segmentation_of(asked)


async def _read(source: Source, asked: tuple[int, str]) -> _Read:
    hours, segmentation = asked
    found, labels = await asyncio.gather(source.ask(flows, segmentation, hours=hours), source.labels(segmentation))
    return _Read(hours, found, labels)


def _show(read: _Read, look: Look) -> Shown:
    text, found, labels = look.text, read.found, read.labels
    moved = _by_pair(found, labels)
    relabelled = sum(flow.people for flow in found.flows if flow.relabelled)
    newcomers = sum(flow.people for flow in found.flows if flow.from_segment < -1)
    listed: list[dict[str, Any]] = [
        {"from": row(labels, old, look), "to": row(labels, new, look), "people": people}
        for (old, new), people in moved[:_LISTED]
    ]
    of = f"segmentation={labels.segmentation}&" if found.segmentation and tabs(labels, "") else ""
    spans = [
        {"text": text(f"flows.span.{hours}"), "href": f"/flows?{of}hours={hours}", "current": hours == read.hours}
        for hours in _SPANS
    ]
    shown = Shown(text("flows.title"), text("flows.lead"))
    shown.html = FLOWS.blocks(
        look, moves=listed, relabelled=relabelled, newcomers=newcomers, total=sum(people for _, people in moved),
        spans=spans, tabs=tabs(labels, "/flows"), found=found,
    )  # fmt: skip
    if moved:
        shown.charts["sankey"] = _sankey(moved[:_DRAWN], labels, look)
        shown.said["sankey"] = text(
            "flows.sankey.said",
            list="; ".join(f"{m['from']['name']} → {m['to']['name']}: {number(m['people'])}" for m in listed[:5]),
        )
    return shown


def _by_pair(found: Flows, labels: Labels) -> list[tuple[tuple[int, ...], int]]:
    """Return people by pair of segments, over all versions of the model; what is no segment any more is one of its own.

    Where the model moved and not the person (the segment they left had ceased to exist in that version) is left out.
    """
    pairs: dict[tuple[int, ...], int] = {}
    for flow in found.flows:
        if flow.from_segment >= -1 and flow.to_segment >= -1 and not flow.relabelled:
            pair = tuple(map(labels.still, (flow.from_segment, flow.to_segment)))
            if pair == (CEASED, CEASED):
                continue
            pairs[pair] = pairs.get(pair, 0) + flow.people
    return sorted(pairs.items(), key=lambda entry: -entry[1])


def _sankey(moved: list[tuple[tuple[int, ...], int]], labels: Labels, look: Look) -> Options:
    """Return a picture with everybody's old segment on the left and the new one on the right."""
    nodes: list[dict[str, Any]] = []
    for side, place in (("from", 0), ("to", 1)):
        for segment in sorted({pair[place] for pair, _ in moved}):
            nodes.append({
                "name": f"{side} {segment}", "depth": place, "value": labels.name(segment, look.text),
                "itemStyle": {"color": labels.colour(segment), "borderWidth": 0},
                "label": {
                    "position": "right" if place == 0 else "left", "formatter": labels.name(segment, look.text),
                    "color": "var(--ink)", "fontSize": 12, "overflow": "truncate",
                },
            })  # fmt: skip
    links = [
        {"source": f"from {old}", "target": f"to {new}", "value": people,
         "lineStyle": {"color": labels.colour(old), "opacity": 0.35}}
        for (old, new), people in moved
    ]  # fmt: skip
    whole = base(
        tooltip={"show": False},
        series=[{
            "type": "sankey", "id": "flows", "left": 4, "right": 4, "top": 8, "bottom": 8, "nodeWidth": 12,
            "nodeGap": 14, "draggable": False, "layoutIterations": 32, "emphasis": {"disabled": True},
            "data": nodes, "links": links, "label": {"width": _WIDE},
        }],
    )  # fmt: skip
    narrow = {"query": {"maxWidth": _PHONE}, "option": {"series": [{"id": "flows", "label": {"width": _NARROW}}]}}
    wide = {"option": {"series": [{"id": "flows", "label": {"width": _WIDE}}]}}
    return {"baseOption": whole, "media": [narrow, wide]}


FLOWS = View(
    name="flows",
    path="/flows",
    cards=(Card("choice", "w12 bare"), Card("sankey", "w8", "chart tall fill"), Card("moves", "w4")),
    every_s=5.0,
    arguments=_arguments,
    read=_read,
    show=_show,
)
