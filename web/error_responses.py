"""Error responses for programs, from Quart and in front of it, and headers of all responses."""

from __future__ import annotations

import msgspec
from hypercorn.typing import ASGISendCallable

from hub.errors import HubError, TooLarge
from web.http.bodies import TooSlow

#: Not `no-referrer`: browsers would send `Origin: null` with forms over plain HTTP.
REFERRER_POLICY = "same-origin"
#: The default of responses.
CACHE_CONTROL = "no-store"

_HEADERS = (
    (b"content-type", b"application/json"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", REFERRER_POLICY.encode()),
    (b"cache-control", CACHE_CONTROL.encode()),
)


def refusal(code: int, message: str) -> bytes:
    """The body of an error response."""
    return msgspec.json.encode({"code": code, "msg": message})


def headers_of(error: HubError) -> dict[str, str]:
    """Headers that tell the client what to do next."""
    headers = {}
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="sitehub"'
    if retry_after := getattr(error, "retry_after", None):
        headers["Retry-After"] = str(retry_after)
    if isinstance(error, TooLarge | TooSlow):
        headers["Connection"] = "close"
    return headers


async def refuse(send: ASGISendCallable, error: HubError) -> None:
    """Answer a request in front of Quart with an error."""
    further = [(n.lower().encode(), v.encode()) for n, v in headers_of(error).items()]
    await send_json(send, error.status, refusal(error.code, error.message), *further)


async def send_json(
    send: ASGISendCallable, status: int, body: bytes, *further: tuple[bytes, bytes]
) -> None:
    """Answer a request in front of Quart with JSON."""
    headers = [*_HEADERS, (b"content-length", b"%d" % len(body)), *further]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
