"""Curves over whole numbers as an SVG file: no library that draws is needed for that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

__all__ = ["Curve", "draw_curves"]

_WIDTH, _HEIGHT = 640, 260  # of one panel, px
_LEFT, _RIGHT, _TOP, _BOTTOM = 90, 20, 40, 40
_LINE, _MARK, _INK, _GRID = "#2a6f97", "#c8553d", "#333333", "#dddddd"


@dataclass(frozen=True, slots=True)
class Curve:
    """What is drawn in one panel; values that aren't finite are left out. `marked`: the x that stands out."""

    title: str
    xs: Sequence[int]
    ys: Sequence[float]
    marked: int | None = None


def draw_curves(x_title: str, curves: Sequence[Curve]) -> str:
    """Return an SVG document with one panel a curve, one above the other."""
    height = _HEIGHT * len(curves)
    panels = "\n".join(_panel(curve, x_title, number * _HEIGHT) for number, curve in enumerate(curves))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="12">\n'
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>\n{panels}\n</svg>\n'
    )


def _panel(curve: Curve, x_title: str, top: int) -> str:
    points = [(x, y) for x, y in zip(curve.xs, curve.ys, strict=True) if math.isfinite(y)]
    low, high = min((y for _, y in points), default=0.0), max((y for _, y in points), default=1.0)
    first, last = min(curve.xs), max(curve.xs)
    floor = top + _HEIGHT - _BOTTOM

    def across(x: float) -> float:
        return _LEFT + (x - first) / max(last - first, 1) * (_WIDTH - _LEFT - _RIGHT)

    def down(y: float) -> float:
        return floor - (y - low) / ((high - low) or 1.0) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [_text(_LEFT, top + 24, curve.title, "start"), _text(_WIDTH / 2, floor + 34, x_title, "middle")]
    for y in (low, (low + high) / 2, high):
        parts.append(f'<path d="M{_LEFT} {down(y):.1f}H{_WIDTH - _RIGHT}" stroke="{_GRID}"/>')
        parts.append(_text(_LEFT - 8, down(y) + 4, f"{y:.4g}", "end"))
    step = max(1, math.ceil((last - first + 1) / 20))
    parts += [_text(across(x), floor + 16, str(x), "middle") for x in range(first, last + 1, step)]
    line = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in points)
    parts.append(f'<polyline points="{line}" fill="none" stroke="{_LINE}" stroke-width="2"/>')
    for x, y in points:
        fill, radius = (_MARK, 6) if x == curve.marked else (_LINE, 3)
        parts.append(f'<circle cx="{across(x):.1f}" cy="{down(y):.1f}" r="{radius}" fill="{fill}"/>')
    return "\n".join(parts)


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{_INK}">{escape(words)}</text>'
