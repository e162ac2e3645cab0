"""Whether the pipeline keeps up: how fresh, how much, what waits, what was refused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.telemetry import read_statuses
from streams.web.pages.charts import axis_time, axis_value, base, line
from streams.web.pages.rendering import duration, number
from streams.web.pages.source import Source
from streams.web.pages.view import Card, Look, Shown, View
from streams.web.pages.views._common import ms, now
from streams.web.read import Health, health

__all__ = ["HEALTH"]

_MINUTES = 60
#: A role that works writes its status twice a second.
_SILENT_S = 10.0


@dataclass(frozen=True, slots=True)
class _Read:
    found: Health
    roles: list[dict[str, Any]]


def _arguments(_asked: Mapping[str, str]) -> tuple[()]:
    return ()


async def _read(source: Source, _asked: tuple[()]) -> _Read:
    found, statuses = await asyncio.gather(
        source.ask(health, minutes=_MINUTES), asyncio.to_thread(read_statuses, source.settings.run_dir)
    )
    return _Read(found, [_role(name, fields) for name, fields in statuses.items()])


def _role(name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    silent_s = max(time.time() - float(fields.get("updated", 0.0)), 0.0)
    state = str(fields.get("state", ""))
    return {
        "name": name,
        "state": "silent" if silent_s > _SILENT_S else state,
        "since_s": max(time.time() - float(fields.get("since", time.time())), 0.0),
        "lag": fields.get("lag"),
        "accepted": next((fields[key] for key in ("accepted", "events", "done", "records") if key in fields), None),
    }


def _show(read: _Read, look: Look) -> Shown:
    text, found = look.text, read.found
    dead, accepted = sum(found.dead_letters.values()), sum(p.accepted for p in found.partitions)
    newest = found.freshness[-1] if found.freshness else None
    shown = Shown(text("health.title"), text("health.lead"))
    shown.html = HEALTH.blocks(
        look, found=found, roles=read.roles, newest=newest, dead=dead, accepted=accepted, now=now(),
        duplicates=sum(p.duplicates for p in found.partitions), late=sum(p.late for p in found.partitions),
        of_events=dead / (dead + accepted) if dead + accepted else None,
        reasons=[
            {"text": text.or_else(f"reason.{reason}", reason), "n": n, "share": n / dead}
            for reason, n in found.dead_letters.items()
        ],
        refused=[
            {"text": text.or_else(f"refused.{reason}", reason), "n": n} for reason, n in found.refused_merges.items()
        ],
    )  # fmt: skip
    if found.freshness:
        series = [
            line(name, [(ms(f.minute), round(getattr(f, key), 2)) for f in found.freshness], stroke, **more)
            for name, key, stroke, more in (
                (text("health.p50"), "p50_s", "var(--soft)", {}),
                (text("health.p95"), "p95_s", "var(--accent)", {}),
                (text("health.p99"), "p99_s", "var(--s2)", {"lineStyle": {"type": "dashed", "color": "var(--s2)"}}),
            )
        ]
        for one in series:
            one["showSymbol"] = len(found.freshness) < 3
            one["endLabel"] = {"show": True, "formatter": "{a}", "color": "var(--ink)", "fontSize": 12}
            one["labelLayout"] = {"moveOverlap": "shiftY"}
        shown.charts["freshness"] = base(
            useUTC=True, xAxis=axis_time(*_hour()), yAxis=axis_value(text("axis.seconds")), series=series,
            grid={"left": 4, "right": 64, "top": 28, "bottom": 4, "containLabel": True},
        )  # fmt: skip
        last = found.freshness[-1]
        shown.said["freshness"] = text(
            "health.freshness.said", p50=duration(last.p50_s, text), p95=duration(last.p95_s, text),
            p99=duration(last.p99_s, text),
        )  # fmt: skip
        shown.charts["rate"] = base(
            useUTC=True, xAxis=axis_time(*_hour()), yAxis=axis_value(text("axis.events_minute")),
            series=[line(
                text("health.rate.series"), [(ms(f.minute), f.events) for f in found.freshness], "var(--accent)",
                areaStyle={"color": "var(--accent)", "opacity": 0.15}, showSymbol=len(found.freshness) < 3,
            )],
        )  # fmt: skip
        shown.said["rate"] = text("health.rate.said", events=number(last.events))
    return shown


def _hour() -> tuple[float, float]:
    """Return the hour that is shown, whole minutes of it, in ms."""
    until = time.time() // 60 * 60 + 60
    return (until - _MINUTES * 60) * 1000, until * 1000


HEALTH = View(
    name="health",
    path="/pipeline",
    cards=(
        Card("numbers", "w12 bare"), Card("freshness", "w6", "chart"), Card("rate", "w6", "chart"),
        Card("dead", "w5 deep"), Card("partitions", "w7"), Card("roles", "w7"), Card("refused", "w12"),
    ),
    every_s=2.0,
    arguments=_arguments,
    read=_read,
    show=_show,
)
