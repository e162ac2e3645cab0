"""Alertmanager's webhook payload, version 4: what receivers made for Prometheus understand already.

Field by field: tests/control/webhook.json, and what it was compared with: tests/control/webhook.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from streams.storage.alerts import StoredAlert

__all__ = ["grouped", "payload"]

#: What Go writes for a time that isn't known: the end of an alert that fires.
_NEVER = "0001-01-01T00:00:00Z"


def grouped(alerts: Sequence[StoredAlert], by: Sequence[str]) -> list[tuple[dict[str, str], list[StoredAlert]]]:
    """Return alerts that share the values of some labels together, with these labels."""
    groups: dict[tuple[str, ...], list[StoredAlert]] = {}
    for alert in alerts:
        groups.setdefault(tuple(alert.labels.get(name, "") for name in by), []).append(alert)
    return [({n: v for n, v in zip(by, key, strict=True) if v}, group) for key, group in groups.items()]


def payload(
    receiver: str, group: Mapping[str, str], alerts: Sequence[StoredAlert], external_url: str = ""
) -> dict[str, Any]:
    """Return the object that is posted for one group of alerts, at least one."""
    pairs = ", ".join(sorted(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in group.items()))
    annotations = [{**alert.annotations, **_sure(alert)} for alert in alerts]
    return {
        "version": "4",
        "groupKey": "{}:{" + pairs + "}",
        "truncatedAlerts": 0,
        "status": "firing" if any(alert.status == "firing" for alert in alerts) else "resolved",
        "receiver": receiver,
        "groupLabels": dict(group),
        "commonLabels": _common([alert.labels for alert in alerts]),
        "commonAnnotations": _common(annotations),
        "externalURL": external_url,
        "alerts": [
            {
                "status": alert.status,
                "labels": dict(alert.labels),
                "annotations": notes,
                "startsAt": _time(alert.starts_at_us),
                "endsAt": _time(alert.ends_at_us) if alert.ends_at_us else _NEVER,
                "generatorURL": external_url,
                "fingerprint": alert.fingerprint,
            }
            for alert, notes in zip(alerts, annotations, strict=True)
        ],
    }


def _sure(alert: StoredAlert) -> dict[str, str]:
    moved = "; ".join(f"{name}: {before:.3g} -> {now:.3g}" for name, (before, now) in alert.moved.items())
    return {"p_value": f"{alert.p_value:.3g}", "size": f"{alert.size:.3g}", **({"moved": moved} if moved else {})}


def _common(given: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {n: v for n, v in given[0].items() if all(one.get(n) == v for one in given)}


def _time(at_us: int) -> str:
    """Return a time as Go's RFC3339Nano has it: no more digits of a second than there are."""
    seconds, rest_us = divmod(at_us, 1_000_000)
    digits = f".{rest_us:06}".rstrip("0").rstrip(".")
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + digits + "Z"
