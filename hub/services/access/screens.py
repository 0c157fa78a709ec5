"""Wall screens: browsers that stay signed in for months, to show the wall and nothing else.

An administrator makes a link, which is opened on the screen. The session belongs to a user, ends
with the user, and can only look.
"""

from __future__ import annotations

import hmac
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
import trio
from msgspec import Struct

from hub.decoders import decode_json
from hub.errors import BadParameter, NoSuchResource, NotAuthorised
from hub.services.access.sessions import Sessions, SignedIn, hash_token
from hub.services.access.users import Users
from hub.services.audit import Actor
from hub.services.expiry import is_current
from hub.store.tables.sessions import Session
from hub.store.tables.users import User

if TYPE_CHECKING:
    from hub.services.core import Core

MAX_SCREEN_NAME_LENGTH = 64
_VALID_MS = 24 * 3_600_000
#: The setting that holds the link that was made last.
_SETTING = "screen.link"


class ScreenLink(Struct, frozen=True):
    """`token_hash`: of the token in the link, in hex. `expires_at`: UNIX milliseconds.

    `made_by`: the administrator with whom it ends.
    """

    token_hash: str
    expires_at: int
    screen: str
    user: str
    made_by: str


class Screens:
    """Makes links for wall screens, starts and ends their sessions."""

    def __init__(self, core: Core, users: Users, sessions: Sessions) -> None:
        self._settings = core.store.settings
        self._users = users
        self._sessions = sessions
        self._audit = core.audit
        self._now = core.clock.expiry
        self._starting = trio.Lock()

    def all(self) -> tuple[Session, ...]:
        """Return the sessions of the screens, by name."""
        return self._sessions.screens()

    async def make_link(self, screen: str, user: str, *, by: User, address: str) -> str:
        """Make a link for a screen, and return its token. It works once, within a day.

        A link that was made before stops working. `by`: the administrator who makes it. Raises
        BadParameter for "name" or "user".
        """
        screen = screen.strip()
        if not 1 <= len(screen) <= MAX_SCREEN_NAME_LENGTH or not screen.isprintable():
            limit = f"1 to {MAX_SCREEN_NAME_LENGTH} characters are expected"
            raise BadParameter(limit, field="name")
        try:
            self._users.get(user)
        except NoSuchResource:
            raise BadParameter("must be the name of a user", field="user") from None
        token = secrets.token_urlsafe(24)
        expires_at = self._now_ms() + _VALID_MS
        link = ScreenLink(hash_token(token).hex(), expires_at, screen, user, by.name)
        await self._settings.set(_SETTING, msgspec.json.encode(link).decode())
        await self._audit.add(Actor(f"user {by.name}", address), "screen.link", screen)
        return token

    def link_of(self, token: str) -> ScreenLink | None:
        """Return the link with this token; None if it cannot be used (any more)."""
        stored = self._settings.get(_SETTING)
        if not stored:
            return None
        try:
            link = decode_json(stored, ScreenLink)
        except msgspec.DecodeError:  # Damaged on the disk: it is not valid any more.
            return None
        if not hmac.compare_digest(link.token_hash.encode(), hash_token(token).hex().encode()):
            return None
        is_good = is_current(link.expires_at, self._now_ms(), _VALID_MS) and self._has_maker(link)
        return link if is_good else None

    def _has_maker(self, link: ScreenLink) -> bool:
        """Whether who made it is still an administrator: others must leave no way in."""
        with suppress(NoSuchResource):
            maker = self._users.get(link.made_by)
            return maker.enabled and maker.role == "admin"
        return False

    async def start(self, token: str, address: str) -> SignedIn:
        """Use a link up: open the session of its screen. Raises NotAuthorised if it is invalid."""
        async with self._starting:
            link = self.link_of(token)
            if link is None:
                raise NotAuthorised("this link was used or has expired")
            # First: if a later step fails, a new link is needed, but no link works twice.
            await self._settings.set(_SETTING, None)
        try:
            user = self._users.get(link.user)
        except NoSuchResource:
            raise NotAuthorised("the user of this link was removed") from None
        signed_in = await self._sessions.open(user, address, screen=link.screen)
        await self._audit.add(Actor(f"user {user.name}", address), "screen.start", link.screen)
        return signed_in

    async def end(self, token_hash: bytes, *, by: Actor) -> None:
        """Sign a screen out. Raises NoSuchResource."""
        ended = await self._sessions.end_screen(token_hash)
        if ended is None:
            raise NoSuchResource("there is no such screen")
        await self._audit.add(by, "screen.end", ended.screen)

    def _now_ms(self) -> int:
        return int(self._now() * 1000)
