"""What several views share: which segmentation is asked for, and rows that name segments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from streams.web.pages.source import Labels
from streams.web.pages.view import Look

__all__ = ["ms", "now", "row", "segmentation_of", "tabs", "tiny_line"]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def segmentation_of(asked: Mapping[str, str]) -> str:
    """Return the segmentation of an address; empty is the first one.

    Raises
    ------
    ValueError
        No segmentation can have that name.
    """
    name = asked.get("segmentation", "")
    if name and not _NAME.fullmatch(name):
        raise ValueError(name)
    return name


def row(labels: Labels, segment: int, look: Look) -> dict[str, Any]:
    """Return how a segment is written: its name, colour and address."""
    of = f"?segmentation={labels.segmentation}" if labels.segmentation != next(iter(labels.segmentations), "") else ""
    return {
        "segment": segment,
        "name": labels.name(segment, look.text),
        "colour": labels.colour(segment),
        "href": f"/segments/{segment}{of}" if segment >= -1 else "",
    }


def tabs(labels: Labels, path: str) -> list[dict[str, Any]]:
    """Return links to the same page of other segmentations; none where there is one only."""
    if len(labels.segmentations) < 2:
        return []
    return [
        {"text": name, "href": f"{path}?segmentation={name}", "current": name == labels.segmentation}
        for name in labels.segmentations
    ]


def ms(at: datetime) -> float:
    """Return a time as charts want it: Unix time in ms."""
    return at.timestamp() * 1000


def now() -> datetime:
    """Return the time it is, in UTC."""
    return datetime.now(UTC)


def tiny_line(values: list[float | None], width: int = 96, height: int = 24) -> str:
    """Return the path of a line without axes through values, from the lowest to the highest of them."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return ""
    low, span = min(known), (max(known) - min(known)) or 1.0
    step = width / max(len(values) - 1, 1)
    flat = max(known) == min(known)
    points = [
        (i * step, height / 2 if flat else height - 2 - (value - low) / span * (height - 4))
        for i, value in enumerate(values)
        if value is not None
    ]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
