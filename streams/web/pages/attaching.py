"""Pages into an app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from hashlib import blake2b
from importlib.resources import as_file, files
from typing import Annotated, Any

from fastapi import FastAPI, Query
from fastapi.responses import RedirectResponse, Response
from nicegui import ui
from starlette.middleware.gzip import GZipMiddleware

from streams.settings import Settings
from streams.web.live import Live
from streams.web.pages.feeds import Feeds
from streams.web.pages.scribe import Scribe
from streams.web.pages.shell import THEMES, add_page
from streams.web.pages.source import Source
from streams.web.pages.texts import LANGUAGES
from streams.web.pages.view import View
from streams.web.pages.views import VIEWS

__all__ = ["attach"]

_A_YEAR_S = 31_536_000
#: 5 % more bytes than the usual 9, a quarter of the time (NiceGUI's scripts: 4 MB, .39 -> .10 s).
_COMPRESSION = 4


def attach(app: FastAPI, live: Live, settings: Settings, views: Iterable[View] = VIEWS) -> Feeds:
    """Serve views as pages of an app, everything they need included; nothing comes from another host.

    Parameters
    ----------
    app : FastAPI
        Its own routes go before the pages'.
    live : Live
        Asks ClickHouse.
    settings : Settings
        Where roles leave their status, and how pages are to be.
    views : iterable of View
        The pages.

    Returns
    -------
    Feeds
        What is read for them; closed with the app.
    """
    feeds, source = Feeds(), Source(live, settings)
    style = _style(app)
    _choices(app)
    for view in views:
        add_page(view, feeds, source, style)
    ui.run_with(
        app, title="userprism", favicon=_favicon(), tailwind=False, show_welcome_message=False, reconnect_timeout=5.0,
        binding_refresh_interval=None, message_history_length=20, dark=None,
        gzip_middleware_factory=partial(GZipMiddleware, compresslevel=_COMPRESSION),
    )  # fmt: skip
    lifespan = app.router.lifespan_context

    @asynccontextmanager
    async def with_feeds(app: FastAPI) -> AsyncIterator[Any]:
        writing = asyncio.create_task(Scribe(source, settings.naming).keep_writing()) if settings.naming.url else None
        async with lifespan(app) as state:
            yield state
        if writing is not None:
            writing.cancel()
        feeds.close()

    app.router.lifespan_context = with_feeds
    return feeds


def _favicon() -> str:
    return files(__package__).joinpath("static", "favicon.svg").read_text(encoding="utf-8")


def _style(app: FastAPI) -> str:
    """Serve the style sheet under a name that changes with it, so that browsers may keep it."""
    with as_file(files(__package__).joinpath("static", "style.css")) as path:
        content = path.read_bytes()
    address = f"/style-{blake2b(content, digest_size=6).hexdigest()}.css"

    @app.get(address, include_in_schema=False)
    async def style() -> Response:
        kept = {"Cache-Control": f"public, max-age={_A_YEAR_S}, immutable"}
        return Response(content, media_type="text/css", headers=kept)

    return address


def _choices(app: FastAPI) -> None:
    @app.get("/choose", include_in_schema=False)
    async def choose(
        language: Annotated[str, Query()] = "", theme: Annotated[str, Query()] = "", next: Annotated[str, Query()] = "/"
    ) -> Response:
        """Remember a visitor's language and theme, and go back to the page they were on."""
        inside = next.startswith("/") and not next.startswith(("//", "/\\"))
        answer = RedirectResponse(next if inside else "/", status_code=303)
        for name, value, known in (("language", language, LANGUAGES), ("theme", theme, THEMES)):
            if value in known:
                answer.set_cookie(f"userprism_{name}", value, max_age=_A_YEAR_S, httponly=True, samesite="lax")
        return answer
