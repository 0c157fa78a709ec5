"""Setup links: one-time links by which an administrator or another user sets themself up.

A link for the first administrator also names the site. A link for a user was made by an
administrator, who chose name and role; the user chooses the password. It ends with the
administrator: whoever is disabled or removed, or loses the role, leaves no way in.
"""

from __future__ import annotations

import hmac
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hub.config import RAISED_BY
from hub.errors import BadParameter, NotAuthorised
from hub.service_manager.system import system_service, user_data
from hub.services.access.passwords import Passwords
from hub.services.access.sessions import Sessions, SignedIn, hash_token
from hub.services.access.sign_in_queue import Source
from hub.services.access.users import Users
from hub.services.access.validation import check_name, check_password, check_role
from hub.services.audit import Actor
from hub.services.expiry import is_current
from hub.store.tables.user_links import UserLink

if TYPE_CHECKING:
    from hub.services.core import Core
    from hub.services.site import SiteSettings

_VALID_MS = 24 * 3_600_000
#: The setting that holds the link's hash and expiry.
_SETTING = "setup.link"
_MAX_USER_LINKS = 100


class TooManyLinks(BadParameter):
    """Too many links for users were not used yet."""

    def __init__(self) -> None:
        super().__init__(
            f"there are already {_MAX_USER_LINKS} links that were not used: withdraw some",
            field="name",
        )


def setup_command(data_dir: Path) -> str:
    """Return the command that prints a new link, as it has to be typed for this hub.

    Anybody may open the page that shows it: a directory that was chosen is not named.
    """
    command = "sitehub user setup-link"
    if data_dir == system_service().data:
        return command if sys.platform == "win32" else f"sudo {command}"
    return command if data_dir == user_data() else f"{command} --data DIR"


