"""Links to pictures of records that are good for a day without a key."""

from __future__ import annotations

import hmac
from collections.abc import Callable

#: Of links, and of pictures for whoever has a key.
PREFIX = "/media/link/"
_MEDIA = "/media/"
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

    def path_of(self, path: str) -> str:
        """Return the URL path that opens the picture at a path of a record (`/media/...`)."""
        step = int(self._now()) // _STEP_SECONDS * _STEP_SECONDS
        expires = step + _STEP_SECONDS + _LIFE_SECONDS
        picture = path.removeprefix(_MEDIA)
        return f"{PREFIX}{expires}/{self._signature(picture, expires)}/{picture}"

    def opens(self, picture: str, expires: str, signature: str) -> bool:
        """Whether a link is one of ours, for this picture (SEQ/NAME.EXTENSION), and still good."""
        if not (expires.isascii() and expires.isdecimal()) or len(expires) > 12:
            return False
        expected = self._signature(picture, int(expires))
        is_ours = hmac.compare_digest(expected.encode(), signature.encode())
        return is_ours and int(expires) >= self._now()

    def _signature(self, picture: str, expires: int) -> str:
        text = f"{expires}\n{picture}".encode()
        return hmac.digest(self._key, text, "sha256")[:_MAC_BYTES].hex()
