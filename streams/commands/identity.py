"""What is ordered about who is who."""

from __future__ import annotations

from typing import Any

from streams.contract.persons import ANONYMOUS
from streams.errors import InputError
from streams.roles.orders import order_split
from streams.serving.people import holder_of, newest_of
from streams.settings import Settings
from streams.storage.client import connect

__all__ = ["split", "split_text"]

#: What an undo gives back to the id and takes out of the user, and what stays with the user as it is.
_RESTORED = ("counts", "sums", "averages", "decayed activity")
_NOT_RESTORED = ("sessions", "first and last times", "traits", "touches of content", "events since the merge")
_EVERYTHING = ("everything it did before",)


def split(settings: Settings, profile_id: str, *, undo: bool) -> dict[str, Any]:
    """Order that an anonymous id is a person of its own from now on; of a user it is the one that was merged last.

    Returns
    -------
    dict
        The id, the user it leaves, what it takes along (`restored`) and what stays with the user (`not_restored`).

    Raises
    ------
    InputError
        It belongs to nobody, or nothing is merged into that user.
    """
    with connect(settings, reader=True) as client:
        if profile_id.startswith(ANONYMOUS):
            anonymous, holder = profile_id, holder_of(client, profile_id)
        else:
            anonymous, holder = newest_of(client, profile_id), profile_id
    if not holder:
        msg = f"{anonymous!r} belongs to nobody; there is nothing to split"
        raise InputError(msg)
    if not anonymous:
        msg = f"nothing is merged into {holder!r}; an anonymous person's id begins with {ANONYMOUS!r}"
        raise InputError(msg)
    order_split(settings, anonymous, undo=undo)
    return {
        "anonymous": anonymous,
        "from": holder,
        "undo": undo,
        "restored": list(_RESTORED) if undo else [],
        "not_restored": list(_NOT_RESTORED if undo else _EVERYTHING),
    }


def split_text(done: dict[str, Any]) -> str:
    """Say it."""
    who, user = done["anonymous"], done["from"]
    lines = [f"{who} is split from {user} as soon as the profiler reads it, and never goes there again"]
    if done["restored"]:
        lines.append(f"it takes back the {', '.join(done['restored'])} of before the merge")
    return "\n".join([*lines, f"stays with {user}: {', '.join(done['not_restored'])}"])
