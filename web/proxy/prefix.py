"""Serves an application below a path, as a reverse proxy does that shares its host with others.

The application knows nothing of it: its own addresses begin with "/" and leave with the prefix.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    ASGISendEvent,
    HTTPResponseStartEvent,
    HTTPScope,
    Scope,
)

from hub.errors import StartFault

#: The attributes of our pages that hold addresses.
_ATTRIBUTES = (
    *(b"href", b"src", b"action", b"formaction", b"data-part", b"data-check", b"data-table"),
    *(b"data-copy-link", b"data-alarm", b"data-source", b"data-trace", b"data-root"),
    b"data-release",
)
#: Their names with what is around them. In an event stream, HTML is a string in JSON.
_NAMES = [
    before + name + b"=" + quote
    for name in _ATTRIBUTES
    for before in (rb"\s", rb"\\n")
    for quote in (rb'"', rb'\\"')
]
#: A path of a cookie that counts for the whole host.
_COOKIE_PATH = re.compile(rb"(;\s*path=)/(?=\s*(?:;|$))", re.IGNORECASE)

_Headers = list[tuple[bytes, bytes]]
_Edit = Callable[[bytes], bytes]
#: How much of the bytes that have arrived can be edited, because no address goes on behind it.
_Cut = Callable[[bytes], int]


def refuse_own_path(prefix: str, rules: Iterable[str]) -> None:
    """Raise StartFault if the first part of `prefix` is that of a rule of the application.

    Otherwise a path could be meant with or without the prefix.
    """
    first = prefix.split("/")[1] if prefix else ""
    if first and first in {rule.split("/")[1] for rule in rules}:
        raise StartFault(
            f"bad setting web.prefix = {prefix}: the hub itself has addresses below /{first}"
        )


def below(prefix: str, app: ASGIFramework) -> ASGIFramework:
    """Return `app` as it is served below `prefix`; "" returns `app` itself.

    Requests may carry the prefix or not, since a proxy may remove it; answers always do: in
    Location, in the paths of cookies, in the attributes of pages, and in the paths of pictures in
    JSON and in event streams.
    """
    if not prefix:
        return app
    addresses = _Addresses(prefix)

    async def prefixed(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
        elif scope["path"] == prefix:
            await _redirect(scope, prefix, send)
        else:
            scope = _without(prefix, scope)
            await app(scope, receive, _Answer(addresses, scope, send).send)

    return prefixed


def _without(prefix: str, scope: HTTPScope) -> HTTPScope:
    """`scope` with the path that the application knows."""
    if not scope["path"].startswith(f"{prefix}/"):
        return scope
    raw = scope["raw_path"].removeprefix(prefix.encode())
    return {**scope, "path": scope["path"][len(prefix) :], "raw_path": raw}


async def _redirect(scope: HTTPScope, prefix: str, send: ASGISendCallable) -> None:
    """Lead to the first page, whose links and service worker need the slash at the end."""
    query = b"?" + scope["query_string"] if scope["query_string"] else b""
    headers = [(b"location", b"%s/%s" % (prefix.encode(), query)), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 308, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


class _Addresses:
    """Gives the hub's own addresses the prefix, once: what has it already stays as it is."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix.encode()
        # A form's answer knows its page from the Referer, which has the prefix.
        own = rb"/(?!/|%s(?:[/?#\"\\]|$))" % re.escape(self._prefix[1:])
        self._path = re.compile(own)
        # Looks back for the name: ten times as fast as to look for names first.
        names = b"|".join(b"(?<=%s)" % name for name in _NAMES)
        self._attribute = re.compile(rb'=\\?"(?=%s)(?:%s)' % (own, names))
        # Whole paths as the hub makes them: cameras have paths that begin like these. A quote
        # behind a backslash is a part of what a person wrote.
        path = rb'\d+/[a-z0-9_]+\.[a-z]+"|device/[^"?{]+\?path=[^"]+"'
        self._picture = re.compile(rb'"/media/(?<!\\"/media/)(?=%s)' % path)

    def in_header(self, name: bytes, value: bytes) -> bytes:
        match name.lower():
            case b"location" if self._path.match(value):
                return self._prefix + value
            case b"set-cookie":
                return _COOKIE_PATH.sub(rb"\g<1>" + self._prefix, value)
        return value

    def in_html(self, data: bytes) -> bytes:
        return self._attribute.sub(rb"\g<0>" + self._prefix, data)

    def in_json(self, data: bytes) -> bytes:
        return self._picture.sub(b'"%s/media/' % self._prefix, data)

    def in_events(self, data: bytes) -> bytes:
        return self.in_json(self.in_html(data))

    def edit_for(self, path: str, headers: _Headers) -> tuple[_Edit, _Cut] | None:
        """How to edit the body at `path` with these headers; None if it stays as it is."""
        found = {name.lower(): value for name, value in headers}
        if b"content-encoding" in found:
            return None
        match found.get(b"content-type", b"").partition(b";")[0]:
            case b"text/html":
                return self.in_html, lambda data: data.rfind(b">") + 1
            case b"application/json":
                # No path of a picture contains one.
                return self.in_json, lambda data: data.rfind(b",") + 1
            case b"text/event-stream":
                # The events of the API hold what people wrote, but no HTML.
                edit = self.in_json if path.startswith("/api/") else self.in_events
                return edit, lambda data: data.rfind(b"\n") + 1
        return None


class _Answer:
    """The answer to one request, on its way out."""

    def __init__(self, addresses: _Addresses, scope: HTTPScope, send: ASGISendCallable) -> None:
        self._addresses = addresses
        self._path, self._method = scope["path"], scope["method"]
        self._send = send
        self._edit: tuple[_Edit, _Cut] | None = None
        #: Kept back until the whole body is there, whose length it tells.
        self._start: HTTPResponseStartEvent | None = None
        self._kept = b""

    async def send(self, event: ASGISendEvent) -> None:
        if event["type"] == "http.response.start":
            await self._begin(event)
        elif event["type"] == "http.response.body" and self._edit is not None:
            await self._go_on(self._edit, event["body"], more=event["more_body"])
        else:
            await self._send(event)

    async def _begin(self, event: HTTPResponseStartEvent) -> None:
        headers = [
            (name, self._addresses.in_header(name, value)) for name, value in event["headers"]
        ]
        event = {**event, "headers": headers}
        self._edit = self._addresses.edit_for(self._path, headers)
        if self._edit is not None and any(_is_length(name) for name, _ in headers):
            self._start = event
        else:
            await self._send(event)

    async def _go_on(self, edit: tuple[_Edit, _Cut], data: bytes, *, more: bool) -> None:
        change, cut = edit
        data = self._kept + data
        if self._start is not None:
            await self._send_whole(self._start, change, data, more=more)
            return
        end = cut(data) if more else len(data)
        self._kept = data[end:]
        await self._send(
            {"type": "http.response.body", "body": change(data[:end]), "more_body": more}
        )

    async def _send_whole(
        self, start: HTTPResponseStartEvent, change: _Edit, data: bytes, *, more: bool
    ) -> None:
        if more:
            self._kept = data
            return
        body = change(data)
        headers = [(name, value) for name, value in start["headers"] if not _is_length(name)]
        if self._method != "HEAD":
            headers.append((b"content-length", b"%d" % len(body)))
        await self._send({**start, "headers": headers})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})


def _is_length(name: bytes) -> bool:
    return name.lower() == b"content-length"
