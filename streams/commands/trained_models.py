"""The models of behaviour that profilers were given; and back to an earlier one, while everything runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import msgspec

from streams.errors import InputError
from streams.settings import Settings
from streams.storage.behaviour import BehaviourModel, behaviour_models, put_back, take_away
from streams.storage.client import connect
from streams.telemetry import read_statuses

__all__ = ["given_models", "list_text", "roll_back_model", "rollback_text"]

Say = Callable[[str], None]

_LOOK_S = 0.5


def given_models(settings: Settings) -> list[dict[str, Any]]:
    """Return every model that was given to profilers, newest first, with what its training measured."""
    with connect(settings, reader=True) as client:
        found = behaviour_models(client)
    newest = {model.anomaly: model.version for model in reversed(found)}
    return [
        {
            "version": model.version, "kind": model.kind, "space_id": model.space_id,
            "at": model.at.isoformat(timespec="seconds") if model.at else "",
            "counts": newest[model.anomaly] == model.version and bool(model.space_id),
            "figures": msgspec.json.decode(model.figures or "{}"),
        }
        for model in found
    ]  # fmt: skip


def list_text(found: list[dict[str, Any]]) -> str:
    """Show them."""
    if not found:
        return "no model of behaviour was trained yet; `userprism models train multdae` trains one"
    return "\n".join(
        f"{row['version']:>4}  {row['at'] or '-':25}  {row['kind']:9} {row['space_id'] or 'taken away'}"
        f"{'  (counts)' if row['counts'] else ''}"
        for row in found
    )


def roll_back_model(
    settings: Settings, *, anomaly: bool, to: int, wait: bool, stop: threading.Event, say: Say
) -> dict[str, Any]:
    """Let an earlier model count again; with `wait` until profilers on this machine use it.

    The earlier model is stored once more under a later version, so that whoever follows sees one more change, and the
    way there and back stays on record.

    Parameters
    ----------
    settings : Settings
        Where ClickHouse is, and the statuses of roles.
    anomaly : bool
        Whether the score of unusual people is meant; otherwise the model of baskets.
    to : int
        A version; 0 is the last one that differs from the one that counts, and no model when there is none.
    wait : bool
        Whether to wait.
    stop : threading.Event
        Ends the waiting.
    say : callable
        Told what is waited for.

    Raises
    ------
    InputError
        No model counts, or there is no such version of this sort.
    """
    sort = "score of unusual people" if anomaly else "model of baskets"
    with connect(settings) as client:
        models = [model for model in behaviour_models(client) if model.anomaly == anomaly]
        if not models:
            msg = f"no {sort} was trained yet; `userprism models train` trains one"
            raise InputError(msg)
        before = models[0]
        chosen = _chosen(models, to, sort)
        if chosen is not None and chosen.space_id == before.space_id:
            version = before.version
        elif chosen is None or not chosen.space_id:
            version = take_away(client, anomaly=anomaly)
        else:
            version = put_back(client, chosen.version)
    space = chosen.space_id if chosen else ""
    used = _wait(settings, "anomaly_model" if anomaly else "behaviour_model", space, stop, say) if wait else False
    return {"version": version, "space_id": space, "before": before.space_id, "used": used}


def rollback_text(done: dict[str, Any]) -> str:
    """Show it."""
    after = "is used now" if done["used"] else "profilers that run take it within seconds"
    return (
        f"{done['space_id'] or 'no model'} (version {done['version']}): {after}; "
        f"before it was {done['before'] or 'none'}"
    )


def _chosen(models: list[BehaviourModel], to: int, sort: str) -> BehaviourModel | None:
    if not to:
        return next((model for model in models if model.space_id != models[0].space_id), None)
    for model in models:
        if model.version == to:
            return model
    msg = f"no {sort} has version {to}; there are {', '.join(str(model.version) for model in models)}"
    raise InputError(msg)


def _wait(settings: Settings, field: str, space_id: str, stop: threading.Event, say: Say) -> bool:
    """Return True when every profiler here uses it, False when stopped before."""
    said = ""
    while True:
        used = [fields[field] for fields in read_statuses(settings.run_dir).values() if field in fields]
        if used and set(used) == {space_id}:
            return True
        text = ", ".join(sorted({one or "no model" for one in used})) or "nothing: none runs"
        if text != said:
            say(f"profilers here use {text}")
            said = text
        if stop.wait(_LOOK_S):
            return False
