"""Shifts of segments: what other knobs would have told of, and what isn't to be sent for a while."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from streams.control.lookout import Lookout
from streams.control.shifts import names_of
from streams.errors import InputError
from streams.profiles.features import microseconds
from streams.settings import Settings, ShiftSettings
from streams.storage.alerts import StoredAlert
from streams.storage.client import connect
from streams.storage.shifts import basis_versions, read_intervals, sizes_at
from streams.storage.silences import Silence, expire_silence, save_silence, silences

__all__ = [
    "add_silence",
    "backtest",
    "backtest_text",
    "end_silence",
    "listed_silences",
    "listed_silences_text",
    "matchers_of",
]

_ID_BYTES = 4


def backtest(settings: Settings, segmentation: str, since: datetime, knobs: Mapping[str, Any]) -> dict[str, Any]:
    """Judge what is stored again, with other knobs; nothing is written and nobody is told.

    Parameters
    ----------
    segmentation : str
        Which one; the first if empty.
    since : datetime
        Alerts that began before it aren't shown; the weeks before it are the baseline all the same.
    knobs : mapping
        Fields of `ShiftSettings` that differ from the configured ones.

    Returns
    -------
    dict
        ``intervals`` that were judged since then, ``from`` and ``until``, the ``settings`` used, and ``alerts``, each
        with what it is about, when it began, when it was told of and when it was over (None: it still fires).

    Raises
    ------
    InputError
        There is no such segmentation, or nothing is known of its intervals.
    """
    name = segmentation or settings.segmentation.name
    known = [one.name for one in settings.segmentations]
    if name not in known:
        msg = f"there is no segmentation {name!r}; those declared are {', '.join(known)}"
        raise InputError(msg)
    shifts = msgspec.convert(msgspec.to_builtins(settings.shifts) | dict(knobs), ShiftSettings)
    interval_us = shifts.interval_s * 1_000_000
    first = int(since.timestamp() * 1e6) // interval_us
    with connect(settings, reader=True) as client:
        names = names_of(settings, name)
        rows = read_intervals(client, name, shifts.interval_s, Lookout.first_of_history(first, shifts.interval_s))
        if not rows:
            msg = (
                f"nobody was active in {name!r} in intervals of {shifts.interval_s} s since "
                f"{since.isoformat(timespec='minutes')}; table segment_stats has what is stored, shifts.interval_s how "
                "long an interval is"
            )
            raise InputError(msg)
        lookout = Lookout(name, shifts, lambda version: sizes_at(client, names, version))
        lookout.take(rows, basis_versions(client, names))
        last = rows[-1].number
        found: dict[tuple[str, int], dict[str, Any]] = {}
        for number, told in lookout.judge_until(last):
            for alert in told:
                if alert.starts_at_us >= first * interval_us:
                    _note(found, alert, (number + 1) * interval_us)
    return {
        "segmentation": name,
        "from": _time(max(first, rows[0].number) * interval_us),
        "until": _time((last + 1) * interval_us),
        "intervals": last - max(first, rows[0].number) + 1,
        "settings": msgspec.to_builtins(shifts),
        "alerts": list(found.values()),
    }


def backtest_text(found: Mapping[str, Any]) -> str:
    """Show it, one alert a line."""
    lines = [
        f"{one['starts_at'][:16]}  told {one['told_at'][:16]}  {(one['ends_at'] or 'still fires')[:16]:16}  "
        f"{one['alertname']}: {one['summary']} ({one['description']})"
        for one in found["alerts"]
    ]
    knobs = found["settings"]
    last = (
        f"{len(lines)} alerts in {found['intervals']:,} intervals of {knobs['interval_s']:,} s, {found['from'][:16]} "
        f"to {found['until'][:16]}, false_alarm_every {knobs['false_alarm_every']}, floor {knobs['floor']}"
    )
    return "\n".join([*lines, *([""] if lines else []), last])


def matchers_of(texts: Sequence[str]) -> dict[str, str]:
    """Read ``label=value`` of Alertmanager's silences; all of them have to match.

    Raises
    ------
    InputError
        None is given, or one isn't written so. Regular expressions aren't taken.
    """
    found: dict[str, str] = {}
    for text in texts:
        label, equals, value = text.partition("=")
        if not equals or not label.strip().isidentifier() or value.startswith("~"):
            msg = f"{text!r} must be label=value, e.g. alertname=SegmentShareShift or segment=12"
            raise InputError(msg)
        found[label.strip()] = value.strip().strip('"')
    if not found:
        msg = "say what is to be silenced, e.g. segmentation=interest: without a matcher it would be everything"
        raise InputError(msg)
    return found


def add_silence(settings: Settings, matchers: Mapping[str, str], duration: str, comment: str) -> dict[str, Any]:
    """Hold alerts back from webhooks for a while; return the silence's id and when it ends.

    Raises
    ------
    InputError
        The duration isn't one.
    """
    seconds = microseconds(duration, "--duration") / 1e6
    silence_id = secrets.token_hex(_ID_BYTES)
    with connect(settings) as client:
        save_silence(client, silence_id, matchers, seconds, comment)
        (made,) = [one for one in silences(client) if one.silence_id == silence_id]
    return _silence(made)


def listed_silences(settings: Settings, *, ended: bool) -> list[dict[str, Any]]:
    """Return the silences that hold, or with `ended` all there were."""
    now = datetime.now(UTC)
    with connect(settings, reader=True) as client:
        return [_silence(one) for one in silences(client) if ended or one.holds(now)]


def listed_silences_text(found: Sequence[Mapping[str, Any]]) -> str:
    """Show them."""
    lines = [
        f"{one['id']}  until {one['ends_at'][:19]}  {' '.join(f'{k}={v}' for k, v in one['matchers'].items())}  "
        f"{one['comment']}".rstrip()
        for one in found
    ]
    return "\n".join(lines) or "no silences; make one with `userprism silences add segment=12 --duration 2h`"


def end_silence(settings: Settings, silence_id: str) -> dict[str, Any]:
    """End a silence now: what still fires is sent within seconds.

    Raises
    ------
    InputError
        None that holds has this id.
    """
    now = datetime.now(UTC)
    with connect(settings) as client:
        for one in silences(client):
            if one.silence_id == silence_id and one.holds(now):
                expire_silence(client, one)
                return {"id": silence_id, "expired": True}
    msg = f"no silence that holds has the id {silence_id!r}; `userprism silences list` shows them"
    raise InputError(msg)


def _note(found: dict[tuple[str, int], dict[str, Any]], alert: StoredAlert, told_us: int) -> None:
    """Keep when an alert was told of first, what it said at its largest, and when it was over."""
    key = alert.fingerprint, alert.starts_at_us
    one = found.setdefault(
        key,
        {
            "alertname": alert.alertname, "fingerprint": alert.fingerprint, "segments": list(alert.segments),
            "starts_at": _time(alert.starts_at_us), "told_at": _time(told_us), "ends_at": None, "size": 0.0,
        },
    )  # fmt: skip
    if alert.size >= one["size"]:
        one.update(
            size=alert.size,
            p_value=alert.p_value,
            summary=alert.annotations["summary"],
            description=alert.annotations["description"],
        )
    if alert.status == "resolved":
        one["ends_at"] = _time(alert.ends_at_us)


def _silence(silence: Silence) -> dict[str, Any]:
    return {
        "id": silence.silence_id,
        "matchers": dict(silence.matchers),
        "starts_at": silence.starts_at.isoformat(),
        "ends_at": silence.ends_at.isoformat(),
        "comment": silence.comment,
    }


def _time(us: int) -> str:
    return datetime.fromtimestamp(us / 1e6, UTC).isoformat(timespec="seconds")
