"""Alerts in their table: one row each, whatever is written again or comes late."""

from __future__ import annotations

from dataclasses import replace

from streams.settings import Settings
from streams.storage import connect, initialise
from streams.storage.alerts import EVERYTHING, StoredAlert, firing_alerts, save_alerts

HOUR_US = 3_600_000_000
ALERT = StoredAlert(
    fingerprint="00c0ffee00c0ffee",
    starts_at_us=1_700_000_000_000_000,
    status="firing",
    last_at_us=1_700_000_000_000_000 + HOUR_US,
    ends_at_us=0,
    alertname="SegmentShareShift",
    segmentation="interest",
    segment=4,
    segments=[4, 2],
    severity="warning",
    confidence=0.9999,
    p_value=1e-6,
    size=0.08,
    share_before={4: 0.1, 2: 0.3},
    share_now={4: 0.18, 2: 0.22},
    moved={"category/sale": (0.2, 0.4)},
    model_version=7,
    labels={"alertname": "SegmentShareShift", "segmentation": "interest"},
    annotations={"summary": "up"},
)


def test_an_alert_is_one_row_from_first_to_last(settings: Settings) -> None:
    initialise(settings)
    later = replace(ALERT, last_at_us=ALERT.last_at_us + HOUR_US, size=0.1)
    other = replace(
        ALERT, fingerprint="1", segment=EVERYTHING, segmentation="value", starts_at_us=ALERT.starts_at_us + 1_000
    )
    over = replace(later, status="resolved", ends_at_us=later.last_at_us)
    with connect(settings) as client:
        save_alerts(client, [])
        save_alerts(client, [later, other])
        save_alerts(client, [ALERT])  # of a judge who was late
        assert firing_alerts(client) == [later, other]
        assert firing_alerts(client, "value") == [other]
        save_alerts(client, [over, later])
        assert firing_alerts(client) == [other]
        shown = client.query("SELECT fingerprint FROM firing_alerts").result_rows
        assert shown == [("1",)]
        ends = client.query(
            "SELECT toUnixTimestamp64Milli(ends_at) FROM segment_alerts FINAL WHERE status = 'resolved'"
        )
        assert ends.result_rows == [(over.ends_at_us // 1000,)]
