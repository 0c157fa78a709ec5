"""Forms read in front of Quart: what they are, and how they are handed on to their page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypercorn.typing import ASGIReceiveCallable, ASGIReceiveEvent, HTTPScope
from quart import request
from werkzeug.http import parse_options_header

from hub.errors import BadParameter, NotAuthorised

#: Where the form stands in the scope that Quart is given.
_KEY = "sitehub.form"


def boundary_of(content_type: str) -> bytes:
    """What stands between the parts of such a form.

    Raises BadParameter where it is no form that a browser sends with a file.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get("boundary", "")
    if kind != "multipart/form-data" or not boundary.isascii() or not boundary:
        raise BadParameter("body: multipart/form-data is expected")
    return boundary.encode()


def handed_on(
    scope: HTTPScope, receive: ASGIReceiveCallable, form: object
) -> tuple[HTTPScope, ASGIReceiveCallable]:
    """The request as Quart gets it: its body is read, and was `form`."""
    headers = [
        (name, value)
        for name, value in scope["headers"]
        if name not in (b"content-length", b"transfer-encoding", b"content-type")
    ]
    extensions: Any = {**scope["extensions"], _KEY: form}
    return {**scope, "headers": headers, "extensions": extensions}, _Rest(receive)


def handed_form() -> object:
    """The form of this request. Raises NotAuthorised where nobody was to have it read."""
    extensions: Mapping[str, object] = request.scope["extensions"]
    form = extensions.get(_KEY)
    if form is None:
        # Whoever was signed in when it was asked for is not any more.
        raise NotAuthorised("sign in first")
    return form


class _Rest:
    """What Quart receives: no body any more, then word that the peer is gone."""

    def __init__(self, receive: ASGIReceiveCallable) -> None:
        self._receive = receive
        self._is_told = False

    async def __call__(self) -> ASGIReceiveEvent:
        if not self._is_told:
            self._is_told = True
            return {"type": "http.request", "body": b"", "more_body": False}
        # Of a body that was refused, more may come.
        while (message := await self._receive())["type"] == "http.request":
            pass
        return message
