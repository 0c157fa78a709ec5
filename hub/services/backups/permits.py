"""Permissions to download a backup: asked for with a password, used once, within a minute."""

from __future__ import annotations

import hmac
import secrets

import trio
from msgspec import Struct

from hub.errors import NoSuchResource
from hub.services.audit import Actor

#: A permitted download begins within this time.
_PERMIT_SECONDS = 60.0


class Permit(Struct, frozen=True):
    """A download that was permitted to `who`, until a time of trio's clock."""

    token: str
    who: str
    until: float
    pictures: bool
    passphrase: str | None


class Permits:
    """The last permission that was given; a new one replaces it."""

    def __init__(self) -> None:
        self._permit: Permit | None = None

    def give(self, by: Actor, *, pictures: bool, passphrase: str | None) -> str:
        """Permit one download; return its token."""
        token = secrets.token_urlsafe(32)
        until = trio.current_time() + _PERMIT_SECONDS
        self._permit = Permit(token, by.who, until, pictures, passphrase)
        return token

    def check(self, by: Actor, token: str) -> Permit:
        """Return a permission. Raises NoSuchResource."""
        permit = self._permit
        if (
            permit is None
            or not hmac.compare_digest(permit.token.encode(), token.encode())
            or permit.who != by.who
            or permit.until < trio.current_time()
        ):
            raise NoSuchResource("this download was not permitted, or it is too late")
        return permit

    def use(self) -> None:
        """End the permission: it is for one download."""
        self._permit = None
