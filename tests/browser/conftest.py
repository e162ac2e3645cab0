"""One stack for all tests of pages: a shop's events went down the whole road, and a server shows what came of them."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from streams.demo.run import wait_for_arrival
from streams.embedded.supervisor import Supervisor
from streams.replay.publish import publish
from streams.settings import Settings
from streams.shop import Shop, Truth
from streams.storage.client import connect
from tests.browser.seen import CHROMIUM, chromium

ROOT = Path(__file__).resolve().parents[2]
#: Where pictures of pages are kept for whoever looks at them after a run.
SCREENS = Path(os.environ.get("USERPRISM_CI_OUTPUT", ROOT / "ci-output")) / "pages"
AXE = Path(sys.prefix) / "share" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
_EVENTS, _PEOPLE = 12_000, 1_500


@dataclass(frozen=True)
class Served:
    """A stack whose pages are served at `url`."""

    url: str
    settings: Settings
    shop: Shop
    stack: Supervisor

    def sql(self, query: str) -> Any:
        """Return the only value of a query's answer."""
        with connect(self.settings, reader=True) as client:
            return client.query(query).result_rows[0][0]


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Pages over a stack that has read a shop's events."""
    stop = threading.Event()
    data = str(tmp_path_factory.mktemp("pages"))
    with Supervisor(Settings(data_dir=data), role_args=("--data-dir", data), stop=stop) as stack:
        shop, truth = Shop(5, people=_PEOPLE, end_us=time.time_ns() // 1000), Truth()
        publish(stack.settings, shop.events(_EVENTS, truth), stop=stop)
        stack.start_roles(("web", "encoder", "profiler", "intake"))
        stack.wait_ready(600)
        wait_for_arrival(stack, stack.settings, "pages", truth.accepted, stop)
        _wait_for_evidence(stack.settings)
        web = stack.settings.web
        yield Served(f"http://{web.host}:{web.port}", stack.settings, shop, stack)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; `make look` installs it where it may."""
    if CHROMIUM is None:
        pytest.skip("no chromium here: `apt-get install chromium fonts-noto-cjk`, then these tests of pages run")
    with chromium() as found:
        yield found


def _wait_for_evidence(settings: Settings) -> None:
    """Wait until every segment has evidence: it is drawn from a sample, again and again."""
    missing = (
        "SELECT count() FROM (SELECT DISTINCT segment FROM current_profiles WHERE segment >= 0) "
        "WHERE segment NOT IN (SELECT segment FROM segment_evidence)"
    )
    with connect(settings, reader=True) as client:
        for _ in range(600):
            if client.query(missing).result_rows[0][0] == 0:
                return
            time.sleep(0.2)
    msg = "segments have no evidence"
    raise AssertionError(msg)
