"""Data to HTML: templates that escape everything, and one way to write numbers, shares, spans and times."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import jinja2

from streams.web.pages.texts import Texts, texts

__all__ = ["ago", "block", "compact", "duration", "number", "percent", "signed", "stamp"]

_NONE = "–"


def number(value: float | None, digits: int = 0) -> str:
    """Return a number with separators; a dash for none.

    Examples
    --------
    >>> number(12345), number(3.14159, 2), number(None)
    ('12,345', '3.14', '–')
    """
    return _NONE if value is None or not math.isfinite(value) else f"{value:,.{digits}f}"


def compact(value: float | None) -> str:
    """Return a number in at most four characters and a letter, for axes and tiles.

    Examples
    --------
    >>> compact(950), compact(12345), compact(2_500_000)
    ('950', '12.3k', '2.5M')
    """
    if value is None or not math.isfinite(value):
        return _NONE
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            scaled = value / (1e3 if letter == "k" else limit)
            return f"{scaled:,.1f}".rstrip("0").rstrip(".") + letter
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def percent(share: float | None, digits: int = 0) -> str:
    """Return a share of 1 as per cent.

    Examples
    --------
    >>> percent(0.256), percent(0.0004, 1)
    ('26%', '<0.1%')
    """
    if share is None or not math.isfinite(share):
        return _NONE
    least = 10**-digits
    if 0 < share * 100 < least:
        return f"<{least:g}%"
    return f"{share * 100:,.{digits}f}%"


def signed(share: float) -> str:
    """Return a share that may be against something, with its sign.

    Examples
    --------
    >>> signed(0.4), signed(-0.25)
    ('+40%', '\N{MINUS SIGN}25%')
    """
    return ("+" if share >= 0 else "\N{MINUS SIGN}") + percent(abs(share))


def duration(seconds: float | None, text: Texts) -> str:
    """Return a span of time in the unit that fits it."""
    if seconds is None or not math.isfinite(seconds):
        return _NONE
    for limit, unit in ((86_400 * 2, "days"), (3_600 * 2, "hours"), (60 * 2, "minutes")):
        if seconds >= limit:
            size = {"days": 86_400, "hours": 3_600, "minutes": 60}[unit]
            return text(f"span.{unit}", n=round(seconds / size))
    return text("span.seconds", n=round(seconds, 1) if seconds < 10 else round(seconds))


def ago(at: datetime | None, now: datetime, text: Texts) -> str:
    """Return how long ago something was."""
    if at is None:
        return _NONE
    return text("span.ago", span=duration(max((now - _aware(at)).total_seconds(), 0.0), text))


def stamp(at: datetime | None, seconds: bool = True) -> str:
    """Return a time in UTC; pages say that it is."""
    return _NONE if at is None else f"{_aware(at):%Y-%m-%d %H:%M:%S}"[: 19 if seconds else 16]


def block(view: str, name: str, language: str, values: Mapping[str, Any]) -> str:
    """Return the HTML of one block of a view's template.

    Parameters
    ----------
    view : str
        The template's name without its ending.
    name : str
        The block's.
    language : str
        Whose texts ``t`` gives.
    values : mapping
        What the template speaks of.
    """
    template = _environment(language).get_template(f"{view}.html")
    context = template.new_context(dict(values))
    return "".join(template.blocks[name](context)).strip()


@cache
def _environment(language: str) -> jinja2.Environment:
    text = texts(language)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("streams.web.pages", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(t=text, language=language)
    environment.filters.update(
        number=number, compact=compact, percent=percent, signed=signed, stamp=stamp,
        duration=lambda seconds: duration(seconds, text), ago=lambda at, now: ago(at, now, text),
    )  # fmt: skip
    environment.globals["parts"] = environment.get_template("parts.html").module
    return environment


def _aware(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
