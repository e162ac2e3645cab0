"""`make look`: every page opens in a real browser, its numbers are those of SQL, and anybody can use it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from streams.replay.publish import publish
from streams.shop import Truth
from tests.browser.conftest import AXE, SCREENS, Served
from tests.browser.seen import PAGES, Heard, compare_overview, number_of

pytestmark = pytest.mark.browser

#: Tenths of a second.
_PATIENCE = 600
#: A timing never decides a test.
expect.set_options(timeout=120_000)
PHONE, DESK = ViewportSize(width=390, height=844), ViewportSize(width=1280, height=860)

#: Texts of a chart that lie upon each other by more than two pixels.
_OVERLAPS = """() => [...document.querySelectorAll('.chart svg')].flatMap(svg => {
  const boxes = [...svg.querySelectorAll('text')].filter(t => t.textContent.trim())
    .map(t => [t.textContent, t.getBoundingClientRect()]);
  return boxes.flatMap(([a, p], i) => boxes.slice(i + 1).filter(([b, q]) =>
    Math.min(p.right, q.right) - Math.max(p.left, q.left) > 2 &&
    Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 4
  ).map(([b]) => `${a} | ${b}`));
})"""
_CUT = """() => [...document.querySelectorAll('.chart svg')].flatMap(svg => {
  const frame = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')].filter(t => t.textContent.trim()).filter(t => {
    const box = t.getBoundingClientRect();
    return box.left < frame.left - 2 || box.right > frame.right + 2 || box.bottom > frame.bottom + 2;
  }).map(t => t.textContent);
})"""


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    context = browser.new_context(viewport=DESK, color_scheme="light", locale="en-US", base_url=served.url)
    opened = context.new_page()
    opened.set_default_timeout(120_000)
    heard = Heard(opened, served.url)
    yield opened
    context.close()
    assert heard.wrong == []


def opened(page: Page, served: Served, name: str) -> None:
    segment = served.sql("SELECT any(segment) FROM current_profiles WHERE segment >= 0")
    page.goto(PAGES[name].format(segment=segment, person="shopper-1"))
    expect(page.locator(".grid .card").first).to_be_visible()
    expect(page.locator(".fresh time")).to_be_visible()
    for chart in page.locator(".chart:not(.gone)").all():
        expect(chart.locator("svg")).to_be_visible()
    if name == "person":
        expect(page.get_by_text("Being worked out")).to_have_count(0)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_reads_well_and_can_be_used_by_anybody(page: Page, served: Served, name: str) -> None:
    SCREENS.mkdir(parents=True, exist_ok=True)
    opened(page, served, name)
    found: list[str] = []
    for look, size, scheme in (("light", DESK, "light"), ("dark", DESK, "dark"), ("phone", PHONE, "light")):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size(size)
        expect(page.locator("body")).to_have_class(re.compile(f"body--{scheme}"))
        page.wait_for_timeout(150)  # charts are drawn anew when they have their new size
        page.screenshot(path=SCREENS / f"{name}-{look}.png", full_page=True)
        found += [f"{look}: {texts} lie upon each other" for texts in page.evaluate(_OVERLAPS)]
        found += [f"{look}: {text} is cut off" for text in page.evaluate(_CUT)]
        wide = page.evaluate("document.scrollingElement.scrollWidth")
        if wide > size["width"]:
            found.append(f"{look}: {wide} px wide")
        if look != "phone":
            found += violations(page, look)
    if name in {"overview", "segments", "segment", "flows", "map", "person"}:
        found += re.findall(r"Segment \d+", page.inner_text(".page"))
    assert found == []


def violations(page: Page, look: str) -> list[str]:
    """Return what axe-core calls serious or critical."""
    if not AXE.exists():
        pytest.skip("no axe-core here: `make look` fetches it with npm; the check of accessibility needs it")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    answer = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{look}: {rule['id']}: {json.dumps([node['html'][:150] for node in rule['nodes'][:3]])}"
        for rule in answer["violations"]
        if rule["impact"] in {"serious", "critical"}
    ]


def test_numbers_are_those_of_sql_and_move_without_a_reload(page: Page, served: Served) -> None:
    page.goto("/")
    page.evaluate("window.stayed = true")
    tile = page.locator(".tile", has_text="Events counted").locator(".note")
    compare_overview(page, served.sql)

    before = number_of(tile.inner_text())
    publish(served.settings, served.shop.events(1_500, Truth()), stop=threading.Event())
    now, counted = before, 0
    for _ in range(_PATIENCE):
        now, counted = number_of(tile.inner_text()), served.sql("SELECT sum(accepted) FROM positions")
        if now == counted > before:
            break
        page.wait_for_timeout(100)
    assert now == counted > before
    assert page.evaluate("window.stayed")


def test_a_person_is_found_by_id_and_explained(page: Page, served: Served) -> None:
    page.goto("/person")
    page.get_by_role("textbox").fill("shopper-2")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("shopper-2")
    events = served.sql("SELECT event_count FROM current_profiles WHERE profile_id = 'shopper-2'")
    expect(page.locator(".facts").first).to_contain_text(str(events))
    expect(page.locator("#person-portrait")).to_be_visible()
    page.goto("/person?id=nobody-there")
    expect(page.get_by_role("status")).to_contain_text("nobody-there")


def test_language_and_colours_stay_as_chosen(page: Page) -> None:
    page.goto("/segments")
    page.get_by_role("link", name="中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.locator("h1")).to_have_text("分群")
    assert urlsplit(page.url).path == "/segments"
    page.get_by_role("link", name="深色").click()
    expect(page.locator("body")).to_have_class(re.compile("body--dark"))
    page.goto("/flows")
    expect(page.locator("body")).to_have_class(re.compile("body--dark"))
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 21, 28)"
    page.goto("/choose?next=https://example.com")
    assert urlsplit(page.url).hostname == "127.0.0.1"


def test_keys_are_enough(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    link = page.locator(":focus")
    assert link.evaluate("e => e.closest('.page') !== null")
    page.wait_for_timeout(2_500)  # an update has come meanwhile
    assert link.evaluate("e => e === document.activeElement")


def test_what_is_not_there_is_said(page: Page, served: Served) -> None:
    page.unroute_all()
    answer = page.request.get("/segments/nonsense")
    assert answer.status == 404
    page.goto("/segments/123456")
    expect(page.locator(".empty").first).to_contain_text("Nobody is in this segment")
