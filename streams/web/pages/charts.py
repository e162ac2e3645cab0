"""What all charts have in common. They are SVG, and their colours are the style sheet's variables, light or dark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["COLOURS", "axis_time", "axis_value", "base", "colour", "line"]

#: How many colours segments have; the style sheet has as many variables.
COLOURS = 9
#: ECharts makes a `font` of it for letters of several styles, which can't be "inherit".
_FONT = "Roboto, Noto Sans CJK SC, PingFang SC, Microsoft YaHei, sans-serif"
_INK, _SOFT, _LINE = "var(--ink)", "var(--soft)", "var(--line)"

Options = dict[str, Any]

#: The same in every language, and no coarser unit in bold.
_TIMES = {
    "year": "{yyyy}", "month": "{yyyy}-{MM}", "day": "{MM}-{dd}", "hour": "{HH}:{mm}", "minute": "{HH}:{mm}",
    "second": "{HH}:{mm}:{ss}", "millisecond": "{HH}:{mm}:{ss}",
}  # fmt: skip


def colour(place: int) -> str:
    """Return the colour of the segment at a place in the list of all; those left over (-1) are grey."""
    return f"var(--s{place % COLOURS})" if place >= 0 else "var(--none)"


def base(**parts: Any) -> Options:
    """Return options with the page's letters, margins and tooltip; `parts` come on top."""
    return {
        "animation": False,
        "textStyle": {"fontFamily": _FONT, "fontSize": 12, "color": _SOFT},
        "grid": {"left": 4, "right": 16, "top": 28, "bottom": 4, "containLabel": True},
        "tooltip": {
            "trigger": "axis", "className": "tip", "confine": True, "textStyle": {"color": _INK, "fontSize": 12},
            "axisPointer": {"lineStyle": {"color": _SOFT}},
        },
        **parts,
    }  # fmt: skip


def axis_time(first: float | None = None, last: float | None = None) -> Options:
    """Return a time axis whose labels don't overlap, from and to a time in ms if these are given."""
    return {
        "type": "time", "axisLine": {"lineStyle": {"color": _LINE}}, "axisTick": {"show": False}, "splitNumber": 5,
        "axisLabel": {"color": _SOFT, "fontSize": 12, "hideOverlap": True, "formatter": _TIMES},
        "splitLine": {"show": False}, "min": first, "max": last,
    }  # fmt: skip


def axis_value(name: str = "", **parts: Any) -> Options:
    """Return an axis of numbers with its unit above it."""
    return {
        "type": "value", "name": name, "nameLocation": "end", "nameGap": 12, "splitNumber": 4,
        "nameTextStyle": {"color": _SOFT, "fontSize": 12, "align": "left"},
        "axisLabel": {"color": _SOFT, "fontSize": 12, "hideOverlap": True},
        "splitLine": {"lineStyle": {"color": _LINE}}, **parts,
    }  # fmt: skip


def line(name: str, points: Sequence[tuple[float, float | None]], stroke: str, **parts: Any) -> Options:
    """Return a line; points are (Unix time in ms, value)."""
    return {
        "type": "line", "id": name, "name": name, "data": [list(point) for point in points], "showSymbol": False,
        "lineStyle": {"color": stroke, "width": 2}, "itemStyle": {"color": stroke},
        "emphasis": {"disabled": True}, **parts,
    }  # fmt: skip
