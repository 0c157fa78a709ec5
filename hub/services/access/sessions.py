"""Sessions of signed-in users: opened with a password, ended by time or by signing out."""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from hub import metrics
from hub.errors import CannotStoreNow, NotAuthorised
from hub.log import limited
from hub.net.networks import network_of
from hub.services.access.known_browsers import KnownBrowsers
from hub.services.access.second_factor import CodeNeeded, SecondFactors
from hub.services.access.sign_in import SignIn
from hub.services.audit import Actor
from hub.services.expiry import is_from_now
from hub.store.commit.patience import waits_with
from hub.store.tables.sessions import Session
from hub.store.tables.users import User

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

_HOUR_MS = 3_600_000
#: A session ends after this long without a request: one shift ...
MAX_IDLE_MS = 12 * _HOUR_MS
#: ... and after this long in any case.
MAX_AGE_MS = 7 * 24 * _HOUR_MS
#: A wall screen stays signed in until somebody ends that, unless it was off for this long.
MAX_SCREEN_IDLE_MS = 60 * 24 * _HOUR_MS
#: "Last used" is written at most this often.
_TOUCH_MS = 5 * 60_000
_MAX_SESSIONS_PER_USER = 64


class SignedIn(Struct, frozen=True):
    """A new session. The token is for the browser's cookie; the hub keeps only its hash."""

    user: User
    token: str


