"""Alerts to webhooks: each receiver has a thread of its own, so that a slow one holds up neither detection nor others.

What a receiver knows is in ClickHouse (`alert_deliveries`): what it doesn't is sent, again until it is taken, and by
the next process if this one ends. A receiver that took something and whose answer was lost gets it twice, with the same
fingerprint and startsAt.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import msgspec
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from encoders.errors import NoVectorError
from encoders.images.fetch import Fetcher, FetchPolicy
from streams.control.plane import Plane
from streams.control.webhook import grouped, payload
from streams.errors import Transient
from streams.settings import Settings, WebhookSettings
from streams.storage.alerts import StoredAlert, due_alerts, save_deliveries
from streams.storage.client import connect
from streams.storage.silences import silences_now

__all__ = ["Courier", "attach"]

log = logging.getLogger(__name__)

_LOOK_S = 1.0
_RETRY_S, _RETRY_MOST_S = 1.0, 60.0
_START_EVERY_S = 5.0


class Courier(threading.Thread):
    """One receiver's deliveries.

    Parameters
    ----------
    settings : Settings
        ClickHouse, and which addresses may be asked.
    webhook : WebhookSettings
        The receiver.
    """

    def __init__(self, settings: Settings, webhook: WebhookSettings) -> None:
        super().__init__(name=f"webhook {webhook.name}", daemon=True)
        self._settings, self._webhook = settings, webhook
        self._fetcher = Fetcher(
            FetchPolicy(
                hosts=tuple(settings.control.webhook_hosts),
                ports=tuple(settings.control.webhook_ports),
                networks=tuple(settings.control.webhook_networks),
                timeout_s=webhook.timeout_s,
            )
        )
        self.halt = threading.Event()
        self.failures = 0

    def run(self) -> None:
        """Deliver until told to stop; a failure is tried again, ever later."""
        while not self.halt.wait(_LOOK_S if not self.failures else self.delay_s):
            self.deliver()

    @property
    def delay_s(self) -> float:
        """How long to wait after so many failures in a row."""
        return min(_RETRY_S * 2.0 ** min(self.failures - 1, 16), _RETRY_MOST_S)

    def deliver(self) -> int:
        """Send what the receiver doesn't know; return how many alerts it took."""
        try:
            with connect(self._settings) as client:
                taken = self._deliver(client)
        except (Transient, ClickHouseError, OSError) as error:
            self.failures += 1
            log.warning("%s: %s", self.name, str(error).splitlines()[0])
            return 0
        return taken

    def _deliver(self, client: Client) -> int:
        due = due_alerts(client, self._webhook.name, self._webhook.repeat_s)
        silences = silences_now(client)
        silent = [alert for alert in due if _matched(alert, silences)]
        save_deliveries(client, self._webhook.name, [alert for alert in silent if alert.status == "resolved"])
        taken, failed = 0, False
        for labels, alerts in grouped([alert for alert in due if alert not in silent], self._webhook.group_by):
            if not self._post(payload(self._webhook.name, labels, alerts, self._settings.control.external_url)):
                failed = True
                break
            save_deliveries(client, self._webhook.name, alerts)
            taken += len(alerts)
        self.failures = self.failures + 1 if failed else 0
        return taken

    def _post(self, body: Mapping[str, object]) -> bool:
        """Say whether the receiver took it; neither the URL's path nor the secret gets into the log."""
        headers = {"Content-Type": "application/json", "User-Agent": "userprism"}
        if self._webhook.secret:
            headers[self._webhook.secret_header] = self._webhook.secret
        where = f"{self.name} at {urlsplit(self._webhook.url).hostname}"
        try:
            status = self._fetcher.post(self._webhook.url, msgspec.json.encode(body), headers)
        except NoVectorError as error:
            log.warning("%s: %s (%s)", where, error.reason, error)
            return False
        if not 200 <= status < 300:
            log.warning("%s: status %d", where, status)
        return 200 <= status < 300


def attach(plane: Plane) -> None:
    """Keep a courier going for each receiver."""
    couriers = [Courier(plane.settings, webhook) for webhook in plane.settings.control.webhooks]

    async def keep_going() -> None:
        for courier in couriers:
            if courier.ident is None:
                courier.start()
        plane.numbers["webhooks_failing"] = sum(courier.failures > 0 for courier in couriers)

    if couriers:
        plane.every(_START_EVERY_S, keep_going)


def _matched(alert: StoredAlert, silences: Sequence[Mapping[str, str]]) -> bool:
    return any(all(alert.labels.get(name) == value for name, value in matchers.items()) for matchers in silences)
