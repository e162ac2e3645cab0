"""Who may call the API: a bearer token with the scope that a route asks for."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated

from clickhouse_connect.driver.client import Client
from fastapi import HTTPException, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from streams.storage.tokens import Token, token_hash, tokens
from streams.web.api.limits import Buckets
from streams.web.live import Live

__all__ = ["TokenBook", "require"]

#: A token that was revoked is refused at the latest after so many seconds.
_KEEP_S = 5.0
#: Unknown tokens of one address a minute, and at once.
_GUESSES = (60, 40)
_scheme = HTTPBearer(auto_error=False, description="A token of `userprism tokens create`.")


def stored_tokens(client: Client) -> dict[str, Token]:
    """Return all tokens by hash: a hash that is looked up, not compared, tells nothing by the time it takes."""
    return {token.token_hash: token for token in tokens(client)}


class TokenBook:
    """Knows the tokens, some seconds late.

    Parameters
    ----------
    live : Live
        Asks ClickHouse.
    """

    def __init__(self, live: Live) -> None:
        self._live = live
        self._known: dict[str, Token] = {}
        self._asked_at = float("-inf")
        self._guesses = Buckets(*_GUESSES)

    async def find(self, token: str, address: str) -> Token | None:
        """Return what a token stands for, None: nothing (any more).

        Raises
        ------
        HTTPException
            429: too many unknown tokens from that address.
        """
        of, now = token_hash(token), time.monotonic()
        if of not in self._known:  # a new token works at once, but nobody has us ask for each guess
            wait = self._guesses.take(address, now)
            if wait:
                raise HTTPException(429, "too many unknown tokens", {"Retry-After": str(math.ceil(wait))})
        if of not in self._known or now - self._asked_at > _KEEP_S:
            self._known, self._asked_at = await self._live.ask_anew(stored_tokens), now
        found = self._known.get(of)
        return found if found is not None and found.valid(datetime.now(UTC)) else None


def require(scope: str) -> Callable[..., Awaitable[Token]]:
    """Return a dependency that lets nobody through whose token hasn't this scope."""

    async def check(
        request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Security(_scheme)]
    ) -> Token:
        if given is None:
            raise HTTPException(401, "a bearer token is required", {"WWW-Authenticate": "Bearer"})
        book: TokenBook = request.app.state.tokens
        token = await book.find(given.credentials, request.client.host if request.client else "")
        if token is None:
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise HTTPException(401, "the token is unknown, expired or revoked", challenge)
        if scope not in token.scopes:
            challenge = {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'}
            raise HTTPException(403, f"the token has no scope {scope!r}", challenge)
        return token

    return check