class Sessions:
    """Opens, finds and ends sessions."""

    def __init__(self, core: Core, sign_in: SignIn, factors: SecondFactors) -> None:
        self._sessions = core.store.sessions
        self._users = core.store.users
        self._changes = core.store.access_changes
        self._sign_in = sign_in
        self._factors = factors
        self._audit = core.audit
        self._now = core.clock.expiry

    @property
    def known_browsers(self) -> KnownBrowsers:
        """The marks of browsers in which a user has signed in."""
        return self._sign_in.known_browsers

    async def sign_in(self, name: str, password: str, address: str, *, marks: str = "") -> SignedIn:
        """Check name and password, and open a session. `marks`: of the browser.

        Raises NotAuthorised if either is wrong, TooManyRequests after too many failures, and
        CodeNeeded if the user has a second factor.
        """
        user = await self._sign_in.recognise(name, password, address, marks=marks)
        if user is None:
            raise _failed(address, "name or password is wrong")
        if self._factors.is_on(user.name):
            raise CodeNeeded(self._factors.wait_for_code(user))
        return await self.open(user, address)

    async def sign_in_by_code(
        self, ticket: str, code: str, address: str, *, marks: str = ""
    ) -> SignedIn:
        """Check the code of the second factor, and open a session. `ticket`: of CodeNeeded.

        Raises NotAuthorised if the code is wrong, TicketEnded if it took too long,
        TooManyRequests after too many failures.
        """
        user = await self._sign_in.recognise_code(ticket, code, address, marks=marks)
        if user is None:
            raise _failed(address, "the code is wrong")
        return await self.open(user, address)

    async def open(self, user: User, address: str, *, screen: str = "") -> SignedIn:
        """Open a session for a user; beyond 64, end the least recently used one.

        `screen`: the name of the wall screen that it is for. It can only look (Role viewer).
        """
        token = secrets.token_urlsafe(32)
        now = self._now_ms()
        earlier = sorted(self._sessions.of_user(user.name), key=lambda s: s.last_used_at)
        for session in earlier[: max(0, len(earlier) - _MAX_SESSIONS_PER_USER + 1)]:
            await self._sessions.remove(session.token_hash)
        await self._sessions.add(
            Session(
                token_hash=hash_token(token),
                user=user.name,
                created_at=now,
                last_used_at=now,
                address=address,
                screen=screen,
            )
        )
        await self._audit.add(Actor(f"user {user.name}", address), "user.sign_in", user.name)
        return SignedIn(user, token)

    async def user_of(self, token: str) -> User | None:
        """Return the user of a session.

        None if it is unknown, idle for too long, or too old, or the user is disabled. An
        administrator without the second factor that the site demands is a viewer.
        """
        session = self._sessions.get(hash_token(token))
        now = self._now_ms()
        if session is None or not _is_alive(session, now):
            return None
        if now - session.last_used_at >= _TOUCH_MS:
            # A full or slow disk must not sign users out.
            with suppress(CannotStoreNow), waits_with(None):
                await self._sessions.touch(session.token_hash, now)
        user = self._users.get(session.user)
        if user is None or not user.enabled:
            return None
        # A screen can only look; and so can an administrator who owes the second factor.
        only_looks = session.screen or self._factors.is_missing(user)
        return replace(user, role="viewer") if only_looks else user

    def follow_changes(self, wake: Callable[[], None]) -> AbstractContextManager[None]:
        """Call `wake` when a session, user or key has lost rights, or may have, or the hub stops.

        It says nothing of whose they are: look at the rights after it.
        """
        return self._changes.follow(wake)

    def is_screen(self, token: str) -> bool:
        """Whether the session is that of a wall screen."""
        session = self._sessions.get(hash_token(token))
        return session is not None and bool(session.screen)

    def screens(self) -> tuple[Session, ...]:
        """Return the sessions of wall screens that have not expired, by name."""
        now = self._now_ms()
        return tuple(one for one in self._sessions.screens() if _is_alive(one, now))

    async def end_screen(self, token_hash: bytes) -> Session | None:
        """End the session of a wall screen, and return it; None if there is none."""
        session = self._sessions.get(token_hash)
        if session is None or not session.screen:
            return None
        await self._sessions.remove(token_hash)
        return session

    def of_user(self, name: str) -> tuple[Session, ...]:
        """Return a user's sessions that have not expired, the most recently used first."""
        now = self._now_ms()
        alive = [one for one in self._sessions.of_user(name) if _is_alive(one, now)]
        return tuple(sorted(alive, key=lambda session: -session.last_used_at))

    def addresses(self) -> list[str]:
        """Return where users are signed in, the most recently used address last."""
        alive = [one for user in self._users.all() for one in self.of_user(user.name)]
        return [one.address for one in sorted(alive, key=lambda one: one.last_used_at)]

    async def sign_out(self, token: str) -> None:
        """End one session."""
        await self._sessions.remove(hash_token(token))

    async def sign_out_everywhere(self, name: str, *, by: Actor) -> None:
        """End all sessions of a user, at the request of that user or an administrator."""
        await self.end_all(name)
        await self._audit.add(by, "user.sign_out_everywhere", name)

    async def end_all(self, name: str) -> None:
        """End all sessions of a user."""
        await self._sessions.remove_user(name)

    async def end_others(self, name: str, *, keep: str) -> None:
        """End all sessions of a user except the one with the token `keep`."""
        for session in self._sessions.of_user(name):
            if session.token_hash != hash_token(keep):
                await self._sessions.remove(session.token_hash)

    async def prune(self) -> None:
        """Remove the sessions that have been idle for too long, or are too old."""
        now = self._now_ms()
        await self._sessions.prune(lambda session: not _is_alive(session, now))

    def _now_ms(self) -> int:
        return int(self._now() * 1000)


def _failed(address: str, message: str) -> NotAuthorised:
    metrics.sign_in_failures.inc()
    key = f"sign-in {network_of(address)}"
    limited(log, logging.WARNING, key, "failed sign-in from %s", address)
    return NotAuthorised(message)


def _is_alive(session: Session, now: int) -> bool:
    # After the clock was set back, nobody knows how old it is.
    if not is_from_now(session.created_at, now):
        return False
    if session.screen:
        return now < session.last_used_at + MAX_SCREEN_IDLE_MS
    return now < session.created_at + MAX_AGE_MS and now < session.last_used_at + MAX_IDLE_MS


def hash_token(token: str) -> bytes:
    """Return the hash that is stored in place of a random token."""
    return hashlib.sha256(token.encode()).digest()
