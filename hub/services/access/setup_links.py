"""Setup links: one-time links that create the first administrator."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from hub.errors import NotAuthorised
from hub.services.access.audit import Actor, Audit
from hub.services.access.passwords import Passwords
from hub.services.access.sessions import Sessions, SignedIn, hash_token
from hub.services.access.users import Users
from hub.services.access.validation import check_name, check_password

if TYPE_CHECKING:
    from hub.services.site.site import Site, SiteSettings
    from hub.store.db import Store

_VALID_MS = 24 * 3_600_000
#: The setting that holds the link's hash and expiry.
_SETTING = "setup.link"


class SetupLinks:
    """Creates setup links and completes the setup. Only the newest link is valid."""

    def __init__(
        self,
        store: Store,
        site: Site,
        passwords: Passwords,
        users: Users,
        sessions: Sessions,
        audit: Audit,
        now: Callable[[], float],
    ) -> None:
        self._settings = store.settings
        self._site = site
        self._passwords = passwords
        self._users = users
        self._sessions = sessions
        self._audit = audit
        self._now = now

    def is_needed(self) -> bool:
        """Whether the site has no administrator yet."""
        return not self._users.has_administrator()

    async def create(self, *, by: Actor) -> str:
        """Create a link and return its token; it works once, within a day. Earlier links expire."""
        token = secrets.token_urlsafe(24)
        expires_at = self._now_ms() + _VALID_MS
        await self._settings.set(_SETTING, f"{hash_token(token).hex()} {expires_at}")
        await self._audit.add(by, "setup.link", "")
        return token

    def is_valid(self, token: str) -> bool:
        """Whether the link with this token can still be used."""
        token_hash, _, expires_at = (self._settings.get(_SETTING) or "").partition(" ")
        matches = hmac.compare_digest(token_hash, hash_token(token).hex())
        return matches and self._now_ms() < int(expires_at)

    async def complete(
        self, token: str, name: str, password: str, site: SiteSettings, *, address: str
    ) -> SignedIn:
        """Create the first administrator, name the site, and sign the administrator in.

        If several callers use the same link, exactly one succeeds. Raises NotAuthorised if the link
        is not valid, BadParameter or AlreadyExists for a field; the link then stays valid.
        """
        name = check_name(name)
        check_password(password)
        self._site.check(site)
        self._check(token)
        password_hash = await self._passwords.make(password)
        by = Actor("set-up link", address)
        async with self._users.changing:
            self._check(token)
            self._users.check_is_free(name)
            # First: if a later step fails, a new link is needed, but no link works twice.
            await self._settings.set(_SETTING, None)
            user = await self._users.insert(name, "admin", password_hash, by=by)
        await self._site.set(site)
        await self._audit.add(by, "site.change", site.name)
        return await self._sessions.open(user, address)

    def _check(self, token: str) -> None:
        if not self.is_valid(token):
            raise NotAuthorised("this setup link has been used or has expired")

    def _now_ms(self) -> int:
        return int(self._now() * 1000)
