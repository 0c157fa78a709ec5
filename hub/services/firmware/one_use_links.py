"""Download links that are good for one download (D12), for cameras that cannot check a digest.

They are in memory only: after a restart of the hub, a camera has to ask again.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct

from hub.errors import NoSuchPath
from hub.store.tables.devices import Device
from hub.store.tables.downloads import Spans, joined

#: No link of the other kind, which are base64url of a small did, begins so.
ONE_USE_PREFIX = "once-"
#: Links that are remembered, at all and of one device; the oldest makes room. Edition 3 has two
#: types of files, and may ask again before it has fetched them.
MAX_LINKS = 5_000
MAX_LINKS_PER_DEVICE = 16
_LIFE_SECONDS = 3600
_TOKEN_BYTES = 16


class OneUseLink(Struct):
    """What a link leads to, and what was sent by it. `expires`: by the clock of links."""

    device: Device
    sha256: str
    expires: float
    sent: Spans = ()


class OneUseLinks:
    """The links that were not used up. `expiry`: the clock by which they end."""

    def __init__(self, expiry: Callable[[], float]) -> None:
        self._expiry = expiry
        self._links: OrderedDict[str, OneUseLink] = OrderedDict()

    def issue(self, device: Device, sha256: str) -> str:
        """Return the token of a new link of 128 random bits."""
        token = ONE_USE_PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
        self._make_room(device.did)
        self._links[token] = OneUseLink(device, sha256, self._expiry() + _LIFE_SECONDS)
        return token

    def find(self, token: str) -> OneUseLink:
        """Return the link. Raises NoSuchPath if it was used up, has expired or never was."""
        link = self._links.get(token)
        if link is None or self._expiry() > link.expires:
            self._links.pop(token, None)
            raise NoSuchPath("this link is no longer valid: ask again")
        return link

    def used(self, token: str, start: int, end: int, size: int) -> None:
        """Note that bytes were sent. The link ends with the last byte of the file."""
        link = self._links.get(token)
        if link is None:
            return
        link.sent = joined(link.sent, start, end)
        if link.sent == ((0, size),):
            del self._links[token]

    def _make_room(self, did: str) -> None:
        own = [token for token, link in self._links.items() if link.device.did == did]
        if len(own) >= MAX_LINKS_PER_DEVICE:
            del self._links[own[0]]
        elif len(self._links) >= MAX_LINKS:
            self._links.popitem(last=False)
