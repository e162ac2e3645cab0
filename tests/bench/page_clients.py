"""Visitors that speak the page's own protocol: `python -m tests.bench.page_clients URL VISITORS SECONDS`.

Each opens a page as a browser does (HTML, then NiceGUI's socket with the handshake that the HTML names) and takes what
the server sends as long as it is there. The last line is JSON: seconds from asking for a page to its first numbers, in
the HTML or after it, and how old what a page says is ("as of") when it comes, until all have numbers and from then on.
"""

from __future__ import annotations

import ast
import asyncio
import json
import re
import sys
import time
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import aiohttp
import socketio

__all__ = ["Seen", "visit"]

#: Where visitors are, each on the next one.
_PAGES = ("/", "/segments", "/flows", "/stability", "/alerts", "/pipeline")
#: They don't all come at once.
_ONE_EVERY_S = 0.2
#: As browsers wait.
_PATIENCE_S = 20
_AS_OF = re.compile(r'datetime=\\*"([^"\\]+)')


@dataclass
class Seen:
    """What visitors saw; lists are seconds, ages by page."""

    visitors: int
    opened_s: list[float] = field(default_factory=list)
    ages_before_s: list[float] = field(default_factory=list)
    ages_s: dict[str, list[float]] = field(default_factory=dict)
    messages: int = 0
    wrong: list[str] = field(default_factory=list)


def _age_s(text: str) -> float | None:
    found = _AS_OF.search(text)
    return time.time() - datetime.fromisoformat(found[1]).timestamp() if found else None


def _query(html: str) -> dict[str, Any]:
    """Return what a page's socket says of itself; NiceGUI writes it as Python does."""
    found = re.search(r"query: (\{.*\}),\n", html)
    query: dict[str, Any] = ast.literal_eval(found[1]) if found else {}
    return query


async def _stay(url: str, page: str, until: float, session: aiohttp.ClientSession, seen: Seen) -> None:
    """Open one page and look at it."""
    began = time.monotonic()
    async with session.get(url + page) as response:
        html = await response.text()
    if response.status != 200:
        seen.wrong.append(f"{page}: status {response.status}")
        return
    query = _query(html)
    query |= {"document_id": query["client_id"], "tab_id": query["client_id"], "old_tab_id": ""}
    parameters = urlencode({name: str(value).lower() for name, value in query.items()})
    socket = socketio.AsyncClient(reconnection=False, http_session=session)
    has_numbers = False

    def take(text: str) -> None:
        nonlocal has_numbers
        age = _age_s(text)
        if age is None:
            return
        all_are_there = len(seen.opened_s) >= seen.visitors
        (seen.ages_s.setdefault(page, []) if all_are_there else seen.ages_before_s).append(age)
        if not has_numbers:
            has_numbers = True
            seen.opened_s.append(time.monotonic() - began)

    async def hear(event: str, data: Any = None) -> None:
        seen.messages += 1
        if event == "update":
            take(json.dumps(data))

    socket.on("*", hear)
    take(html)
    await socket.connect(
        f"{url}?{parameters}", socketio_path="/_nicegui_ws/socket.io", transports=["websocket"],
        wait_timeout=_PATIENCE_S,
    )  # fmt: skip
    await asyncio.sleep(max(until - time.monotonic(), 0.0))
    await socket.disconnect()
    if not has_numbers:
        seen.wrong.append(f"{page}: no numbers in {time.monotonic() - began:.1f} s")


async def _visitor(number: int, url: str, until: float, session: aiohttp.ClientSession, seen: Seen) -> None:
    await asyncio.sleep(number * _ONE_EVERY_S)
    while time.monotonic() < until:
        try:
            await _stay(url, _PAGES[number % len(_PAGES)], until, session, seen)
        except Exception as error:  # one visitor's trouble is a line of the result
            seen.wrong.append(f"{type(error).__name__}: {str(error)[:200]}")
            await asyncio.sleep(1.0)


async def visit(url: str, visitors: int, seconds: float) -> Seen:
    """Let so many visitors look at pages for so long."""
    seen = Seen(visitors)
    until = time.monotonic() + seconds
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(_visitor(number, url, until, session, seen) for number in range(visitors)))
    return seen


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(visit(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))))
