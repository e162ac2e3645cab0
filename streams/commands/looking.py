"""What is there: queries, people, segments, roles, and what was examined."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from clickhouse_connect.driver.exceptions import ClickHouseError

from streams.errors import InputError
from streams.serving.people import links_of, person_of
from streams.serving.segments import SegmentCard, segment_cards, segmentation_names
from streams.settings import Settings
from streams.storage.client import connect
from streams.telemetry import read_statuses

__all__ = ["doctor_text", "profile", "segments", "segments_text", "sql", "status", "status_text"]

#: A role that works writes its status twice a second.
_SILENT_S = 10.0


def sql(settings: Settings, query: str, form: str) -> str:
    """Run a query as the reading user.

    Raises
    ------
    InputError
        ClickHouse refused it; the message is ClickHouse's.
    """
    with connect(settings, reader=True) as client:
        try:
            found: bytes = client.raw_query(
                query, fmt=form, settings={} if settings.clickhouse.reader_user else {"readonly": "1"}
            )
        except ClickHouseError as error:
            msg = f"ClickHouse refused the query: {str(error).splitlines()[0]}"
            raise InputError(msg) from error
    return found.decode("utf-8", "replace")


def status(settings: Settings) -> dict[str, Any]:
    """Return what each running role says of itself."""
    roles = read_statuses(settings.run_dir)
    return {"data_dir": str(settings.data), "roles": roles}


def status_text(found: dict[str, Any]) -> str:
    """Show it."""
    lines = []
    for name, fields in found["roles"].items():
        numbers = [f"{k} {v:,}" for k, v in fields.items() if isinstance(v, int) and k not in {"pid", "idle"}]
        silent_s = time.time() - fields["updated"]
        state = fields["state"] if silent_s < _SILENT_S else f"silent for {silent_s:,.0f} s (it was {fields['state']})"
        lines.append(f"{name:14} {state:9} pid {fields['pid']}  {'  '.join(numbers)}")
    return "\n".join(lines) or f"no role runs in {found['data_dir']}; start them with `userprism up`"


def doctor_text(checks: Sequence[dict[str, Any]]) -> str:
    """Show what was examined."""
    return "\n".join(f"{'ok  ' if check['ok'] else 'FAIL'} {check['name']}: {check['said']}" for check in checks)


def profile(settings: Settings, profile_id: str) -> dict[str, Any]:
    """Return one person, by any of their ids, and how these came together.

    Raises
    ------
    InputError
        Nobody has that id.
    """
    with connect(settings, reader=True) as client:
        person = person_of(client, profile_id)
        rows = list(
            client.query(
                "SELECT * FROM current_profiles WHERE profile_id = {id:String}", parameters={"id": person}
            ).named_results()
        )
        links = links_of(client, person)
    if not rows:
        msg = f"no profile {profile_id!r}; an anonymous person's id is anon: and the anonymousId"
        raise InputError(msg)
    return {**rows[0], "links": links}


def segments(settings: Settings, segmentation: str = "") -> list[SegmentCard]:
    """Return the cards of a segmentation, the first one if none is named.

    Raises
    ------
    InputError
        There is none of that name.
    """
    with connect(settings, reader=True) as client:
        if segmentation and segmentation not in (names := segmentation_names(client)):
            msg = f"no segmentation {segmentation!r}; there are {names}. They are declared as [[segmentation]]"
            raise InputError(msg)
        return segment_cards(client, segmentation)


def segments_text(cards: Sequence[SegmentCard]) -> str:
    """Show them."""
    lines = []
    for card in cards:
        name = "unlike the others" if card.segment == -1 else f"segment {card.segment}"
        lines.append(f"{name}: {card.people:,} people, {card.events:,} events")
        for title, entries in (("categories", card.categories), ("actions", card.actions), ("traits", card.traits)):
            if entries:
                lines.append(f"  {title:11}" + ", ".join(f"{name} (lift {lift:.2f})" for name, lift in entries))
    return "\n".join(lines) or "no segments yet"
