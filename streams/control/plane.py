"""The Faust app of the control plane, and what its agents share.

An agent is added as a module of `streams.control` with one function::

    def attach(plane: Plane) -> None:
        table = plane.app.Table("merges", default=int, partitions=1)

        async def merge(records: Any) -> None:
            async for value in records:                     # bytes, in the topic's order
                await plane.blocking(save, value)           # ClickHouse and whatever else blocks
                table["seen"] += 1

        plane.agent(plane.settings.kafka.topics.model_updates, merge)

and with a line in `streams.roles.control.AGENTS`. What it may count on, and what not:

- A record counts as read when the agent asks for the next one, and the group's offset is written about once a second:
  after a crash some come again. So what an agent does must be the same when it is done twice.
- Tables are in memory, and each change is in a changelog topic that a new process reads first. Neither broker
  compacts it at once, so keep counters and small states in them, not history; history is in ClickHouse.
- An error that leaves an agent ends the process without the record counting as read; a supervisor starts it again.
- The topics have one partition, and one process works at a time: a second one with another `control.instance_id`
  stands by. GlobalTable (other live workers don't see it) and exactly_once (fragile) aren't used.
- The loop is for waiting. What computes for longer than some ms or blocks goes through `blocking`.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

import faust
from clickhouse_connect.driver.exceptions import ClickHouseError

from streams.control.patience import wait_between_empty_fetches
from streams.errors import ConfigurationError, Transient
from streams.settings import Settings

__all__ = ["Plane", "create_plane"]

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

#: May succeed later; what was asked is asked again until it does.
_MAY_PASS = (Transient, ClickHouseError, OSError)
_RETRY_S, _RETRY_MOST_S = 0.5, 10.0


@dataclass
class Plane:
    """What agents share.

    Attributes
    ----------
    app : faust.App
        Agents, tables and timers register with it.
    settings : Settings
        Addresses, topics, knobs.
    numbers : dict
        Shown by `status`; each agent counts what it does under names of its own.
    waiting_for : dict
        What a `blocking` call waits for, by the call's name; the role is paused while there is any.
    """

    app: Any
    settings: Settings
    numbers: dict[str, Any] = field(default_factory=dict)
    waiting_for: dict[str, str] = field(default_factory=dict)

    def agent(self, topic: str, work: Callable[[Any], Awaitable[None]]) -> None:
        """Let `work` read a topic that `init` has created: an asynchronous iterator over its values, as bytes."""
        raw = self.app.topic(topic, value_serializer="raw", key_serializer="raw", partitions=1, allow_empty=True)
        self.app.agent(raw, name=work.__name__)(work)

    def every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        """Call `work` now and then, from when the tables have been read on."""
        self.app.timer(seconds)(work)

    def count(self, name: str, by: int = 1) -> None:
        """Add to one of the numbers that `status` shows."""
        self.numbers[name] = self.numbers.get(name, 0) + by

    async def blocking(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run something that blocks in a thread, again while it fails for a reason that may pass.

        Raises
        ------
        Exception
            Whatever isn't `Transient`, ClickHouse's or the network's; let it end the process.
        """
        delay_s = _RETRY_S
        name = getattr(call, "__qualname__", repr(call))
        while True:
            try:
                done = await asyncio.to_thread(call, *args, **kwargs)
            except _MAY_PASS as error:
                self.waiting_for[name] = str(error).splitlines()[0]
                log.warning("%s: %s; again in %.1f s", name, self.waiting_for[name], delay_s)
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, _RETRY_MOST_S)
            else:
                self.waiting_for.pop(name, None)
                return done


def create_plane(settings: Settings) -> Plane:
    """Return the app without agents.

    Raises
    ------
    ConfigurationError
        No broker is known, or its security settings have no counterpart in Faust.

    Notes
    -----
    `consumer_group_instance_id`: dead members of the embedded broker never expire, a static member takes its place.
    `stream_ack_exceptions`, `agent_supervisor`: by default a record whose agent failed counts as read.
    `topic_disable_leader`: nothing here is done by a leader only, and its topic would be one more to look after.
    """
    kafka = settings.kafka
    session_s = kafka.session_timeout_ms / 1000
    settings.data.mkdir(parents=True, exist_ok=True)  # Faust makes the last folder only
    wait_between_empty_fetches()
    app = faust.App(
        f"{kafka.prefix}.control",
        broker=[f"kafka://{address.strip()}" for address in settings.require_kafka().split(",")],
        broker_credentials=_credentials(kafka.client),
        broker_session_timeout=session_s,
        broker_heartbeat_interval=max(session_s / 10, 0.1),
        broker_request_timeout=max(90.0, 2 * session_s),
        broker_commit_interval=1.0,
        consumer_group_instance_id=settings.control.instance_id,
        consumer_auto_offset_reset="earliest",
        producer_acks=-1,
        store="memory://",
        datadir=settings.data / "control",
        topic_partitions=1,
        topic_replication_factor=kafka.replication,
        topic_disable_leader=True,
        stream_wait_empty=False,
        stream_ack_exceptions=False,
        agent_supervisor="mode.supervisors.CrashingSupervisor",
        web_enabled=False,
        web_bind="127.0.0.1",  # `faust worker` brings its own pages unless it is told --without-web
        web_host="127.0.0.1",
    )
    return Plane(app, settings)


def _credentials(client: dict[str, str | int | bool]) -> Any:
    """Return librdkafka's security settings as Faust's, None for none."""
    protocol = str(client.get("security.protocol", "plaintext")).lower()
    if protocol == "plaintext":
        return None
    context = _tls(client) if protocol.endswith("ssl") else None
    if protocol == "ssl":
        return faust.SSLCredentials(context=context)
    mechanism = str(client.get("sasl.mechanism", client.get("sasl.mechanisms", "PLAIN"))).upper()
    if protocol not in {"sasl_ssl", "sasl_plaintext"} or mechanism not in {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}:
        msg = (
            f"kafka.client says security.protocol = {protocol!r}, sasl.mechanism = {mechanism!r}: the control role "
            "knows plaintext, ssl, and sasl_ssl or sasl_plaintext with PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
        )
        raise ConfigurationError(msg)
    credentials = faust.SASLCredentials(
        username=str(client.get("sasl.username", "")),
        password=str(client.get("sasl.password", "")),
        ssl_context=context,
        mechanism=mechanism,
    )
    credentials.protocol = credentials.protocol.__class__(protocol.upper())
    return credentials


def _tls(client: dict[str, str | int | bool]) -> ssl.SSLContext:
    authority = client.get("ssl.ca.location")
    context = ssl.create_default_context(cafile=str(authority) if authority else None)
    certificate, key = client.get("ssl.certificate.location"), client.get("ssl.key.location")
    if certificate:
        context.load_cert_chain(str(certificate), str(key) if key else None)
    return context
