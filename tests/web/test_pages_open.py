"""Pages open in a real browser and show what SQL says; `make look` looks longer, at all of them."""

from __future__ import annotations

from clickhouse_connect.driver.client import Client
from playwright.sync_api import expect

from streams.settings import Settings
from tests.browser.seen import Heard, chromium, compare_overview
from tests.web.serving import served

_PATIENCE_MS = 120_000


def test_pages_open_and_their_numbers_are_those_of_sql(shop: Settings, reader: Client) -> None:
    with served(shop, pages=True) as web, chromium() as browser:
        page = browser.new_context(base_url=str(web.base_url), locale="en-US").new_page()
        page.set_default_timeout(_PATIENCE_MS)
        expect.set_options(timeout=_PATIENCE_MS)
        heard = Heard(page, str(web.base_url))

        page.goto("/")
        compare_overview(page, lambda query: reader.query(query).result_rows[0][0])
        page.get_by_role("link", name="中文").click()
        expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
        page.goto("/person?id=user-0000003")
        expect(page.locator("h1")).to_have_text("user-0000003")
        expect(page.locator("#person-portrait")).to_be_visible()

        assert heard.wrong == []
