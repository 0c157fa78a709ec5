"""How a program is told no, by Quart and in front of it, and what every answer says."""

from __future__ import annotations

import msgspec

from hub.errors import HubError

#: Not `no-referrer`: browsers would send `Origin: null` with forms over plain HTTP.
REFERRER_POLICY = "same-origin"
#: Unless an answer says otherwise.
CACHE_CONTROL = "no-store"


def refusal(code: int, message: str) -> bytes:
    """The body."""
    return msgspec.json.encode({"code": code, "msg": message})


def headers_of(error: HubError) -> dict[str, str]:
    """What a client does next."""
    headers = {}
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="sitehub"'
    if retry_after := getattr(error, "retry_after", None):
        headers["Retry-After"] = str(retry_after)
    return headers
