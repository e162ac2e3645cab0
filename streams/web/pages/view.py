"""What a page is made of: cards, what they need to be read, and how that becomes HTML and charts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from streams.web.pages.charts import Options
from streams.web.pages.rendering import block
from streams.web.pages.source import Source
from streams.web.pages.texts import Texts, texts

__all__ = ["Card", "Look", "Shown", "View"]


@dataclass(frozen=True, slots=True)
class Look:
    """How one visitor sees pages.

    Attributes
    ----------
    language : str
        A key of `texts.LANGUAGES`.
    theme : str
        ``auto``, ``light`` or ``dark``.
    """

    language: str = "en"
    theme: str = "auto"

    @property
    def text(self) -> Texts:
        """The catalogue of the language."""
        return texts(self.language)


@dataclass(frozen=True, slots=True)
class Card:
    """A part of a page.

    Attributes
    ----------
    name : str
        Its block in the view's template; ``VIEW.NAME.title`` is its heading, ``VIEW.NAME.note`` what stands below that.
    classes : str
        ``w4`` is 4 of 12 columns; ``bare``: no frame and no heading.
    chart : str
        ``chart``, ``chart tall`` or ``chart short``; empty for none.
    """

    name: str
    classes: str = "w12"
    chart: str = ""


@dataclass(slots=True)
class Shown:
    """A page's content in one language, the same for all who look at it.

    Attributes
    ----------
    title : str
        The heading of the page.
    lead : str
        The sentence below it.
    html : dict
        Card -> HTML.
    charts : dict
        Card -> options of ECharts; a card without an entry shows no chart now.
    said : dict
        Card -> what the chart shows, in a sentence, for those who don't see it.
    """

    title: str
    lead: str = ""
    html: dict[str, str] = field(default_factory=dict)
    charts: dict[str, Options] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class View:
    """A page.

    Attributes
    ----------
    name : str
        Of its template, its texts, and its entry in the navigation.
    path : str
        As FastAPI writes it, e.g. ``/segments/{segment}``.
    cards : tuple of Card
        In the order in which they are read.
    every_s : float
        How often it is read anew.
    arguments : callable
        Parameters of the path and query -> what is read, a hashable; raises ValueError for what can't be.
    read : callable
        Reads that.
    show : callable
        What was read, and a look -> the page.
    part_of : str
        The navigation entry it belongs to; its own name by default.
    """

    name: str
    path: str
    cards: tuple[Card, ...]
    every_s: float
    arguments: Callable[[Mapping[str, str]], Any]
    read: Callable[[Source, Any], Awaitable[Any]]
    show: Callable[[Any, Look], Shown]
    part_of: str = ""

    def blocks(self, look: Look, **values: Any) -> dict[str, str]:
        """Return the HTML of all cards."""
        return {card.name: block(self.name, card.name, look.language, values) for card in self.cards}
