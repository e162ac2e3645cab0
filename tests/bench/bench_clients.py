"""Fifty people look at pages while events flow: how soon they have numbers, how old those are, what the stream pays.

`userprism bench clients`: the same events twice at 20,000 a second for a minute, without anybody and with 50 visitors:
one is Debian's Chromium, the others speak the page's own protocol (`page_clients`), from a process of their own. They
come within ten seconds: how old numbers are is told apart until all have some, and from then on. One table, one JSON
line.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from clickhouse_connect.driver.client import Client

from streams.demo.run import wait_for_arrival
from streams.embedded.supervisor import Supervisor
from streams.replay.publish import publish
from streams.settings import Settings
from streams.storage.client import connect
from tests.bench.bench_cold_start import some_events
from tests.bench.common import machine, main, print_table, progress
from tests.browser.seen import CHROMIUM, Heard, chromium

RATE, SECONDS, CLIENTS, TITLES = 20_000, 60, 50, 5_000
_CHUNK = 2_000
_FIRST = 100_000
_PATIENCE_S = 120.0
_LOADED = "!!document.querySelector('.head time')"

_SPEED = """
SELECT sum(events), (toUnixTimestamp64Micro(max(committed_at)) - toUnixTimestamp64Micro(min(first_read_at))) / 1e6
FROM commits FINAL WHERE events > 0 AND committed_at > {since:DateTime64(3, 'UTC')}
"""
_AGES = """
SELECT quantileExactWeighted(0.5)(age, weight) / 1000, quantileExactWeighted(0.99)(age, weight) / 1000
FROM commits FINAL ARRAY JOIN mapKeys(age_ms) AS age, mapValues(age_ms) AS weight
WHERE committed_at > {since:DateTime64(3, 'UTC')}
"""


def run(quick: bool = False) -> dict[str, Any]:
    """Measure; `quick` lasts a sixth of the time."""
    seconds = SECONDS // 6 if quick else SECONDS
    events = some_events(RATE * seconds, TITLES)
    with tempfile.TemporaryDirectory(prefix="userprism-clients-", ignore_cleanup_errors=True) as folder:
        settings = Settings(data_dir=f"{folder}/data")
        with Supervisor(settings, role_args=["--data-dir", settings.data_dir], stop=threading.Event()) as stack:
            stack.start_roles()
            stack.wait_ready(300.0)
            progress("people, segments, and what they are about")
            _send(stack, events[:_FIRST], b"first", 0.0)
            _wait_for_evidence(stack)
            rows: list[dict[str, Any]] = []
            seen: dict[str, Any] = {}
            for name in ("nobody", f"{CLIENTS} visitors"):
                progress(f"{len(events):,} events at {RATE:,} a second, {name} there")
                with ThreadPoolExecutor(2) as pool:
                    visits = [pool.submit(visit, stack, seconds) for visit in (_many, _browser) if rows]
                    rows.append({"there": name, **_send(stack, events, name.encode(), float(RATE))})
                    seen = {key: value for visit in visits for key, value in visit.result().items()}
    slower = 1 - rows[1]["events_per_second"] / rows[0]["events_per_second"]
    print_table(f"{RATE:,} events a second for {seconds} s", list(rows[0]), [list(row.values()) for row in rows])
    print_table("what visitors saw", list(seen), [list(seen.values())])
    return {"bench": "clients", "machine": machine(), "slower": round(slower, 4), "rows": rows, **seen}


def _send(stack: Supervisor, events: list[tuple[bytes, bytes]], mark: bytes, rate: float) -> dict[str, Any]:
    """Send events, under message ids of their own, and wait until all are in."""
    with connect(stack.settings) as client:
        since = client.query("SELECT now64(3)").result_rows[0][0]
        before = _accepted(client)
        chunks = (
            [(key, value.replace(b'"messageId":"', b'"messageId":"' + mark)) for key, value in events[at : at + _CHUNK]]
            for at in range(0, len(events), _CHUNK)
        )
        publish(stack.settings, chunks, per_second=rate)
        wait_for_arrival(stack, stack.settings, mark.decode(), before + len(events), threading.Event())
        count, took_s = client.query(_SPEED, parameters={"since": since}).result_rows[0]
        median, high = client.query(_AGES, parameters={"since": since}).result_rows[0]
        assert _accepted(client) == before + len(events)
    return {
        "events_per_second": round(count / took_s),
        "freshness_p50_s": round(median, 2),
        "freshness_p99_s": round(high, 2),
    }


def _accepted(client: Client) -> int:
    return int(client.query("SELECT sum(accepted) FROM positions").result_rows[0][0])


def _many(stack: Supervisor, seconds: float) -> dict[str, Any]:
    """Let all but one visit, from a process of their own."""
    command = [sys.executable, "-m", "tests.bench.page_clients", _url(stack), str(CLIENTS - 1), str(seconds)]
    seen = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    for line in seen["wrong"][:5]:
        progress(line)
    ages = [age for of_page in seen["ages_s"].values() for age in of_page]
    rows = [[page, len(of), _quantile(of, 0.5), _quantile(of, 0.95)] for page, of in seen["ages_s"].items()]
    print_table("how old what pages say is, s", ["page", "times", "p50", "p95"], rows)
    return {
        "pages": len(seen["opened_s"]), "messages": seen["messages"], "went_wrong": len(seen["wrong"]),
        "opened_p95_s": _quantile(seen["opened_s"], 0.95),
        "age_p95_before_s": _quantile(seen["ages_before_s"], 0.95), "age_p50_s": _quantile(ages, 0.5),
        "age_p95_s": _quantile(ages, 0.95),
    }  # fmt: skip


def _browser(stack: Supervisor, seconds: float) -> dict[str, Any]:
    """Let one visitor be a real browser that goes from page to page."""
    if CHROMIUM is None:
        return {"browser_p95_s": None}
    opened_s, deadline = [], time.monotonic() + seconds
    with chromium() as browser:
        page = browser.new_page()
        heard = Heard(page, _url(stack))
        while time.monotonic() < deadline:
            for path in ("/", "/segments", "/flows", "/pipeline"):
                began = time.monotonic()
                page.goto(_url(stack) + path)
                page.wait_for_function(_LOADED)
                opened_s.append(time.monotonic() - began)
                page.wait_for_timeout(3_000)
    return {
        "browser_pages": len(opened_s),
        "browser_p95_s": _quantile(opened_s, 0.95),
        "browser_complaints": len(heard.wrong),
    }


def _url(stack: Supervisor) -> str:
    return f"http://{stack.settings.web.host}:{stack.settings.web.port}"


def _quantile(seconds: list[float], part: float) -> float | None:
    return round(float(np.quantile(seconds, part)), 3) if seconds else None


def _wait_for_evidence(stack: Supervisor) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    with connect(stack.settings) as client:
        while not client.query("SELECT count() FROM segment_cards").result_rows[0][0]:
            stack.check()
            assert time.monotonic() < deadline, "segments have no evidence"
            time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main(run))
