"""What is read in front of Quart, a form or a body, and how it is handed on to who answers it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, cast

from hypercorn.typing import ASGIReceiveCallable, ASGIReceiveEvent, HTTPScope
from quart import request
from werkzeug.http import parse_options_header

from hub.errors import BadParameter, NotAuthorised

#: Where they stand in the scope that Quart is given.
_FORM = "sitehub.form"
_BODY = "sitehub.body"

#: What the head says of a body that is not there any more.
_OF_BODIES = (b"content-length", b"transfer-encoding")


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
    return _without(scope, receive, (*_OF_BODIES, b"content-type"), {_FORM: form})


def handed_body_on(
    scope: HTTPScope, receive: ASGIReceiveCallable, body: bytes
) -> tuple[HTTPScope, ASGIReceiveCallable]:
    """The request as Quart gets it: its body is read."""
    return _without(scope, receive, _OF_BODIES, {_BODY: body})


def _without(
    scope: HTTPScope,
    receive: ASGIReceiveCallable,
    names: Collection[bytes],
    handed: Mapping[str, object],
) -> tuple[HTTPScope, ASGIReceiveCallable]:
    headers = [(name, value) for name, value in scope["headers"] if name not in names]
    extensions: Any = {**scope["extensions"], **handed}
    return {**scope, "headers": headers, "extensions": extensions}, _Rest(receive)


def handed_form() -> object:
    """The form of this request. Raises NotAuthorised where nobody was to have it read."""
    form = _handed(_FORM)
    if form is None:
        # Whoever was signed in when it was asked for is not any more.
        raise NotAuthorised("sign in first")
    return form


def handed_body() -> bytes | None:
    """The body of this request where it was read before."""
    return cast("bytes | None", _handed(_BODY))


def _handed(key: str) -> object:
    extensions: Mapping[str, object] = request.scope["extensions"]
    return extensions.get(key)


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
