"""Alerts as they begin, go on and end: from what holds in each window to what people are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from streams.control.watcher import EVERYTHING, Finding
from streams.storage.alerts import StoredAlert

__all__ = ["Book", "fingerprint"]

#: An alert ends when nothing of it was seen for so many intervals; what has fired for a week is what is usual now.
CALM = 4
_USUAL_S = 7 * 86_400
#: Alerts that say something once: a window in which they hold again begins another one only after this long.
_DAILY = frozenset({"SegmentDrift", "SegmentAppeared", "SegmentVanished"})
_PRIME, _OFFSET, _MASK = 1_099_511_628_211, 14_695_981_039_346_656_037, (1 << 64) - 1


def fingerprint(labels: Mapping[str, str]) -> str:
    """Return Alertmanager's fingerprint of a label set: FNV-1a over sorted names and values, each ended by 0xff."""
    digest = _OFFSET
    for name in sorted(labels):
        for byte in b"\xff".join((name.encode(), labels[name].encode(), b"")):
            digest = (digest ^ byte) * _PRIME & _MASK
    return f"{digest:016x}"


@dataclass(frozen=True, slots=True)
class _Open:
    alert: StoredAlert
    seen: int


class Book:
    """The alerts of one segmentation that fire.

    Parameters
    ----------
    segmentation : str
        Part of every alert's labels.
    interval_s : int
        Length of an interval.
    """

    def __init__(self, segmentation: str, interval_s: int) -> None:
        self._segmentation, self._interval_us = segmentation, interval_s * 1_000_000
        self._open: dict[str, _Open] = {}

    @property
    def shares_fire(self) -> bool:
        """Whether shares differ from the usual ones beyond doubt now: nothing is compared with these intervals."""
        return any(one.alert.alertname in {"SegmentShareShift", "SegmentSilence"} for one in self._open.values())

    @property
    def firing(self) -> list[StoredAlert]:
        """The alerts that fire, oldest first."""
        return sorted((one.alert for one in self._open.values()), key=lambda alert: alert.starts_at_us)

    def adopt(self, alerts: Sequence[StoredAlert]) -> None:
        """Go on with these alerts, and no others: what was told, and not what would be told today."""
        self._open = {a.fingerprint: _Open(a, a.last_at_us // self._interval_us - 1) for a in alerts}

    def close(self, number: int, found: Sequence[Finding], model_version: int) -> list[StoredAlert]:
        """Take in what holds in the windows that end with an interval; return the alerts that are told of it."""
        told = []
        held: dict[str, Finding] = {}
        for finding in found:
            key = fingerprint(self._labels(finding))
            before = held.get(key)
            if before is None or (finding.fires, -finding.p_value) > (before.fires, -before.p_value):
                held[key] = finding
        for key, finding in held.items():
            # A wide window still holds what has ended in its last interval; only those that end now keep an alert up.
            recent = any(f.first == number or f.kind in _DAILY for f in found if f.kind == finding.kind)
            now = self._open.get(key)
            if now is None and finding.fires:
                first_us = finding.first * self._interval_us
                self._open[key] = _Open(self._alert(key, finding, number, first_us, model_version), number)
                told.append(self._open[key].alert)
            elif now is not None and recent:
                alert = self._alert(key, finding, number, now.alert.starts_at_us, model_version)
                self._open[key] = _Open(alert, number)
                told.append(alert)
        return told + self._ended(number)

    def _ended(self, number: int) -> list[StoredAlert]:
        told = []
        for key, one in list(self._open.items()):
            long_us = (number + 1) * self._interval_us - one.alert.starts_at_us
            daily = one.alert.alertname in _DAILY
            patience = 86_400_000_000 // self._interval_us if daily else CALM
            if number - one.seen >= patience or long_us > _USUAL_S * 1_000_000:
                del self._open[key]
                ends_us = (one.seen + 1) * self._interval_us
                why = "it is over" if number - one.seen >= patience else "it is what is usual now"
                notes = {**one.alert.annotations, "ended": why}
                told.append(replace(one.alert, status="resolved", ends_at_us=ends_us, annotations=notes))
        return told

    def _labels(self, finding: Finding) -> dict[str, str]:
        labels = {"alertname": finding.kind, "segmentation": self._segmentation}
        if finding.segment != EVERYTHING:
            labels["segment"] = str(finding.segment)
        if finding.by:
            labels["by"] = finding.by
        severe = finding.kind == "SegmentSilence"
        return {**labels, "severity": "critical" if severe else "warning"}

    def _alert(self, key: str, finding: Finding, number: int, starts_us: int, model_version: int) -> StoredAlert:
        labels = self._labels(finding)
        return StoredAlert(
            fingerprint=key,
            starts_at_us=starts_us,
            status="firing",
            last_at_us=(number + 1) * self._interval_us,
            ends_at_us=0,
            alertname=finding.kind,
            segmentation=self._segmentation,
            segment=finding.segment,
            segments=list(finding.segments),
            severity=labels["severity"],
            confidence=1.0 - finding.p_value,
            p_value=finding.p_value,
            size=finding.size,
            share_before=dict(finding.before),
            share_now=dict(finding.now),
            model_version=model_version,
            labels=labels,
            annotations={"summary": _summary(finding), "description": _description(finding)},
        )


_SUMMARIES = {
    "SegmentShareShift": "shares of segments have shifted by {size:.1%} of the active people",
    "SegmentSilence": "{size:.0%} of the people who usually come are missing",
    "SegmentDrift": "segment {segment} has moved {size:.0%} of the way to its nearest neighbour",
    "SegmentInflow": "segment {segment} gains people ({size:.1%} of the active) as it hasn't in a week",
    "SegmentOutflow": "segment {segment} loses people ({size:.1%} of the active) as it hasn't in a week",
    "SegmentAppeared": "segment {segment} is new: {size:.1%} of the active people",
    "SegmentVanished": "segment {segment} has emptied: it was {size:.1%} of the active people",
    "SegmentNoise": "people unlike all others have changed by {size:.1%} of the active",
}


def _summary(finding: Finding) -> str:
    return _SUMMARIES[finding.kind].format(size=finding.size, segment=finding.segment)


def _description(finding: Finding) -> str:
    moved = [
        f"segment {s}: {finding.before.get(s, 0.0):.1%} -> {finding.now.get(s, 0.0):.1%}"
        for s in finding.segments
        if finding.kind not in {"SegmentDrift", "SegmentInflow", "SegmentOutflow"}
    ]
    moved += [
        f"people an interval: {finding.before.get(s, 0.0):,.0f} -> {finding.now.get(s, 0.0):,.0f}"
        for s in finding.segments
        if finding.kind in {"SegmentInflow", "SegmentOutflow"}
    ]
    return "; ".join([*moved, f"p = {finding.p_value:.1e}"])
