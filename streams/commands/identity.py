"""What is ordered about who is who."""

from __future__ import annotations

from typing import Any

from streams.contract.persons import ANONYMOUS
from streams.errors import InputError
from streams.roles.orders import order_split
from streams.serving.people import holder_of, links_of
from streams.settings import Settings
from streams.storage.client import connect

__all__ = ["split"]


def split(settings: Settings, anonymous: str, *, undo: bool) -> dict[str, Any]:
    """Order that an anonymous id is a person of its own from now on.

    Raises
    ------
    InputError
        It is no anonymous id, or belongs to nobody.
    """
    with connect(settings, reader=True) as client:
        if not anonymous.startswith(ANONYMOUS):
            merged = [link["anonymous"] for link in links_of(client, anonymous) if link["what"] == "merged"]
            msg = (
                f"{anonymous!r} is no anonymous id, which begins with {ANONYMOUS!r}. "
                f"Merged into it are {', '.join(merged) or 'none'}"
            )
            raise InputError(msg)
        holder = holder_of(client, anonymous)
    if not holder:
        msg = f"{anonymous!r} belongs to nobody; there is nothing to split"
        raise InputError(msg)
    order_split(settings, anonymous, undo=undo)
    return {"anonymous": anonymous, "from": holder, "undo": undo}
