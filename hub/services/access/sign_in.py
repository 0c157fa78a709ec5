"""Check users' names and passwords, and slow down guessing."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from hub import metrics
from hub.errors import NotAuthorised, TooManyRequests
from hub.net.networks import network_of
from hub.net.rate_limits import MAX_BACKOFF_SECONDS, Backoff
from hub.net.shared_limits import SharedLimits
from hub.services.access.known_browsers import KnownBrowsers
from hub.services.access.passwords import Passwords
from hub.services.access.second_factor import SecondFactors
from hub.services.access.sign_in_queue import Source, stranger
from hub.services.access.validation import MAX_NAME_LENGTH, MAX_SENT_NAME, normalise_name
from hub.services.audit import Actor
from hub.store.tables.users import User

if TYPE_CHECKING:
    from hub.services.core import Core
    from hub.store.db import Store

#: Failures are forgotten 15 minutes after the last one, even if that had the longest delay.
_WINDOW_SECONDS = 15 * 60 - MAX_BACKOFF_SECONDS
#: Failures without a delay; each further one delays the next attempt.
_FREE_PER_PAIR = 4
_FREE_PER_ORIGIN = 19
#: Guesses at one user from wherever that user has never signed in: so many at once, then one in
#: so many seconds, in turns by origin.
FREE_PER_USER, USER_SECONDS = 20, 30.0
_MAX_KNOWN_PAIRS = 4096


class SignIn:
    """Recognises users by name and password."""

    def __init__(self, core: Core, passwords: Passwords, factors: SecondFactors) -> None:
        self._users = core.store.users
        self._passwords = passwords
        self._factors = factors
        self._limit = _GuessLimit(core.store, core.clock.expiry)
        self.known_browsers = KnownBrowsers(core.store.browser_key)

    async def recognise(
        self, name: str, password: str, address: str, *, marks: str = "", is_signed_in: bool = False
    ) -> User | None:
        """Return the user with this name and password; None if either is wrong, or it is disabled.

        `marks`: of the browser, see KnownBrowsers. `is_signed_in`: whether the user is, and only
        confirms the password. Raises TooManyRequests after too many failures, or while too many
        sign-ins are waiting.
        """
        # No user has a longer name, and long ones would fill the tables of failures.
        if len(name) > MAX_SENT_NAME:
            return None
        name = normalise_name(name)[: MAX_NAME_LENGTH + 1]
        user = self._users.get(name)
        browser = self.known_browsers.recognise(marks, user) if marks and user else None
        origin = self._limit.origin(name, address, browser)
        attempt = self._limit.attempt(name, origin)
        if is_signed_in and not origin.is_known:
            source = Source(("signed in", name))
        else:
            source = _source(name, address, origin)
        stored = user.password_hash if user else None
        # One that is refused here is no guess, and must not displace the counts of others.
        fits = await self._passwords.fits(password, stored, source, on_admitted=attempt.count)
        # The user may have been removed, or the password changed, in the meantime.
        if not fits or user is None or not user.enabled or self._users.get(name) != user:
            return None
        if self._factors.is_on(name) and not is_signed_in:
            # The failures of codes count with those of passwords, until a code is right.
            attempt.undo()
        else:
            self._limit.succeeded(name, address, origin, attempt)
        return user

    async def recognise_code(
        self, ticket: str, code: str, address: str, *, marks: str = ""
    ) -> User | None:
        """Return the user of a ticket whose second factor has this code, and end the ticket.

        None if the code is wrong. Raises NotAuthorised if the ticket has ended, and what
        `recognise` raises, in one count with passwords.
        """
        user = self._factors.user_of(ticket)
        if user is None:
            raise TicketEnded
        browser = self.known_browsers.recognise(marks, user) if marks else None
        origin = self._limit.origin(user.name, address, browser)
        attempt = self._limit.attempt(user.name, origin)
        attempt.count()
        by = Actor(f"user {user.name}", address)
        if not await self._factors.fits(user.name, code, by=by):
            return None
        # The password may have been changed, or the ticket used, in the meantime.
        if self._factors.user_of(ticket) is None or not self._factors.end(ticket):
            raise TicketEnded
        self._limit.succeeded(user.name, address, origin, attempt)
        return user


class TicketEnded(NotAuthorised):
    """It took too long from the password to the code."""

    def __init__(self) -> None:
        super().__init__("sign in again: it took too long")


class _Origin(Struct, frozen=True):
    """Where attempts come from, as they are counted. `is_known`: the user has signed in there."""

    name: str
    is_known: bool


class _Attempt:
    """An attempt that may be made now; a failure from `count` to `undo`.

    `users`: the limit of the user's name; None at an origin where the user has signed in.
    """

    def __init__(
        self,
        name: str,
        origin: str,
        counters: Sequence[tuple[Backoff, Hashable]],
        users: SharedLimits | None,
    ) -> None:
        self._name = name
        self._origin = origin
        self._counters = counters
        self._users = users

    def count(self) -> None:
        for backoff, key in self._counters:
            backoff.failed(key)
        if self._users is not None:
            self._users.take(self._name, self._origin)

    def undo(self) -> None:
        for backoff, key in self._counters:
            backoff.undo(key)
        if self._users is not None:
            self._users.give_back(self._name)


class _GuessLimit:
    """Delays guesses without locking out the user whose password is guessed.

    Failures are counted for each user at each origin, for each origin, and for each user at all
    origins where that user has never signed in, which have turns. So guesses from elsewhere, even
    from the same IPv6 network, never delay a user at the usual PC, and one at a new PC for a while
    only. An attempt that is checked counts as a failure until it succeeds, so that many attempts at
    once cannot get around the limit.
    """

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._sessions = store.sessions
        self._pairs = Backoff(now, free=_FREE_PER_PAIR, window=_WINDOW_SECONDS)
        self._origins = Backoff(now, free=_FREE_PER_ORIGIN, window=_WINDOW_SECONDS)
        self._users = SharedLimits(1 / USER_SECONDS, FREE_PER_USER, now)
        #: Names and addresses that have signed in, the most recent last.
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def origin(self, name: str, address: str, browser: str | None) -> _Origin:
        """Return the origin of an attempt: a known browser, a known address, or a network."""
        if browser is not None:
            return _Origin(f"browser {browser}", True)
        if self._is_known(name, address):
            return _Origin(address, True)
        return _Origin(network_of(address), False)

    def attempt(self, name: str, origin: _Origin) -> _Attempt:
        """Let an attempt begin; the caller counts it. Raises TooManyRequests if it is too early."""
        counters: list[tuple[Backoff, Hashable]] = [
            (self._pairs, (name, origin.name)),
            (self._origins, origin.name),
        ]
        wait = max(backoff.wait_seconds(key) for backoff, key in counters)
        if not wait and not origin.is_known:
            wait = self._users.ask(name, origin.name)
        if wait > 0:
            metrics.limits_reached.labels("sign-in").inc()
            seconds = math.ceil(wait)
            message = f"too many failed sign-ins: try again in {seconds} s"
            raise TooManyRequests(message, retry_after=seconds)
        return _Attempt(name, origin.name, counters, None if origin.is_known else self._users)

    def succeeded(self, name: str, address: str, origin: _Origin, attempt: _Attempt) -> None:
        """Forget the failures of this user at this origin, which is known from now on."""
        # Other failures of the origin still count: signing in must not allow more guesses.
        attempt.undo()
        self._pairs.forget((name, origin.name))
        self._known[name, address] = None
        self._known.move_to_end((name, address))
        if len(self._known) > _MAX_KNOWN_PAIRS:
            self._known.popitem(last=False)

    def _is_known(self, name: str, address: str) -> bool:
        return (name, address) in self._known or any(
            session.address == address for session in self._sessions.of_user(name)
        )


def _source(name: str, address: str, origin: _Origin) -> Source:
    if origin.is_known:
        return Source(("at", name, origin.name))
    return stranger(address)
