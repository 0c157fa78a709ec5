"""Links to pictures of records that are good for a day without a key."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from urllib.parse import urlencode

_LIFE_SECONDS = 86_400
#: Within an hour, a picture gets the same link again, so that a message that is sent again is the
#: same. A link is good for at least a day.
_STEP_SECONDS = 3_600
_MAC_BYTES = 16


class PictureLinks:
    """Makes and checks links. `key` survives restarts; `now` returns UNIX seconds."""

    def __init__(self, key: bytes, now: Callable[[], float]) -> None:
        self._key = key
        self._now = now

    def query(self, path: str) -> str:
        """Return the query string that opens the picture at a URL path."""
        step = int(self._now()) // _STEP_SECONDS * _STEP_SECONDS
        expires = step + _STEP_SECONDS + _LIFE_SECONDS
        return urlencode({"expires": expires, "signature": self._signature(path, expires)})

    def opens(self, path: str, expires: int, signature: str) -> bool:
        """Whether a link is one of ours, for this picture, and still good."""
        expected = self._signature(path, expires)
        is_ours = hmac.compare_digest(expected.encode(), signature.encode())
        return is_ours and expires >= self._now()

    def _signature(self, path: str, expires: int) -> str:
        text = f"{expires}\n{path}".encode()
        return hmac.digest(self._key, text, "sha256")[:_MAC_BYTES].hex()
