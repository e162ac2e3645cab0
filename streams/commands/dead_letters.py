"""What was refused: shown, or sent again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from streams.replay.again import replay_letters
from streams.settings import Settings
from streams.storage.client import connect
from streams.storage.dead_letters import Selection, count_by_reason, selected_letters

__all__ = ["dead_letters", "dead_letters_text", "replay_dead_letters"]

_SHOWN_BYTES = 120


def dead_letters(settings: Settings, selection: Selection, limit: int) -> dict[str, Any]:
    """Return counts by reason, and the newest letters."""
    with connect(settings, reader=True) as client:
        newest = selected_letters(client, selection, limit)
        return {
            "reasons": count_by_reason(client, selection),
            "newest": [
                {
                    "at": datetime.fromtimestamp(letter.at_ms / 1000, UTC).isoformat(timespec="milliseconds"),
                    "reason": letter.reason,
                    "place": f"{letter.topic}[{letter.partition}] offset {letter.offset}, event {letter.index}",
                    "value": letter.value[:_SHOWN_BYTES].decode("utf-8", "replace"),
                }
                for letter in newest
            ],
        }


def dead_letters_text(found: dict[str, Any]) -> str:
    """Show them."""
    counts = [f"{count:>10,}  {reason}" for reason, count in found["reasons"].items()]
    lines = [f"{row['at']}  {row['reason']:18} {row['place']}: {row['value']}" for row in found["newest"]]
    return "\n".join([*counts, *([""] if counts else []), *lines]) or "no dead letters"


def replay_dead_letters(
    settings: Settings,
    selection: Selection,
    *,
    rate: float,
    dry_run: bool,
    stop: threading.Event,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Send dead letters again."""

    def progress(sent: int) -> None:
        say(f"{sent:,} dead letters sent again")

    sent = replay_letters(settings, selection, per_second=rate, dry_run=dry_run, stop=stop, progress=progress)
    return {"letters": sent, "dry_run": dry_run}
