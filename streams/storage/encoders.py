"""Which encoder reads content: the one that is active, the one that is wanted, and what it hasn't read yet."""

from __future__ import annotations

from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

from streams.contract import Content
from streams.storage.content import SAID, content_of

__all__ = [
    "ChosenEncoder",
    "activate",
    "active_encoder",
    "earlier_encoder",
    "unread_content",
    "want_encoder",
    "wanted_encoder",
]

_COLUMNS = "version, text, image, space_id, configured"


@dataclass(frozen=True, slots=True)
class ChosenEncoder:
    """One row of `encoder_versions`.

    Attributes
    ----------
    version : int
        Counts up; 0 is none.
    text, image : str
        Ids of encoders, `image` empty without one.
    space_id : str
        See `encoders.ContentSpace`.
    configured : str
        What the settings said when it was chosen: other settings call for another choice.
    """

    version: int
    text: str
    image: str
    space_id: str
    configured: str = ""


def active_encoder(client: Client) -> ChosenEncoder | None:
    """Return the encoder whose vectors count now; None before the first."""
    return _first(client, "active ORDER BY version DESC")


def wanted_encoder(client: Client) -> ChosenEncoder | None:
    """Return the encoder that shall follow the active one; None when nothing is wanted."""
    last = _first(client, "1 ORDER BY version DESC")
    active = active_encoder(client)
    return last if last is not None and (active is None or last.version > active.version) else None


def earlier_encoder(client: Client) -> ChosenEncoder | None:
    """Return the last encoder that was active before the active one, in another space; None without any."""
    active = active_encoder(client)
    if active is None:
        return None
    return _first(client, "active AND space_id != {space:String} ORDER BY version DESC", space=active.space_id)


def want_encoder(client: Client, text: str, image: str, space_id: str, configured: str) -> ChosenEncoder:
    """Ask for an encoder; whoever encodes prepares it and makes it active."""
    last = int(client.query("SELECT max(version) FROM encoder_versions").result_rows[0][0])
    chosen = ChosenEncoder(last + 1, text, image, space_id, configured)
    _insert(client, chosen, active=False)
    return chosen


def activate(client: Client, chosen: ChosenEncoder) -> None:
    """Let everybody change over to it: one row, so there is no state in between."""
    _insert(client, chosen, active=True)


def unread_content(client: Client, space_id: str, limit: int) -> list[Content]:
    """Return content that has no row in this space, or one of an earlier wording or picture; at most `limit`."""
    rows = client.query(
        f"SELECT content_id, {SAID} AS said FROM content FINAL GROUP BY content_id "  # noqa: S608 - a text of ours
        "HAVING (content_id, said.11) NOT IN "
        "(SELECT content_id, content_hash FROM content FINAL WHERE space_id = {space:String}) "
        "ORDER BY content_id LIMIT {limit:UInt32}",
        parameters={"space": space_id, "limit": limit},
    ).result_rows
    return [content_of(content_id, said) for content_id, said in rows]


def _first(client: Client, condition: str, **parameters: str) -> ChosenEncoder | None:
    rows = client.query(
        f"SELECT {_COLUMNS} FROM encoder_versions FINAL WHERE {condition} LIMIT 1",  # noqa: S608 - texts of this file
        parameters=parameters,
    ).result_rows
    return ChosenEncoder(*rows[0]) if rows else None


def _insert(client: Client, chosen: ChosenEncoder, *, active: bool) -> None:
    client.insert(
        "encoder_versions",
        [[chosen.version, chosen.text, chosen.image, chosen.space_id, chosen.configured, int(active)]],
        column_names=["version", "text", "image", "space_id", "configured", "active"],
    )
