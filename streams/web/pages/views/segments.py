"""All segments of a segmentation, side by side."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from streams.web.naming import SegmentName
from streams.web.pages.source import Labels, Source, say_lift
from streams.web.pages.view import Card, Look, Shown, View
from streams.web.pages.views._common import now, row, segmentation_of, tabs, tiny_line
from streams.web.read import SegmentsNow, SizesOverTime, segments_now, sizes_over_time

__all__ = ["SEGMENTS"]

_MINUTES, _LIFTS = 60, 4


@dataclass(frozen=True, slots=True)
class _Read:
    found: SegmentsNow
    sizes: SizesOverTime
    labels: Labels


async def _read(source: Source, segmentation: str) -> _Read:
    found, sizes, named = await asyncio.gather(
        source.ask(segments_now, segmentation), source.ask(sizes_over_time, segmentation, minutes=_MINUTES),
        source.named(segmentation),
    )  # fmt: skip
    return _Read(found, sizes, source.coloured(named, found))


def _show(read: _Read, look: Look) -> Shown:
    text = look.text
    largest = max((one.share for one in read.found.segments), default=1.0)
    segments = []
    for one in read.found.segments:
        named = read.labels.names[look.language].get(one.segment, SegmentName(""))
        told = [{"text": term.text, "note": text("chip.title")} for term in named.terms]
        told += [
            {"text": say_lift(lift, text), "note": text("chip.lift", lift=f"{lift.lift:.1f}")} for lift in named.lifts
        ]
        trend = [None if n is None else float(n) for n in read.sizes.people.get(one.segment, [])]
        segments.append({
            **row(read.labels, one.segment, look), "people": one.people, "share": one.share, "change": one.change_1h,
            "told": told[:_LIFTS], "trend": tiny_line(trend), "since": one.minted_at, "bar": one.share / largest,
        })  # fmt: skip
    shown = Shown(
        text("segments.title"),
        text("segments.lead", n=len(segments), people=text("unit.people", n=read.found.people)),
    )
    shown.html = SEGMENTS.blocks(look, segments=segments, tabs=tabs(read.labels, "/segments"), now=now())
    return shown


SEGMENTS = View(
    name="segments",
    path="/segments",
    cards=(Card("all", "w12"),),
    every_s=2.0,
    arguments=segmentation_of,
    read=_read,
    show=_show,
)
