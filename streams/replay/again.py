"""Dead letters sent again, each refused event by itself, with a header that counts how often."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta

from streams.contract import Reason, profile_id_of
from streams.contract.control import id_hash
from streams.contract.dead_letters import DeadLetter
from streams.contract.tolerant import event_at
from streams.errors import InputError
from streams.outbox import Outbox
from streams.profiles.features import microseconds
from streams.settings import Settings
from streams.storage.client import connect
from streams.storage.dead_letters import Selection, count_waiting, mark_replayed, waiting_letters
from streams.storage.erasures import suppressed_hashes

__all__ = ["REPLAYS_HEADER", "replay_letters", "since_of"]

#: How often an event was sent again; it stays with the event if that is refused once more.
REPLAYS_HEADER = "userprism-replays"
_FLUSH_S = 30.0
#: Found before a value is unpacked: a batch that was refused for these has no event that was accepted.
_OF_WHOLE_VALUES = frozenset({Reason.TOO_LARGE, Reason.INVALID_UTF8, Reason.MALFORMED_JSON, Reason.TOO_DEEP})


def since_of(text: str) -> datetime:
    """Read `--since`: a duration back from now (``2h``), or a moment in ISO 8601; nothing means from the beginning.

    Raises
    ------
    InputError
        It is neither.
    """
    if not text:
        return datetime(1970, 1, 1, tzinfo=UTC)
    if text[-1] in "smhdw" and text[:-1].replace(".", "", 1).isdigit():
        return datetime.now(UTC) - timedelta(microseconds=microseconds(text, "--since"))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        msg = f"--since {text!r} must be a duration such as 2h, or a moment such as 2026-01-31T12:00:00Z"
        raise InputError(msg) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def replay_letters(
    settings: Settings, selection: Selection, *, per_second: float, dry_run: bool, stop: threading.Event,
    progress: Callable[[int], None] = lambda sent: None,
) -> int:  # fmt: skip
    """Send the selected letters that weren't sent again yet; return how many.

    A page of letters is sent, acknowledged, and then noted as sent: a crash between the two sends that page twice, and
    a messageId makes the second one a duplicate as long as the dedup window is open.
    """
    sent, started = 0, time.monotonic()
    with connect(settings) as client:
        if dry_run:
            return count_waiting(client, selection)
        outbox, hashes = Outbox(settings), suppressed_hashes(client)
        for page in waiting_letters(client, selection):
            for letter in page:
                if _suppressed(letter, hashes):
                    continue
                outbox.send(letter.topic, _event(letter), letter.key, headers=_headers(letter))
                sent += 1
                if per_second:
                    time.sleep(max(0.0, started + sent / per_second - time.monotonic()))
            outbox.flush(_FLUSH_S)
            mark_replayed(client, page, [_replays(letter) + 1 for letter in page])
            progress(sent)
            if stop.is_set():
                break
    return sent


def _event(letter: DeadLetter) -> bytes:
    """Return the refused event alone: its neighbours in the same value were accepted long ago.

    What was refused as a whole is sent as a whole.
    """
    if letter.reason in _OF_WHOLE_VALUES:
        return letter.value
    alone = event_at(letter.value, letter.index)
    return letter.value if alone is None else json.dumps(alone, ensure_ascii=False).encode("utf-8", "replace")


def _suppressed(letter: DeadLetter, hashes: Collection[str]) -> bool:
    """Whether an event is of somebody who is not to come back."""
    if not hashes:
        return False
    try:
        event = json.loads(_event(letter))
    except (ValueError, RecursionError):
        return False
    who = profile_id_of(event.get("userId"), event.get("anonymousId")) if isinstance(event, dict) else ""
    return bool(who) and id_hash(who) in hashes


def _replays(letter: DeadLetter) -> int:
    counted = [text for name, text in letter.headers if name == REPLAYS_HEADER]
    return int(counted[-1] or b"0") if counted and (counted[-1] or b"0").isdigit() else 0


def _headers(letter: DeadLetter) -> list[tuple[str, bytes | None]]:
    others = [(name, text) for name, text in letter.headers if name != REPLAYS_HEADER]
    return [*others, (REPLAYS_HEADER, str(_replays(letter) + 1).encode())]
