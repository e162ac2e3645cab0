"""Audiences into a Kafka topic: one record a person who may leave, for whatever advertises or writes to them."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import msgspec
from clickhouse_connect.driver.client import Client

from streams.outbox import Outbox
from streams.settings import Settings
from streams.web.decide.audiences import audience_people, audience_size
from streams.web.decide.because import condition_of

__all__ = ["Published", "publish_audience"]

_AT_ONCE = 20_000
_FLUSH_S = 30.0


@dataclass(frozen=True, slots=True)
class Published:
    """What went into the topic; `withheld` are people of the audience without consent."""

    audience: str
    topic: str
    export: str
    people: int
    withheld: int


def publish_audience(client: Client, settings: Settings, name: str) -> Published | None:
    """Write a record for each person of an audience, keyed by the person; None: there is no such audience.

    Each has the id of this `export` and says who it is: `audience`, `profile_id`, `segment`, `event_count`,
    `last_seen`, `traits`, `exported_at`.

    Raises
    ------
    UnavailableError
        The broker didn't take them all; those that it took are there.
    """
    consent = tuple(condition_of(one) for one in settings.audiences.consent)
    size = audience_size(client, name, consent)
    if size is None:
        return None
    export, topic = str(uuid.uuid4()), settings.kafka.topics.audiences
    shared = {"audience": name, "export": export, "exported_at": datetime.now(UTC)}
    sent, after = 0, ""
    outbox = Outbox(settings)
    try:
        while people := audience_people(client, name, after=after, limit=_AT_ONCE, consent=consent):
            records = [msgspec.json.encode(shared | asdict(one)) for one in people]
            outbox.send_all(topic, records, [one.profile_id.encode() for one in people])
            outbox.flush(_FLUSH_S)
            sent, after = sent + len(people), people[-1].profile_id
    finally:
        outbox.close()
    return Published(name, topic, export, sent, size.people - size.consenting)