class SetupLinks:
    """Creates setup links and completes the setup.

    Of the links for the first administrator, and of those for one user, only the newest is valid.
    """

    def __init__(self, core: Core, passwords: Passwords, users: Users, sessions: Sessions) -> None:
        self._table = core.store.settings
        self._settings = core.settings
        self._links = core.store.user_links
        self._site = core.site
        self._passwords = passwords
        self._users = users
        self._sessions = sessions
        self._audit = core.audit
        self._now = core.clock.expiry

    def is_needed(self) -> bool:
        """Whether the site has no administrator yet."""
        return not self._users.has_administrator()

    async def create(self, *, by: Actor) -> str:
        """Create a link and return its token; it works once, within a day. Earlier links expire."""
        token = secrets.token_urlsafe(24)
        expires_at = self._now_ms() + _VALID_MS
        await self._table.set(_SETTING, f"{hash_token(token).hex()} {expires_at}")
        await self._audit.add(by, "setup.link", "")
        return token

    def is_valid(self, token: str) -> bool:
        """Whether the link with this token can still be used."""
        token_hash, _, expires_at = (self._table.get(_SETTING) or "").partition(" ")
        matches = hmac.compare_digest(token_hash.encode(), hash_token(token).hex().encode())
        return (
            matches
            and expires_at.isdecimal()
            and is_current(int(expires_at), self._now_ms(), _VALID_MS)
        )

    async def complete(
        self,
        token: str,
        name: str,
        password: str,
        site: SiteSettings,
        *,
        address: str,
        raised_by: str = "",
    ) -> SignedIn:
        """Create the first administrator, name the site, and sign the administrator in.

        `raised_by`: the ready set of what raises an alarm; "" leaves it. If several callers use the
        same link, exactly one succeeds. Raises NotAuthorised if the link is not valid, BadParameter
        or AlreadyExists for a field, CannotStoreNow; the link then stays valid.
        """
        name = check_name(name)
        check_password(password)
        self._site.check(site)
        self._check(token)
        password_hash = await self._passwords.make(password, _source_of(token))
        by = Actor("set-up link", address)
        async with self._users.changing:
            self._check(token)
            self._users.check_is_free(name)
            # What is so already needs no file that can be written.
            if raised_by and raised_by != self._settings.current.alarms.raised_by:
                await self._settings.change({RAISED_BY: raised_by}, by=by)
            # First: if a later step fails, a new link is needed, but no link works twice.
            await self._table.set(_SETTING, None)
            user = await self._users.insert(name, "admin", password_hash, by=by)
        await self._site.set(site)
        await self._audit.add(by, "site.change", site.name)
        return await self._sessions.open(user, address)

    def for_users(self) -> tuple[UserLink, ...]:
        """Return the links for users that can still be used, by name."""
        now = self._now_ms()
        return tuple(
            link
            for link in self._links.all()
            if is_current(link.expires_at, now, _VALID_MS) and self._has_maker(link)
        )

    def link_of(self, token: str) -> UserLink | None:
        """Return the link for a user with this token; None if it cannot be used (any more)."""
        wanted = hash_token(token)
        for link in self.for_users():
            if hmac.compare_digest(link.token_hash, wanted):
                return link
        return None

    async def create_for(self, name: str, role: str, *, by: Actor) -> str:
        """Create a link by which a new user is added, and return its token.

        It works once, within a day, and while the user who made it is an administrator.

        Raises AlreadyExists, TooManyLinks, BadParameter for "name" or "role", and NotAuthorised if
        `by` is a user who is not an administrator any more.
        """
        name, checked = check_name(name), check_role(role)
        self._users.check_is_free(name)
        await self.prune()
        if self._links.get(name) is None and len(self._links.all()) >= _MAX_USER_LINKS:
            raise TooManyLinks
        token = secrets.token_urlsafe(24)
        expires_at = self._now_ms() + _VALID_MS
        link = UserLink(name, checked, hash_token(token), expires_at, by.user)
        async with self._users.changing:
            if not self._has_maker(link):
                raise NotAuthorised("only administrators make set-up links")
            await self._links.put(link)
        await self._audit.add(by, "user.link", f"{name} {checked}")
        return token

    async def withdraw(self, name: str, *, by: Actor) -> None:
        """Make the link for this user unusable, if there is one."""
        if self._links.get(name) is not None:
            await self._links.remove(name)
            await self._audit.add(by, "user.link-withdraw", name)

    async def add_user(self, token: str, password: str, *, address: str) -> SignedIn:
        """Add the user that the link is for, with this password, and sign the user in.

        If several callers use the same link, exactly one succeeds. Raises NotAuthorised if the link
        is not valid, AlreadyExists, and BadParameter for "password"; the link then stays valid.
        """
        check_password(password)
        self._check_link(token)
        password_hash = await self._passwords.make(password, _source_of(token))
        async with self._users.changing:
            link = self._check_link(token)
            self._users.check_is_free(link.name)
            # First: if the next step fails, a new link is needed, but no link works twice.
            await self._links.remove(link.name)
            by = Actor("set-up link", address)
            user = await self._users.insert(link.name, link.role, password_hash, by=by)
        return await self._sessions.open(user, address)

    async def prune(self) -> None:
        """Remove the links for users that have expired."""
        await self._links.prune(self._now_ms())

    def _has_maker(self, link: UserLink) -> bool:
        """Whether the administrator who made a link still is one."""
        return not link.made_by or self._users.is_administrator(link.made_by)

    def _check_link(self, token: str) -> UserLink:
        link = self.link_of(token)
        if link is None:
            raise NotAuthorised("this setup link has been used or has expired")
        return link

    def _check(self, token: str) -> None:
        if not self.is_valid(token):
            raise NotAuthorised("this setup link has been used or has expired")

    def _now_ms(self) -> int:
        return int(self._now() * 1000)


def _source_of(token: str) -> Source:
    """Whoever has a link that is valid is no stranger."""
    return Source(("link", hash_token(token).hex()))
