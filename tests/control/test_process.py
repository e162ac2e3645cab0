"""The control role as a process: killed in the midst of a shift, and with receivers that fail for a minute."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import pytest
from clickhouse_connect.driver.client import Client

from streams.control.lookout import Lookout
from streams.settings import Settings, ShiftSettings
from streams.storage import connect, initialise
from streams.storage.alerts import StoredAlert
from streams.storage.shifts import IntervalRow, judged_until
from tests.control.test_courier import SECRET, Receiver
from tests.control.test_detection import AT, BEGIN, COUNTS, fill, first_fit, records
from tests.embedded.common import wait_for
from tests.roles.test_control import environment

FIRST = int(BEGIN.timestamp()) // 3_600
HOURS_US = 3_600_000_000
#: Hours that the shift is in the table of; it is over after 12 of them.
LAST = AT + 18


@contextmanager
def control(settings: Settings, **receivers: Receiver) -> Iterator[subprocess.Popen[bytes]]:
    """Run `userprism control` with a webhook for each receiver; kill it in the end."""
    lines = [
        "[control]",
        'webhook_hosts = ["127.0.0.1"]',
        'webhook_networks = ["127.0.0.1/32"]',
        f"webhook_ports = {[one.server_port for one in receivers.values()]}",
    ]
    for name, one in receivers.items():
        lines += ["[[control.webhooks]]", f'name = "{name}"', f'url = "{one.url}"', f'secret = "{SECRET}"']
        lines += ["timeout_s = 1.0"]
    config = Path(settings.data_dir).with_suffix(".toml")
    config.write_text("\n".join(lines), encoding="utf-8")
    command = [sys.executable, "-m", "streams.role", "control", "--config", str(config)]
    process = subprocess.Popen(command, env=environment(settings))
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def undisturbed(until: int) -> list[tuple[str, int, int, str]]:
    """Return what one judge who is never killed tells of hours up to this one, as the table shows it in the end."""
    lookout = Lookout("interest", ShiftSettings(), lambda _: {})
    rows = [
        IntervalRow(FIRST + hour, segment, int(people), {}, {}, {}, 1, 0, COUNTS[:0, 0])
        for hour in range(until)
        for segment, people in enumerate(COUNTS[hour])
    ]
    lookout.take(rows, [1])
    told = [alert for _, alerts in lookout.judge_until(FIRST + until - 2) for alert in alerts]
    last = {(alert.fingerprint, alert.starts_at_us): alert for alert in told}
    return sorted((a.fingerprint, a.starts_at_us, a.ends_at_us, a.status) for a in last.values())


def stored(client: Client) -> list[tuple[str, int, int, str]]:
    """Return the table's alerts: fingerprint, begin, end, status."""
    return client.query(
        "SELECT fingerprint, 1000 * toUnixTimestamp64Milli(starts_at), 1000 * toUnixTimestamp64Milli(ends_at), status "
        "FROM segment_alerts FINAL ORDER BY fingerprint, starts_at"
    ).result_rows  # type: ignore[return-value]


def has_judged(client: Client, hour: int) -> Callable[[], bool]:
    return lambda: (judged_until(client, "interest", 3_600) or 0) >= FIRST + hour


def alerts_of(receiver: Receiver, status: str) -> list[tuple[str, str]]:
    """Return fingerprint and begin of what a receiver took."""
    return [
        (alert["fingerprint"], alert["startsAt"])
        for body in receiver.taken
        for alert in body["alerts"]
        if alert["status"] == status
    ]


@pytest.mark.long
def test_kills_in_the_midst_of_a_shift_lose_no_alert_and_a_repeat_is_the_same_one(settings: Settings) -> None:
    initialise(settings)
    receiver = Receiver()
    with connect(settings) as client:
        first_fit(client)
        fill(client, 0, AT)

        def killed(first: int, last: int, when: Callable[[], object]) -> None:
            with control(settings, ops=receiver) as process:
                wait_for(has_judged(client, first - 2), "the hours before")
                fill(client, first, last)
                wait_for(when, "the moment")
                os.kill(process.pid, signal.SIGKILL)
                process.wait()

        killed(AT, AT + 1, lambda: True)  # the window in which the shift begins is open
        killed(AT + 1, AT + 2, lambda: stored(client))  # its alert has just been written
        killed(AT + 2, AT + 9, lambda: True)  # several windows are over, and none of them is judged
        killed(AT + 9, LAST, lambda: stored(client)[0][3] == "resolved")  # its end has just been written
        with control(settings, ops=receiver):
            wait_for(has_judged(client, LAST - 2), "everything")
            wait_for(lambda: alerts_of(receiver, "resolved"), "the receiver")
        assert stored(client) == undisturbed(LAST)
        ((fingerprint, starts_us, ends_us, status),) = stored(client)
        assert (status, starts_us) == ("resolved", (FIRST + AT) * HOURS_US)
    told = [msgspec.json.decode(value, type=StoredAlert) for value in records(settings)]
    assert {(alert.fingerprint, alert.starts_at_us) for alert in told} == {(fingerprint, starts_us)}
    firing = {alert.last_at_us // HOURS_US - FIRST for alert in told if alert.status == "firing"}
    assert firing >= set(range(AT + 1, AT + 13))  # each hour's, and no hour was passed over
    assert {alert.ends_at_us for alert in told if alert.status == "resolved"} == {ends_us}
    heard = {*alerts_of(receiver, "firing"), *alerts_of(receiver, "resolved")}  # its begin is over when none had time
    assert {name for name, _ in heard} == {fingerprint}
    assert len(heard) == 1
    receiver.close()


@pytest.mark.long
def test_a_minute_of_500_a_slow_receiver_and_one_that_sends_elsewhere_hold_nobody_up(settings: Settings) -> None:
    initialise(settings)
    with ExitStack() as stack:
        good, failing, slow, moved, elsewhere = (Receiver() for _ in range(5))
        for one in (good, failing, slow, moved, elsewhere):
            stack.callback(one.close)
        failing.status = 500
        slow.wait_s = 3.0  # it has a second
        moved.status, moved.location = 307, elsewhere.url
        client = stack.enter_context(connect(settings))
        first_fit(client)
        fill(client, 0, AT)
        stack.enter_context(control(settings, good=good, failing=failing, slow=slow, moved=moved))
        wait_for(has_judged(client, AT - 2), "the hours before")
        fill(client, AT, AT + 5)
        wait_for(lambda: alerts_of(good, "firing") and failing.bodies and slow.bodies and moved.bodies, "the first")
        began = time.monotonic()
        fill(client, AT + 5, LAST)  # it ends while the others don't answer
        wait_for(lambda: alerts_of(good, "resolved"), "its end")
        (row,) = stored(client)
        assert row[3] == "resolved"
        assert [one.taken for one in (failing, slow, moved)] == [[], [], []]
        wait_for(lambda: time.monotonic() - began > 60, "a minute", timeout_s=90.0)
        assert not alerts_of(failing, "resolved")
        failing.status = 200
        slow.wait_s = 0.0
        moved.status, moved.location = 200, ""
        for one in (failing, slow, moved):  # at most a minute between two attempts
            wait_for(lambda one=one: alerts_of(one, "resolved"), "those who were away", timeout_s=90.0)  # type: ignore[misc]
            assert set(alerts_of(one, "resolved")) == set(alerts_of(good, "resolved"))
        assert elsewhere.bodies == []
        assert {body["receiver"] for body in failing.bodies} == {"failing"}
        assert set(failing.secrets) == {SECRET}
