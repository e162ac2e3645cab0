"""Shifts of segments: false alarms in quiet weeks, hours until a shift is told of; beside PSI and ADWIN.

`userprism bench shifts`: weeks of the simulated shop with season and weekends go down the whole road; with `--quick`
the shares of personas are judged without it. Two weeks of warm-up, four without a shift, then 5, 10 and 20 points for
12 hours and 10 points gradually over a day. One table over three seeds, one JSON line.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from river.drift import ADWIN

from streams.control.lookout import Lookout
from streams.control.shifts import names_of
from streams.demo.run import wait_for_arrival
from streams.embedded.supervisor import Supervisor
from streams.kafka import client_config, end_offsets
from streams.lag import GroupLag
from streams.replay.publish import publish
from streams.settings import Settings, ShiftSettings
from streams.shop import Shop, ShopShift, Truth, Weeks, weeks_people
from streams.shop.shop import Message
from streams.storage.alerts import StoredAlert
from streams.storage.client import connect
from streams.storage.shifts import IntervalRow, basis_versions, judged_until, read_intervals, sizes_at
from tests.bench.common import machine, main, print_table, progress

SEEDS = (1, 2, 3)
QUIET = 14 * 24, 42 * 24
#: name, points, begin, until all of it is there, how long (hours)
EPISODES = (
    ("5 points", 0.05, 43 * 24 + 10, 1, 12),
    ("10 points", 0.10, 45 * 24 + 10, 1, 12),
    ("20 points", 0.20, 47 * 24 + 10, 1, 12),
    ("10 over a day", 0.10, 50 * 24, 24, 48),
)
DAYS = 54
PER_HOUR = 5_000
END_US = 1_785_715_200_000_000  # a Monday, 00:00 UTC
#: Events and blocks that may wait on the road; hours after which it waits for vectors.
_AHEAD_EVENTS, _AHEAD_BLOCKS, _FIRST_HOURS = 50_000, 100, 48
#: What was read is dropped every so many hours of the weeks: with 24 the broker wrote up to 160 MB a second.
_DROPPED_HOURS = 4
_PSI, _PATIENCE_S = 0.1, 3_600.0

#: (hour in which something is told, hour in which that is over)
Alarm = tuple[int, int]


def simulated(seed: int) -> Weeks:
    """Return the weeks of a seed."""
    shifts = [ShopShift(1, points, at, over, long) for _, points, at, over, long in EPISODES]
    shop = Shop(seed, people=weeks_people(PER_HOUR))
    return Weeks(shop, days=DAYS, people_per_hour=PER_HOUR, end_us=END_US, shifts=shifts, seed=seed)


def offline(seed: int) -> tuple[np.ndarray, list[Alarm]]:
    """Return people per hour and persona, and what is told of them without the road."""
    weeks = simulated(seed)
    random = np.random.default_rng(seed)
    counts = np.array([np.bincount(weeks.personas_of(weeks.people(random, h)), minlength=8) for h in range(DAYS * 24)])
    lookout = Lookout("interest", ShiftSettings(), lambda _: {})
    rows = [
        IntervalRow(hour, segment, int(n), {}, {}, {}, 1, 0, np.empty(0))
        for hour in range(len(counts))
        for segment, n in enumerate(counts[hour])
    ]
    lookout.take(rows, [1])
    told = [alert for _, alerts in lookout.judge_until(len(counts) - 1) for alert in alerts]
    return counts, _alarms(told, lambda us: us // 3_600_000_000)


def through_the_stack(seed: int) -> tuple[np.ndarray, list[Alarm]]:
    """Send the weeks of a seed down the road; return people per hour and segment, and what was told.

    The embedded broker writes all that it holds to disk each second, so what was read is dropped and what is sent keeps
    to what is read; so partitions, which are read one after the other, are hours apart and not days. Vectors take
    seconds of the wall, which are days here: the first days wait for them.

    What the table holds in the end is judged again in one go: it should tell the same, up to who came late.
    """
    weeks = simulated(seed)
    with tempfile.TemporaryDirectory(prefix="userprism-shifts-", ignore_cleanup_errors=True) as folder:
        settings = Settings(data_dir=str(Path(folder) / "data"))
        role_args = ["--data-dir", settings.data_dir]
        with Supervisor(settings, role_args=role_args, stop=threading.Event()) as stack:
            stack.start_roles(env={"USERPRISM_SHIFTS__SILENCE_S": "0"})
            stack.wait_ready(300.0)
            started = time.monotonic()
            hours = weeks.events(Truth())
            events = publish(stack.settings, islice(hours, _FIRST_HOURS))
            wait_for_arrival(stack, stack.settings, "first days", events, threading.Event())
            progress(f"seed {seed}: vectors are there after {time.monotonic() - started:.0f} s")
            events += publish(stack.settings, _at_the_roads_pace(stack, hours))
            last = weeks.begin_us // 3_600_000_000 + DAYS * 24 - 2
            with connect(stack.settings) as client:
                while (judged_until(client, "interest", 3_600) or 0) < last - 1:
                    stack.check()
                    time.sleep(1.0)
                    if time.monotonic() - started > _PATIENCE_S:
                        progress("the road took too long; judged what it had")
                        break
                progress(f"seed {seed}: {events:,} events, {DAYS} days in {time.monotonic() - started:.0f} s")
                rows = read_intervals(client, "interest", 3_600, 0)
                names = names_of(stack.settings, "interest")
                lookout = Lookout("interest", stack.settings.shifts, lambda version: sizes_at(client, names, version))
                lookout.take(rows, basis_versions(client, names))
                again = [alert for _, alerts in lookout.judge_until(last) for alert in alerts]
            first = weeks.begin_us // 3_600_000_000
            segments = sorted({row.segment for row in rows if row.segment >= 0})
            counts = np.zeros((DAYS * 24, len(segments)))
            for row in rows:
                if row.segment in segments and 0 <= row.number - first < len(counts):
                    counts[row.number - first, segments.index(row.segment)] = row.active
            told = _told(stack.settings)
    alarms, judged_again = (_alarms(alerts, lambda us: us // 3_600_000_000 - first) for alerts in (told, again))
    progress(f"seed {seed}: told {alarms}, in one go {'the same' if alarms == judged_again else judged_again}")
    return counts, alarms


def _at_the_roads_pace(stack: Supervisor, hours: Iterable[list[Message]]) -> Iterator[list[Message]]:
    """Yield hour after hour, each once the road has nearly come to the one before; records that were read go soon."""
    settings, topics = stack.settings, stack.settings.kafka.topics
    admin = AdminClient(client_config(settings))
    with (
        closing(GroupLag(settings, "intake", topics.events)) as raw,
        closing(GroupLag(settings, "profiler", topics.clicks, committed=False)) as blocks,
    ):
        for number, hour in enumerate(hours):
            while raw.records() > _AHEAD_EVENTS or blocks.records() > _AHEAD_BLOCKS:
                stack.check()
                time.sleep(0.05)
            if number % _DROPPED_HOURS == 0:
                for group, topic in (("intake", topics.events), ("profiler", topics.clicks)):
                    _drop_what_was_read(settings, admin, group, topic)
            yield hour


def _drop_what_was_read(settings: Settings, admin: AdminClient, group: str, topic: str) -> None:
    places = [TopicPartition(topic, number) for number in range(settings.kafka.partitions)]
    with closing(Consumer({**client_config(settings), "group.id": f"{settings.kafka.prefix}.{group}"})) as consumer:
        read = [place for place in consumer.committed(places, 10.0) if place.offset > 0]
    for future in admin.delete_records(read).values() if read else ():
        future.result()


def _told(settings: Settings) -> list[StoredAlert]:
    topic = settings.kafka.topics.segment_alerts
    wanted = sum(end_offsets(settings, topic).values())
    consumer = Consumer({**client_config(settings), "group.id": "bench", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    found: list[StoredAlert] = []
    deadline = time.monotonic() + 60
    while len(found) < wanted and time.monotonic() < deadline:
        message = consumer.poll(1.0)
        if message is not None and message.error() is None and message.value():
            found.append(msgspec.json.decode(message.value() or b"", type=StoredAlert))
    consumer.close()
    return found


def _alarms(told: Sequence[StoredAlert], hour: Callable[[int], int]) -> list[Alarm]:
    """Return when each alert was first told of, and when it was over."""
    first: dict[tuple[str, int], int] = {}
    over: dict[tuple[str, int], int] = defaultdict(lambda: 10**6)
    for alert in told:
        key = alert.fingerprint, alert.starts_at_us
        first.setdefault(key, hour(alert.last_at_us))
        if alert.ends_at_us:
            over[key] = hour(alert.ends_at_us)
    return [(at, over[key]) for key, at in first.items()]


def psi_alarms(counts: np.ndarray) -> list[Alarm]:
    """PSI > .1 of each hour against the week before: what a dashboard usually does."""
    alarms: list[Alarm] = []
    for hour in range(7 * 24, len(counts)):
        now, past = counts[hour] + 0.5, counts[hour - 168 : hour].sum(axis=0) + 0.5
        now, past = now / now.sum(), past / past.sum()
        if ((now - past) * np.log(now / past)).sum() > _PSI:
            if alarms and alarms[-1][1] == hour:
                alarms[-1] = alarms[-1][0], hour + 1
            else:
                alarms.append((hour + 1, hour + 1))
    return alarms


def adwin_alarms(counts: np.ndarray) -> list[Alarm]:
    """River's ADWIN on each segment's hourly share."""
    detectors = [ADWIN() for _ in range(counts.shape[1])]
    alarms: list[Alarm] = []
    for hour, now in enumerate(counts):
        for detector, share in zip(detectors, now / max(now.sum(), 1), strict=True):
            detector.update(float(share))
        if any(detector.drift_detected for detector in detectors):
            alarms.append((hour + 1, hour + 1))
    return alarms


def judge(alarms: Sequence[Alarm]) -> dict[str, Any]:
    """Return false alarms in the quiet weeks; of each episode, hours until told, and from its end until over."""
    result: dict[str, Any] = {"false": sum(QUIET[0] < at <= QUIET[1] for at, _ in alarms)}
    for name, _, begin, _, long in EPISODES:
        found = [(at, over) for at, over in alarms if begin < at <= begin + long]
        result[name] = min((at - begin for at, _ in found), default=None)
        ends = max((over - (begin + long) for _, over in found), default=None)
        result[f"{name} over"] = None if ends is None or ends > 10**5 else ends
    return result


def run(*, quick: bool, seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """Judge each seed's weeks by three detectors."""
    rows, found = [], []
    for seed in seeds:
        counts, ours = offline(seed) if quick else through_the_stack(seed)
        for name, alarms in (("userprism", ours), ("PSI > .1", psi_alarms(counts)), ("ADWIN", adwin_alarms(counts))):
            judged = judge(alarms)
            found.append({"seed": seed, "detector": name, **judged})
            rows.append([seed, name, judged["false"], *(judged[k] for n, *_ in EPISODES for k in (n, f"{n} over"))])
            progress(json.dumps(found[-1]))
    headers = ["seed", "detector", "false in 28 d", *(h for n, *_ in EPISODES for h in (f"{n}, h", "over after, h"))]
    print_table("shifts, hours of event time" + (" (shares only)" if quick else " (whole road)"), headers, rows)
    return {"bench": "shifts", "quick": quick, "rows": found, **machine()}


if __name__ == "__main__":
    raise SystemExit(main(run))
