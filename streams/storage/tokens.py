"""API tokens: made once, shown once, kept as hashes."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from clickhouse_connect.driver.client import Client

from streams.errors import InputError

__all__ = ["SCOPES", "Token", "create_token", "revoke_tokens", "token_hash", "tokens"]

#: read: ask everything; write: what is recorded as well (a decision, a reward).
SCOPES = ("read", "write")
_PREFIX = "upt_"


@dataclass(frozen=True, slots=True)
class Token:
    """A row of `api_tokens`, as it is now; times aware."""

    token_hash: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    revoked: bool

    def allows(self, scope: str, now: datetime) -> bool:
        """Whether it may be used for `scope` at `now`."""
        return self.valid(now) and scope in self.scopes

    def valid(self, now: datetime) -> bool:
        """Whether it may be used at all."""
        return not self.revoked and now < self.expires_at


def token_hash(token: str) -> str:
    """Return the hash that is stored: a token has 256 random bits, so one round of SHA-256 can't be guessed back."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def create_token(client: Client, name: str, scopes: Sequence[str], days: int) -> str:
    """Store a new token and return it; nobody can read it again.

    Raises
    ------
    InputError
        A scope that doesn't exist, or a name that a valid token has.
    """
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        msg = f"scopes {unknown or list(scopes)} must be some of {', '.join(SCOPES)}"
        raise InputError(msg)
    now = datetime.now(UTC)
    if any(token.name == name and token.valid(now) for token in tokens(client)):
        msg = f"there is a token {name!r} already; revoke it first, or choose another name"
        raise InputError(msg)
    token = _PREFIX + secrets.token_urlsafe(32)
    made = Token(token_hash(token), name, tuple(dict.fromkeys(scopes)), now, now + timedelta(days=days), revoked=False)
    _save(client, made)
    return token


def revoke_tokens(client: Client, name: str) -> int:
    """Revoke all tokens of a name and return how many; the API notices within seconds.

    Raises
    ------
    InputError
        No valid token has that name.
    """
    now = datetime.now(UTC)
    found = [token for token in tokens(client) if token.name == name and token.valid(now)]
    if not found:
        msg = f"no valid token is named {name!r}; `userprism tokens list` shows them"
        raise InputError(msg)
    for token in found:
        _save(client, Token(token.token_hash, name, token.scopes, token.created_at, token.expires_at, revoked=True))
    return len(found)


def tokens(client: Client) -> list[Token]:
    """Return all tokens, the newest first."""
    found = client.query(
        "SELECT token_hash, name, scopes, created_at, expires_at, revoked FROM api_tokens FINAL "
        "ORDER BY created_at DESC, name"
    ).result_rows
    return [
        Token(of, name, tuple(scopes), created.replace(tzinfo=UTC), expires.replace(tzinfo=UTC), bool(revoked))
        for of, name, scopes, created, expires, revoked in found
    ]


def _save(client: Client, token: Token) -> None:
    names = ["token_hash", "name", "scopes", "created_at", "expires_at", "revoked"]
    row = [token.token_hash, token.name, list(token.scopes), token.created_at, token.expires_at, int(token.revoked)]
    client.insert("api_tokens", [row], column_names=names)
