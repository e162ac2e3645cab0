"""Silences: alerts with these labels aren't sent to webhooks between two times of the wall."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from clickhouse_connect.driver.client import Client

__all__ = ["Silence", "expire_silence", "save_silence", "silences", "silences_now"]


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence as it is stored; times UTC."""

    silence_id: str
    matchers: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime
    comment: str

    def holds(self, now: datetime) -> bool:
        """Whether alerts are held back at this time."""
        return self.starts_at <= now < self.ends_at


def silences(client: Client, *, until: datetime | None = None) -> list[Silence]:
    """Return silences, those that end first in front; with `until` only those that last longer than to that time."""
    rows = client.query(
        "SELECT silence_id, matchers, toUnixTimestamp64Milli(starts_at), toUnixTimestamp64Milli(ends_at), comment "
        "FROM alert_silences FINAL WHERE ends_at > fromUnixTimestamp64Milli({until:Int64}) "
        "ORDER BY ends_at, silence_id",
        parameters={"until": int(until.timestamp() * 1000) if until else 0},
    ).result_rows
    return [Silence(name, matchers, _time(begin), _time(end), comment) for name, matchers, begin, end, comment in rows]


def silences_now(client: Client) -> list[Mapping[str, str]]:
    """Return the matchers of the silences that hold now."""
    now = datetime.now(UTC)
    return [silence.matchers for silence in silences(client, until=now) if silence.holds(now)]


def save_silence(client: Client, silence_id: str, matchers: Mapping[str, str], for_s: float, comment: str) -> None:
    """Silence alerts with all these labels from now on for so many seconds."""
    now = datetime.now(UTC)
    _insert(client, Silence(silence_id, matchers, now, now + timedelta(seconds=for_s), comment))


def expire_silence(client: Client, silence: Silence) -> None:
    """End a silence now."""
    _insert(client, replace(silence, ends_at=datetime.now(UTC)))


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _insert(client: Client, silence: Silence) -> None:
    client.insert(
        "alert_silences",
        [[silence.silence_id, dict(silence.matchers), silence.starts_at, silence.ends_at, silence.comment]],
        column_names=["silence_id", "matchers", "starts_at", "ends_at", "comment"],
    )
