"""Tokens of the API: made, shown, revoked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streams.settings import Settings
from streams.storage.client import connect
from streams.storage.tokens import create_token, revoke_tokens
from streams.storage.tokens import tokens as stored_tokens

__all__ = ["NOTICED_WITHIN_S", "create", "listed", "listed_text", "revoke"]

#: The API asks for tokens so often.
NOTICED_WITHIN_S = 5


def create(settings: Settings, name: str, scopes: Sequence[str], days: int) -> dict[str, Any]:
    """Return the new token with what it may do."""
    with connect(settings) as client:
        token = create_token(client, name, scopes, days)
    return {"name": name, "scopes": list(scopes), "days": days, "token": token}


def listed(settings: Settings) -> list[dict[str, Any]]:
    """Return what is known of each token."""
    with connect(settings) as client:
        return [
            {
                "name": token.name,
                "scopes": list(token.scopes),
                "created_at": token.created_at,
                "expires_at": token.expires_at,
                "revoked": token.revoked,
            }
            for token in stored_tokens(client)
        ]


def listed_text(found: Sequence[dict[str, Any]]) -> str:
    """Show them."""
    lines = [
        f"{one['name']:24} {'+'.join(one['scopes']):12} "
        + ("revoked" if one["revoked"] else f"until {one['expires_at']:%Y-%m-%d}")
        for one in found
    ]
    return "\n".join(lines) or "no tokens; make one with `userprism tokens create NAME --scope read`"


def revoke(settings: Settings, name: str) -> dict[str, Any]:
    """Revoke all tokens of a name."""
    with connect(settings) as client:
        return {"name": name, "revoked": revoke_tokens(client, name)}
