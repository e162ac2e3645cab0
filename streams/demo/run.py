"""The demo, step by step."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from streams.demo.judge import judge
from streams.demo.live import Live
from streams.embedded.supervisor import Supervisor
from streams.errors import StateError, UnavailableError
from streams.replay.publish import publish
from streams.serving.arrival import Arrival
from streams.serving.summary import Summary, freshness, summarise
from streams.settings import Settings
from streams.shop import Shop, Truth
from streams.storage.client import connect
from streams.storage.schema import initialise

__all__ = ["DemoSummary", "Interrupted", "run_demo", "wait_for_arrival"]

_PACED_S = 20.0
#: What a run of events needs.
_ROLES = ("intake", "profiler", "encoder")
_PACED_NAME = "paced"
_PATIENCE_S = 300.0
_LOOK_EVERY_S = 0.25


class Interrupted(Exception):  # noqa: N818 - not an error of ours: somebody asked to stop
    """A stop was asked for before the end."""


class DemoSummary(Summary, kw_only=True):
    """The summary of a run, and how well segments match the planted personas."""

    ari: float
    ari_counts: float
    ari_content: float
    ari_oracle: float


def run_demo(
    settings: Settings, events: int, *, seed: int, role_args: Sequence[str], stop: threading.Event,
    say: Callable[[str], None], stay: Callable[[Supervisor], None] | None = None,
) -> DemoSummary:  # fmt: skip
    """Run the demo on a data directory of its own.

    Raises
    ------
    StateError
        What arrived isn't what was sent; the message shows both.
    Interrupted
        `stop` was set.
    """
    shutil.rmtree(settings.data, ignore_errors=True)
    with Supervisor(settings, role_args=role_args, stop=stop) as stack:
        if stay is not None:  # whoever stays looks on
            stack.start_roles(("web",))
            if not stack.wait_ready():
                raise Interrupted
            say(f"the page: http://{stack.settings.web.host}:{stack.settings.web.port}/")
        shop, truth = Shop(seed, end_us=time.time_ns() // 1000), Truth()
        say(f"publishing {events:,} events of the simulated shop")
        publish(stack.settings, shop.events(events, truth), stop=stop)
        truth.save(settings.data / "truth.json")
        _start(stack, stack.settings, {}, stop)
        wait_for_arrival(stack, stack.settings, "segments, live", truth.accepted, stop)
        summary = summarise(stack.settings)
        _compare(summary, truth, settings.data / "truth.json")
        say("comparing segments with the planted personas")
        with connect(stack.settings) as client:
            indices = judge(stack.settings, client, truth)
        rate = summary.events_per_second / 2
        say(f"measuring freshness: {_PACED_S:.0f} s at {rate:,.0f} events/s, half of what was just reached")
        median, high = _paced(stack, rate, seed + 1, stop)
        fields: dict[str, Any] = msgspec.structs.asdict(summary) | indices
        fields |= {"freshness_p50_s": median, "freshness_p99_s": high}
        if stay is not None:
            stack.stop_roles(_ROLES)
            _start(stack, stack.settings, {}, stop)
            stay(stack)
        return DemoSummary(**fields)


def wait_for_arrival(
    stack: Supervisor | None, settings: Settings, title: str, total: int, stop: threading.Event
) -> None:
    """Draw until everything has arrived.

    Raises
    ------
    UnavailableError
        Nothing has moved for minutes.
    Interrupted
        `stop` was set.
    """
    arrival = Arrival(settings)
    moved_at, before = time.monotonic(), None
    try:
        with Live(settings, title, total) as live:
            while True:
                if stack is not None:
                    stack.check()
                lag = arrival.lag()
                live.update(lag)
                if arrival.settled(lag):
                    return
                if lag != before:
                    moved_at, before = time.monotonic(), lag
                if time.monotonic() - moved_at > _PATIENCE_S:
                    msg = f"nothing has moved for {_PATIENCE_S:.0f} s ({lag}); see the logs in {settings.data / 'logs'}"
                    raise UnavailableError(msg)
                if stop.wait(_LOOK_EVERY_S):
                    raise Interrupted
    finally:
        arrival.close()


def _start(stack: Supervisor, settings: Settings, env: dict[str, str], stop: threading.Event) -> None:
    """Start intake last: time counts from the first event it reads."""
    for names in (("encoder", "profiler"), ("intake",)):
        stack.start_roles(names, env)
        if not stack.wait_ready():
            raise Interrupted
    if stop.is_set():
        raise Interrupted


def _compare(summary: Summary, truth: Truth, path: Path) -> None:
    found = {name: getattr(summary, name) for name in truth.counts()}
    if found != truth.counts():
        sent = json.dumps(truth.counts())
        msg = f"what arrived isn't what was sent.\narrived: {json.dumps(found)}\nsent:    {sent} ({path})"
        raise StateError(msg)


def _paced(stack: Supervisor, rate: float, seed: int, stop: threading.Event) -> tuple[float, float]:
    """Send at a steady rate through topics and tables of their own."""
    settings = stack.settings
    own = msgspec.structs.replace(
        settings,
        kafka=msgspec.structs.replace(settings.kafka, prefix=_PACED_NAME, events_topic=f"{_PACED_NAME}.events"),
        clickhouse=msgspec.structs.replace(
            settings.clickhouse, database=f"{settings.clickhouse.database}_{_PACED_NAME}"
        ),
    )
    stack.stop_roles(_ROLES)
    initialise(own)
    env = {
        "USERPRISM_KAFKA__PREFIX": own.kafka.prefix,
        "USERPRISM_KAFKA__EVENTS_TOPIC": own.kafka.events_topic,
        "USERPRISM_CLICKHOUSE__DATABASE": own.clickhouse.database,
    }
    truth = Truth()
    chunks = list(Shop(seed, end_us=time.time_ns() // 1000).events(max(round(rate * _PACED_S), 1_000), truth))
    _start(stack, own, env, stop)
    sent = threading.Thread(target=publish, args=(own, chunks), kwargs={"per_second": rate, "stop": stop}, daemon=True)
    sent.start()
    with Live(own, "paced", truth.accepted) as live, closing(Arrival(own)) as arrival:
        while sent.is_alive():
            stack.check()
            live.update(arrival.lag())
            if stop.wait(_LOOK_EVERY_S):
                raise Interrupted
    wait_for_arrival(stack, own, "paced", truth.accepted, stop)
    return freshness(own)
