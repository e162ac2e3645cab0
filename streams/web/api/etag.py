"""Answers that haven't changed aren't sent again: a weak ETag over what is said, the time of saying it left out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

__all__ = ["TaggedRoute"]


class TaggedRoute(APIRoute):
    """A route whose JSON answers carry an ETag, and that answers 304 to who has them."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler."""
        handle = super().get_route_handler()

        async def tagged(request: Request) -> Response:
            response = await handle(request)
            body = getattr(response, "body", b"")
            if request.method != "GET" or response.status_code != 200 or not body:
                return response
            tag = _tag(bytes(body))
            headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
            known = [one.strip() for one in request.headers.get("if-none-match", "").split(",")]
            if tag in known or tag.removeprefix("W/") in known:
                return Response(status_code=304, headers=headers)
            response.headers.update(headers)
            return response

        return tagged


def _tag(body: bytes) -> str:
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    if isinstance(said, dict) and "at" in said:
        body = json.dumps({name: value for name, value in said.items() if name != "at"}).encode()
    return f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
