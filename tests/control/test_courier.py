"""Webhooks against a real HTTP server that is slow, fails, redirects; and their payload, field by field."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.control.book import fingerprint
from streams.control.courier import Courier
from streams.control.webhook import payload
from streams.settings import ControlSettings, Settings, WebhookSettings
from streams.storage import connect, initialise
from streams.storage.alerts import save_alerts
from streams.storage.silences import expire_silence, save_silence, silences
from tests.local_server import JsonHandler, LocalServer
from tests.storage.test_alerts import ALERT

OVER = replace(ALERT, status="resolved", ends_at_us=ALERT.last_at_us)
SECRET = "Bearer of-nobody's-business"


class Receiver(LocalServer):
    """Answers as it is told to, and keeps what it was sent."""

    def __init__(self) -> None:
        self.status, self.wait_s, self.location = 200, 0.0, ""
        self.bodies: list[dict[str, Any]] = []
        self.taken: list[dict[str, Any]] = []  # those it said 200 to, before the sender had gone
        self.secrets: list[str | None] = []
        super().__init__(_Handler)

    @property
    def url(self) -> str:
        return f"{self.origin}/hook/token-in-path"


class _Handler(JsonHandler):
    server: Receiver

    def posted(self, body: Any) -> None:
        time.sleep(self.server.wait_s)
        self.server.bodies.append(body)
        self.server.secrets.append(self.headers["Authorization"])
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.end_headers()
            if self.server.status == 200 and not self.server.wait_s:
                self.server.taken.append(body)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.close()


def courier(settings: Settings, receiver: Receiver, *networks: str, **webhook: Any) -> Courier:
    own = WebhookSettings(name="ops", url=receiver.url, secret=SECRET, **webhook)
    control = ControlSettings(
        webhooks=[own],
        webhook_hosts=["127.0.0.1"],
        webhook_ports=[receiver.server_port],
        webhook_networks=list(networks),
    )
    return Courier(msgspec.structs.replace(settings, control=control), own)


def test_the_payload_is_alertmanagers_field_by_field() -> None:
    """Compared with documentation and source as `webhook.md` says."""
    golden = json.loads(Path(__file__).with_name("webhook.json").read_text(encoding="utf-8"))
    group = {"alertname": "SegmentDrift", "segmentation": 'of "interest"'}
    labels = {**group, "severity": "warning"}
    first, second = ({**labels, "segment": segment} for segment in ("4", "5"))
    fires = replace(ALERT, labels=first, fingerprint=fingerprint(first))
    over = replace(
        OVER, labels=second, fingerprint=fingerprint(second), annotations={"summary": "down"}, size=0.1,
        ends_at_us=OVER.ends_at_us + 250_000,
    )  # fmt: skip
    found = payload("ops", group, [fires, over], "https://segments.example.com")
    assert found == golden
    assert list(found) == list(golden)
    assert payload("ops", group, [over])["status"] == "resolved"
    assert payload("ops", group, [over])["commonAnnotations"] == golden["alerts"][1]["annotations"]


def test_nothing_is_lost_and_nothing_is_told_twice(
    settings: Settings, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    initialise(settings)
    ours = courier(settings, receiver, "127.0.0.0/8")
    elsewhere = Receiver()
    with connect(settings) as client, caplog.at_level(logging.DEBUG):
        save_alerts(client, [ALERT])
        receiver.status = 500
        delays = []
        for _ in range(7):  # a minute of them, by the delays
            assert ours.deliver() == 0
            delays.append(ours.delay_s)
        assert sum(delays) > 60
        assert delays == sorted(delays)
        receiver.status, receiver.location = 302, elsewhere.url
        assert ours.deliver() == 0
        assert elsewhere.bodies == []
        receiver.status, receiver.location = 200, ""
        assert ours.deliver() == 1
        assert (ours.failures, ours.deliver()) == (0, 0)
        again = courier(settings, receiver, "127.0.0.0/8")  # a new process
        assert again.deliver() == 0
        save_alerts(client, [OVER])
        assert again.deliver() == 1
    first, last = receiver.bodies[0]["alerts"][0], receiver.bodies[-1]["alerts"][0]
    assert (first["status"], last["status"]) == ("firing", "resolved")
    assert (first["fingerprint"], first["startsAt"]) == (last["fingerprint"], last["startsAt"])
    assert set(receiver.secrets) == {SECRET}
    assert SECRET not in caplog.text + repr(ours._settings)
    assert "token-in-path" not in caplog.text
    elsewhere.close()


def test_private_addresses_slow_receivers_silences_repeats(settings: Settings, receiver: Receiver) -> None:
    initialise(settings)
    with connect(settings) as client:
        save_alerts(client, [ALERT])
        assert courier(settings, receiver).deliver() == 0  # no network is allowed
        assert receiver.bodies == []

        ours = courier(settings, receiver, "127.0.0.0/8", repeat_s=0)
        save_silence(client, "s1", {"segmentation": "interest"}, 600, "known")
        assert ours.deliver() == 0
        (silence,) = silences(client)
        assert (silence.silence_id, silence.comment) == ("s1", "known")
        expire_silence(client, silence)
        assert ours.deliver() == 1
        time.sleep(0.01)
        assert ours.deliver() == 1  # it fires on

    quick = Receiver()
    other = courier(settings, quick, "127.0.0.0/8")
    other._webhook = msgspec.structs.replace(other._webhook, name="other")
    receiver.wait_s = 3.0
    slow = courier(settings, receiver, "127.0.0.0/8", timeout_s=0.3, repeat_s=0)
    slow.start()
    assert other.deliver() == 1
    assert slow.deliver() == 0  # its own patience is short
    slow.halt.set()
    slow.join(20)
    quick.close()
