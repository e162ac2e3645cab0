"""What both the long and the short tests of pages look at: a browser, what a page says, and what SQL says."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Error, Page, Route, expect, sync_playwright

__all__ = ["CHROMIUM", "PAGES", "Heard", "chromium", "compare_overview", "number_of"]

CHROMIUM = shutil.which("chromium")
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
PAGES = {
    "overview": "/", "segments": "/segments", "segment": "/segments/{segment}", "flows": "/flows?hours=168",
    "map": "/map", "person": "/person?id={person}", "people": "/person", "stability": "/stability",
    "alerts": "/alerts", "health": "/pipeline",
}  # fmt: skip


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium."""
    with sync_playwright() as playwright:
        try:
            found = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))
        except Error as error:  # it is there and can't run: that is no reason to pass
            pytest.fail(f"chromium doesn't start: {error}")
        yield found
        found.close()


class Heard:
    """What a page said and asked for that it shouldn't have."""

    def __init__(self, page: Page, url: str) -> None:
        self.wrong: list[str] = []
        host = urlsplit(url).netloc
        page.on("console", lambda m: self.wrong.append(m.text) if m.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))

        def ask(route: Route) -> None:
            if urlsplit(route.request.url).netloc == host or route.request.url.startswith("data:"):
                route.continue_()
            else:
                self.wrong.append(f"asked for {route.request.url}")
                route.abort()

        page.route("**/*", ask)


def number_of(text: str) -> int:
    """Return the digits of a text as one number."""
    return int(re.sub(r"\D", "", text))


def compare_overview(page: Page, sql: Callable[[str], Any]) -> None:
    """Compare the overview, which is open, with SQL."""
    tile = page.locator(".tile", has_text="Events counted").locator(".note")
    assert number_of(tile.inner_text()) == sql("SELECT sum(accepted) FROM positions")
    rows = page.locator("section", has=page.locator("#overview-now")).locator("tbody tr")
    expect(rows).to_have_count(sql("SELECT uniq(segment) FROM current_profiles WHERE segment >= 0"))
    shown = sum(number_of(text) for text in rows.locator("td:nth-child(2)").all_inner_texts())
    assert shown == sql("SELECT count() FROM current_profiles WHERE segment >= -1")
