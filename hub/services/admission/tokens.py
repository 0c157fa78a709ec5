"""Device tokens: opaque, random and short-lived; only their hashes are stored."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from hub.errors import NoSuchResource, NotAuthorised
from hub.services.expiry import is_current
from hub.store.tables.table import Saving
from hub.store.tables.tokens import AcceptedConnect, TokenRow

if TYPE_CHECKING:
    from hub.services.core import Core

#: 24 ASCII characters: 1.1 allows 32, and its example has 23.
_TOKEN_BYTES = 18
#: D2: how long an earlier token stays valid alongside a new one, unless it expires first.
GRACE_SECONDS = 60


class DeviceTokens:
    """Issues tokens to devices, and looks them up.

    `expiry` is the clock by which tokens end (ExpiryClock). `forget_before` returns the time (UNIX
    milliseconds) before which accepted connects need not be remembered; see SiteClock.
    """

    def __init__(self, core: Core) -> None:
        self._tokens = core.store.tokens
        self._settings = core.settings
        self._expiry = core.clock.expiry
        self._forget_before = core.clock.forget_before

    @property
    def _lifetime_ms(self) -> int:
        return self._settings.current.devices.token_ttl * 1000

    async def issue(
        self,
        did: str,
        accepted: AcceptedConnect | None = None,
        *,
        token: str | None = None,
        also: Saving | None = None,
    ) -> str:
        """Issue a token, durable on return; `accepted` is the connect (sn, ts) that it answers.

        `token`: one that the device has already, of `new_token` (D12). `also` is stored with it.
        Raises WrongSignature if
        that connect was answered before, and NotAuthorised if the device was removed.
        """
        token = token or new_token()
        now = int(self._expiry() * 1000)
        try:
            await self._tokens.issue(
                did,
                _hash_of(token),
                expires_at=now + self._lifetime_ms,
                grace_until=now + GRACE_SECONDS * 1000,
                accepted=accepted,
                forget_before=self._forget_before(),
                also=also,
            )
        except NoSuchResource:
            raise NotAuthorised("the device was removed meanwhile") from None
        return token

    def lookup(self, token: str | None) -> TokenRow:
        """Return the token's device and expiry.

        Raises NotAuthorised if it is missing, unknown or expired.
        """
        if not token:
            raise NotAuthorised("the token is missing")
        row = self._tokens.holder(_hash_of(token))
        if row is None:
            raise NotAuthorised("the token is not known")
        if not is_current(row.expires_at, int(self._expiry() * 1000), self._lifetime_ms):
            raise NotAuthorised("the token has expired")
        return row

    def seconds_left(self, row: TokenRow) -> int:
        return int(row.expires_at - self._expiry() * 1000) // 1000

    async def prune(self) -> None:
        """Remove expired tokens and accepted connects."""
        await self._tokens.prune(
            tokens_before=int(self._expiry() * 1000), connects_before=self._forget_before()
        )


def new_token() -> str:
    """Return a token that is good for nothing until it is issued."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def _hash_of(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
