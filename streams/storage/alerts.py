"""Alerts about segments as they are stored: one row each, replaced as it goes on and when it is resolved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from clickhouse_connect.driver.client import Client

__all__ = [
    "EVERYTHING",
    "StoredAlert",
    "alert_of",
    "due_alerts",
    "firing_alerts",
    "save_alerts",
    "save_deliveries",
]

#: `segment` of an alert that is about a whole segmentation.
EVERYTHING = -9

_COLUMNS = (
    "fingerprint", "starts_at", "status", "last_at", "ends_at", "alertname", "segmentation", "segment", "segments",
    "severity", "confidence", "p_value", "size", "share_before", "share_now", "moved", "model_version", "labels",
    "annotations", "silenced",
)  # fmt: skip
_TIMES = ("starts_at", "last_at", "ends_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAlert:
    """One row of `segment_alerts`; times in microseconds UTC, of events.

    Attributes
    ----------
    starts_at_us : int
        Begin of the first window in which it held; with the fingerprint it names the alert.
    last_at_us : int
        End of the last window that was judged and in which it held.
    ends_at_us : int
        When it was resolved, 0 while it fires.
    moved : mapping
        Name of a content or a feature -> (before, now).
    """

    fingerprint: str
    starts_at_us: int
    status: str
    last_at_us: int
    ends_at_us: int
    alertname: str
    segmentation: str
    segment: int
    segments: Sequence[int]
    severity: str
    confidence: float
    p_value: float
    size: float
    share_before: Mapping[int, float] = field(default_factory=dict)
    share_now: Mapping[int, float] = field(default_factory=dict)
    moved: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    model_version: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    silenced: bool = False

    @property
    def version(self) -> int:
        """Later windows replace earlier ones, and a resolution what fired at the same time."""
        return max(self.last_at_us, self.ends_at_us) << 1 | (self.status == "resolved")


def save_alerts(client: Client, alerts: Sequence[StoredAlert]) -> None:
    """Write alerts; writing the same again changes nothing."""
    if alerts:
        client.insert("segment_alerts", [_row(alert) for alert in alerts], column_names=[*_COLUMNS, "version"])


def firing_alerts(client: Client, segmentation: str | None = None) -> list[StoredAlert]:
    """Return the alerts that fire, oldest first, of one segmentation or of all."""
    rows = client.query(
        f"SELECT {_selected()} FROM segment_alerts FINAL WHERE status = 'firing' "  # noqa: S608 - columns of ours
        "AND ({name:String} = '' OR segmentation = {name:String}) ORDER BY starts_at, fingerprint",
        parameters={"name": segmentation or ""},
    ).result_rows
    return [alert_of(row) for row in rows]


def due_alerts(client: Client, receiver: str, repeat_s: int) -> list[StoredAlert]:
    """Return what a receiver is to be told: what it doesn't know, and what has fired on for `repeat_s` since.

    What was over more than a day ago is nobody's concern any more.
    """
    rows = client.query(
        f"SELECT {_selected()} FROM (SELECT * FROM segment_alerts FINAL) AS a "  # noqa: S608 - columns of ours
        "LEFT JOIN (SELECT fingerprint, starts_at, status, max(delivered_at) AS told_at FROM alert_deliveries "
        "WHERE receiver = {receiver:String} GROUP BY fingerprint, starts_at, status) AS d "
        "ON a.fingerprint = d.fingerprint AND a.starts_at = d.starts_at AND a.status = d.status "
        "WHERE (d.fingerprint = '' AND (a.status = 'firing' OR a.updated_at > now() - INTERVAL 1 DAY)) "
        "OR (d.fingerprint != '' AND a.status = 'firing' AND d.told_at < now64(3) - toIntervalSecond({repeat:UInt32})) "
        "ORDER BY a.starts_at, a.fingerprint",
        parameters={"receiver": receiver, "repeat": repeat_s},
    ).result_rows
    return [alert_of(row) for row in rows]


def save_deliveries(client: Client, receiver: str, alerts: Sequence[StoredAlert]) -> None:
    """Note that a receiver has been told of alerts."""
    if alerts:
        client.insert(
            "alert_deliveries",
            [[receiver, alert.fingerprint, _time(alert.starts_at_us), alert.status] for alert in alerts],
            column_names=["receiver", "fingerprint", "starts_at", "status"],
        )


def _selected() -> str:
    """Return the columns as `alert_of` reads them."""
    return ", ".join(f"toUnixTimestamp64Micro(toDateTime64({c}, 6, 'UTC'))" if c in _TIMES else c for c in _COLUMNS)


def alert_of(row: Sequence[Any]) -> StoredAlert:
    """Read a row of `_selected`."""
    fields = {f"{name}_us" if name in _TIMES else name: value for name, value in zip(_COLUMNS, row, strict=True)}
    fields["silenced"] = bool(fields["silenced"])
    fields["moved"] = {name: (pair["before"], pair["now"]) for name, pair in fields["moved"].items()}
    return StoredAlert(**fields)


def _row(alert: StoredAlert) -> list[Any]:
    values = [getattr(alert, f"{name}_us" if name in _TIMES else name) for name in _COLUMNS]
    shown = [_time(value) if name in _TIMES else value for name, value in zip(_COLUMNS, values, strict=True)]
    return [*shown, alert.version]


def _time(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us / 1e6, UTC)
