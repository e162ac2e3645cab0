"""Another encoder for the stream, and back, while everything runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from encoders import EncoderError, content_space
from streams.errors import InputError
from streams.settings import Settings
from streams.storage.client import connect
from streams.storage.encoders import ChosenEncoder, active_encoder, earlier_encoder, want_encoder
from streams.telemetry import read_statuses

__all__ = ["roll_back", "switch_encoder", "switch_text"]

Say = Callable[[str], None]

_LOOK_S = 0.5


def switch_encoder(
    settings: Settings, text: str, image: str, *, wait: bool, stop: threading.Event, say: Say
) -> dict[str, Any]:
    """Ask for another encoder of content; with `wait` until roles on this machine use it.

    Raises
    ------
    InputError
        It isn't installed, is of a kind that doesn't go there, or has too few directions for the interest part.
    """
    try:
        space = content_space(text, image, settings.encoder.models_dir or None)
        space.projection(settings.segmentation.interest_dim)
    except EncoderError as error:
        raise InputError(str(error)) from error
    return _change(settings, text, image, space.space_id, wait=wait, stop=stop, say=say)


def roll_back(settings: Settings, *, wait: bool, stop: threading.Event, say: Say) -> dict[str, Any]:
    """Ask for the encoder that was active before; its vectors are still there, so only what is new since is read.

    Raises
    ------
    InputError
        There was none before.
    """
    with connect(settings) as client:
        earlier = earlier_encoder(client)
    if earlier is None:
        msg = "no other encoder was active before; `userprism encoders switch ID` changes to another one"
        raise InputError(msg)
    return _change(settings, earlier.text, earlier.image, earlier.space_id, wait=wait, stop=stop, say=say)


def switch_text(done: dict[str, Any]) -> str:
    """Show it."""
    state = "is active now" if done["active"] else "is wanted; it becomes active when it has read the catalogue"
    return f"{done['space_id']} (version {done['version']}) {state}; before it was {done['before'] or 'none'}"


def _change(
    settings: Settings, text: str, image: str, space_id: str, *, wait: bool, stop: threading.Event, say: Say
) -> dict[str, Any]:
    with connect(settings) as client:
        before = active_encoder(client)
        if before is not None and before.space_id == space_id:
            return _told(before, before, active=True)
        configured = f"{settings.encoder.text} {settings.encoder.image}".strip()
        wanted = want_encoder(client, text, image, space_id, configured)
        active = False
        while wait and not active and not stop.wait(_LOOK_S):
            now = active_encoder(client)
            spaces = [fields["space"] for fields in read_statuses(settings.run_dir).values() if "space" in fields]
            chosen = now is not None and now.version >= wanted.version
            active = chosen and bool(spaces) and set(spaces) == {space_id}
            if chosen and not active:
                say(f"{space_id} is active; roles here use {', '.join(sorted(set(spaces))) or 'nothing: none runs'}")
        return _told(wanted, before, active=active)


def _told(chosen: ChosenEncoder, before: ChosenEncoder | None, *, active: bool) -> dict[str, Any]:
    return {
        "version": chosen.version,
        "space_id": chosen.space_id,
        "before": before.space_id if before else "",
        "active": active,
    }
