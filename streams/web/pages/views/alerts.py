"""Shifts of segments that were noticed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.web.pages.source import Labels, Source
from streams.web.pages.view import Card, Look, Shown, View
from streams.web.pages.views._common import now, row
from streams.web.read import Alert, alerts

__all__ = ["ALERTS"]

_FIRING = "firing"


@dataclass(frozen=True, slots=True)
class _Read:
    found: list[Alert]
    labels: dict[str, Labels]


def _arguments(_asked: Mapping[str, str]) -> tuple[()]:
    return ()


async def _read(source: Source, _asked: tuple[()]) -> _Read:
    found = await source.ask(alerts)
    names = {alert.segmentation for alert in found}
    return _Read(found, {name: await source.labels(name) for name in names})


def _show(read: _Read, look: Look) -> Shown:
    text = look.text
    listed: list[dict[str, Any]] = [
        {
            "alert": alert,
            "kind": text.or_else(f"alert.kind.{alert.alertname}", alert.alertname),
            "of": None if alert.segment < -1
                  else row(read.labels[alert.segmentation], alert.segment, look),
        }
        for alert in read.found
    ]  # fmt: skip
    firing = [one for one in listed if one["alert"].status == _FIRING]
    shown = Shown(text("alerts.title"), text("alerts.lead"))
    past = [one for one in listed if one not in firing]
    shown.html = ALERTS.blocks(look, firing=firing, past=past, now=now())
    return shown


ALERTS = View(
    name="alerts",
    path="/alerts",
    cards=(Card("firing", "w12"), Card("past", "w12")),
    every_s=5.0,
    arguments=_arguments,
    read=_read,
    show=_show,
)
