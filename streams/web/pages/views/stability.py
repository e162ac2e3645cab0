"""How calm a segmentation is: how often people change, how well centres fit, and how the model came to be as it is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from streams.web.pages.charts import axis_time, axis_value, base, line
from streams.web.pages.rendering import number
from streams.web.pages.source import Labels, Source
from streams.web.pages.view import Card, Look, Shown, View
from streams.web.pages.views._common import ms, now, segmentation_of, tabs
from streams.web.read import Stability, stability

__all__ = ["STABILITY"]

_MINUTES, _LISTED = 180, 12
_COMMAND = "userprism models show"


@dataclass(frozen=True, slots=True)
class _Read:
    found: Stability
    labels: Labels


async def _read(source: Source, segmentation: str) -> _Read:
    return _Read(
        *await asyncio.gather(source.ask(stability, segmentation, minutes=_MINUTES), source.labels(segmentation))
    )


def _show(read: _Read, look: Look) -> Shown:
    text, found = look.text, read.found
    shown = Shown(text("stability.title"), text("stability.lead"))
    newest = found.versions[0] if found.versions else None
    per_hour = 1000 * found.changes / found.people / (_MINUTES / 60) if found.people else None
    shown.html = STABILITY.blocks(
        look, found=found, newest=newest, per_hour=per_hour, versions=found.versions[:_LISTED],
        command=_COMMAND, tabs=tabs(read.labels, "/stability"), now=now(), span=_MINUTES * 60,
    )  # fmt: skip
    if found.changes:
        shown.charts["changes"] = base(
            useUTC=True, xAxis=axis_time(), yAxis=axis_value(text("axis.per_1000")),
            series=[line(
                text("stability.changes.series"), [(ms(p.minute), round(p.changes_per_1000, 3)) for p in found.points],
                "var(--accent)", areaStyle={"color": "var(--accent)", "opacity": 0.15}, step="end",
            )],
        )  # fmt: skip
        shown.said["changes"] = text("stability.changes.said", rate=number(per_hour, 1))
    known = [version for version in reversed(found.versions) if version.inertia > 0]
    if len(known) > 1:
        shown.charts["inertia"] = base(
            useUTC=True, xAxis=axis_time(), yAxis=axis_value(text("axis.inertia"), scale=True),
            series=[line(
                text("stability.inertia.series"), [(ms(v.created_at), round(v.inertia, 4)) for v in known],
                "var(--accent)", step="end",
            )],
        )  # fmt: skip
        shown.said["inertia"] = text(
            "stability.inertia.said", first=number(known[0].inertia, 2), last=number(known[-1].inertia, 2)
        )
    return shown


STABILITY = View(
    name="stability",
    path="/stability",
    cards=(
        Card("numbers", "w12 bare"), Card("changes", "w7", "chart"), Card("inertia", "w5", "chart"),
        Card("versions", "w8"), Card("advice", "w4"),
    ),
    every_s=5.0,
    arguments=segmentation_of,
    read=_read,
    show=_show,
)
