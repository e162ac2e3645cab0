"""The frame around all pages, and how one page is built, kept up to date and left."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from functools import cache, partial
from typing import Literal

from fastapi import Request
from nicegui import Client, ui

from streams.web.pages.feeds import Feed, Feeds, Snapshot
from streams.web.pages.region import Chart, Region
from streams.web.pages.rendering import block
from streams.web.pages.source import Source
from streams.web.pages.texts import LANGUAGES, choose_language, texts
from streams.web.pages.view import Card, Look, Shown, View

__all__ = ["NAVIGATION", "THEMES", "add_page", "look_of"]

#: Entry -> address, in the order of the navigation.
NAVIGATION = {
    "overview": "/", "segments": "/segments", "flows": "/flows", "map": "/map", "person": "/person",
    "stability": "/stability", "alerts": "/alerts", "health": "/pipeline",
}  # fmt: skip
THEMES = ("auto", "light", "dark")
_TAGS: dict[str, Literal["en-US", "zh-CN"]] = {"en": "en-US", "zh": "zh-CN"}
_DARK = {"auto": None, "light": False, "dark": True}


def look_of(request: Request) -> Look:
    """Return how the visitor wants pages: what was chosen before, else what the browser asks for."""
    language = choose_language(
        request.query_params.get("lang") or request.cookies.get("userprism_language"),
        request.headers.get("accept-language"),
    )
    theme = request.cookies.get("userprism_theme", "auto")
    return Look(language, theme if theme in THEMES else "auto")


def add_page(view: View, feeds: Feeds, source: Source, style: str) -> None:
    """Serve a view.

    Parameters
    ----------
    view : View
        What is served.
    feeds : Feeds
        Shared by all pages.
    source : Source
        What is read from.
    style : str
        Address of the style sheet.
    """

    async def page(request: Request) -> None:
        look, client = look_of(request), ui.context.client
        client.page = copy.copy(client.page)  # language and theme are the visitor's, not the page's
        client.page.language, client.page.dark = _TAGS[look.language], _DARK[look.theme]
        ui.add_head_html(f'<link rel="stylesheet" href="{style}">')
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        try:
            arguments = view.arguments({**request.query_params, **request.path_params})
        except ValueError:
            client.status_code = 404
            _Page(view, look, here, client, None).fail("missing")
            return
        feed = feeds.of((view.name, arguments), partial(view.read, source, arguments), view.every_s)
        snapshot = await feed.latest()
        built = _Page(view, look, here, client, feed)
        built.take(snapshot)
        client.on_delete(feed.watch(built.take))

    ui.page(view.path, response_timeout=10.0)(page)


class _Page:
    """One open page."""

    def __init__(self, view: View, look: Look, here: str, client: Client, feed: Feed | None) -> None:
        self._view, self._look, self._client, self._feed = view, look, client, feed
        self._parts: list[_Part] = []
        values = {
            "here": here, "current": view.part_of or view.name, "navigation": NAVIGATION, "look": look,
            "languages": LANGUAGES, "themes": THEMES,
        }  # fmt: skip
        # NiceGUI puts everything into <main>; a navigation stands before it.
        Region(block("shell", "top", look.language, values)).move(client.layout, target_index=0)
        with ui.element("div").classes("page").props('id="main" tabindex="-1"'):
            self._head = Region()
            self._grid = ui.element("div").classes("grid")

    def take(self, snapshot: Snapshot) -> None:
        """Show what was read."""
        if self._client.is_deleted:
            return
        if snapshot.value is None:
            self.fail("failed" if snapshot.error else "waiting", snapshot)
            return
        shown = self._shown(snapshot)
        self._say(shown, snapshot)
        if not self._parts:
            self._grid.clear()
            self._lay_out()
        for part in self._parts:
            part.show(shown)

    def fail(self, what: str, snapshot: Snapshot | None = None) -> None:
        """Show a page that has nothing to show: it is missing, can't be read, or isn't read yet."""
        text = self._look.text
        self._say(Shown(text(f"shell.{what}.title")), snapshot or Snapshot())
        self._grid.clear()
        self._parts = []
        with self._grid, ui.element("section").classes("card"):
            Region(block("shell", "message", self._look.language, {"what": what}))

    def _shown(self, snapshot: Snapshot) -> Shown:
        """Make HTML and charts once for all who see the same in the same language."""
        memo = self._feed.memo if self._feed is not None else {}
        key = self._look.language
        if key not in memo:
            memo[key] = self._view.show(snapshot.value, Look(self._look.language))
        found: Shown = memo[key]
        return found

    def _say(self, shown: Shown, snapshot: Snapshot) -> None:
        as_of = datetime.fromtimestamp(snapshot.as_of, UTC) if snapshot.as_of else None
        values = {"title": shown.title, "lead": shown.lead, "as_of": as_of, "error": snapshot.error}
        self._head.show(block("shell", "head", self._look.language, values))
        title = f"{shown.title} · userprism"
        if self._client.title != title and not self._client.has_socket_connection:
            self._client.title = title

    def _lay_out(self) -> None:
        with self._grid:
            self._parts = [_Part(self._view.name, card, self._look.language) for card in self._view.cards]


class _Part:
    """One card of an open page: a single element where it has no chart, for each costs half a millisecond to make."""

    def __init__(self, view: str, card: Card, language: str) -> None:
        self._name, heading = card.name, _heading(view, card, language)
        self._chart: Chart | None = None
        if card.chart:
            self._section = ui.element("section")
            with self._section:
                if heading:
                    Region(heading)
                self._chart, self._region, self._before = Chart(card.chart), Region(), ""
        else:
            self._section = self._region = Region(within="section")
            self._before = f"<div>{heading}</div>" if heading else ""
        self._section.classes(f"card {card.classes}")
        if heading:
            self._section.props(f'aria-labelledby="{_heading_id(view, card)}"')

    def show(self, shown: Shown) -> None:
        """Show what a page says on this card; nothing to say hides it."""
        html, options = shown.html.get(self._name, ""), shown.charts.get(self._name)
        if self._chart is not None:
            self._region.show(html)
            self._chart.show(options, shown.said.get(self._name, ""))
        else:
            self._region.show(f"{self._before}<div>{html}</div>")
        self._section.set_visibility(bool(html or options))


@cache
def _heading(view: str, card: Card, language: str) -> str:
    """Return the heading of a card, empty where its texts have none."""
    if f"{view}.{card.name}.title" not in texts(language):
        return ""
    values = {"view": view, "card": card.name, "heading": _heading_id(view, card), "hidden": "bare" in card.classes}
    return block("shell", "heading", language, values)


def _heading_id(view: str, card: Card) -> str:
    return f"{view}-{card.name}"
