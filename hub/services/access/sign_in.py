"""Check users' names and passwords, and slow down guessing."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Network
from typing import TYPE_CHECKING

from hub import metrics
from hub.errors import TooManyRequests
from hub.net.rate_limits import MAX_BACKOFF_SECONDS, Backoff
from hub.services.access.passwords import Passwords
from hub.services.access.validation import MAX_NAME_LENGTH, normalise_name
from hub.store.tables.users import User

if TYPE_CHECKING:
    from hub.store.db import Store

#: Failures are forgotten 15 minutes after the last one, even if that had the longest delay.
_WINDOW_SECONDS = 15 * 60 - MAX_BACKOFF_SECONDS
#: Failures without a delay; each further one delays the next attempt.
_FREE_PER_PAIR = 4
_FREE_PER_ADDRESS = 19
_FREE_PER_USER = 19
_MAX_KNOWN_PAIRS = 4096


class SignIn:
    """Recognises users by name and password."""

    def __init__(self, store: Store, passwords: Passwords, now: Callable[[], float]) -> None:
        self._users = store.users
        self._passwords = passwords
        self._limit = _GuessLimit(store, now)

    async def recognise(self, name: str, password: str, address: str) -> User | None:
        """Return the user with this name and password; None if either is wrong, or it is disabled.

        Raises TooManyRequests after too many failures, or while too many sign-ins are waiting.
        """
        # No user has a longer name, and long ones would fill the tables of failures.
        name = normalise_name(name)[: MAX_NAME_LENGTH + 1]
        self._limit.count(name, address)
        user = self._users.get(name)
        try:
            fits = await self._passwords.fits(password, user.password_hash if user else None)
        except TooManyRequests:
            self._limit.undo(name, address)
            raise
        # The user may have been removed, or the password changed, in the meantime.
        if not fits or user is None or not user.enabled or self._users.get(name) != user:
            return None
        self._limit.succeeded(name, address)
        return user


class _GuessLimit:
    """Delays guesses without locking out the user whose password is guessed.

    Failures are counted for each user at each address, for each address, and for each user at all
    addresses where that user has never signed in. So guesses from elsewhere, even from the same
    IPv6 network, never delay a user at the usual PC. An attempt counts as a failure until it
    succeeds, so that many attempts at once cannot get around the limit.
    """

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._sessions = store.sessions
        self._pairs = Backoff(now, free=_FREE_PER_PAIR, window=_WINDOW_SECONDS)
        self._addresses = Backoff(now, free=_FREE_PER_ADDRESS, window=_WINDOW_SECONDS)
        self._users = Backoff(now, free=_FREE_PER_USER, window=_WINDOW_SECONDS)
        #: Names and addresses that have signed in, the most recent last.
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def count(self, name: str, address: str) -> None:
        """Count an attempt. Raises TooManyRequests if it comes too early."""
        counters = self._counters(name, address)
        wait = max(backoff.wait_seconds(key) for backoff, key in counters)
        if wait > 0:
            metrics.limits_reached.labels("sign-in").inc()
            raise TooManyRequests("too many failed sign-ins", retry_after=math.ceil(wait))
        for backoff, key in counters:
            backoff.failed(key)

    def undo(self, name: str, address: str) -> None:
        """Forget the last attempt."""
        for backoff, key in self._counters(name, address):
            backoff.undo(key)

    def succeeded(self, name: str, address: str) -> None:
        """Forget the failures of this user at this address."""
        # Other failures of the address still count: signing in must not allow more guesses.
        self.undo(name, address)
        self._pairs.forget((name, self._origin(name, address)))
        self._known[name, address] = None
        self._known.move_to_end((name, address))
        if len(self._known) > _MAX_KNOWN_PAIRS:
            self._known.popitem(last=False)

    def _counters(self, name: str, address: str) -> list[tuple[Backoff, object]]:
        origin = self._origin(name, address)
        counters: list[tuple[Backoff, object]] = [
            (self._pairs, (name, origin)),
            (self._addresses, origin),
        ]
        if not self._is_known(name, address):
            counters.append((self._users, name))
        return counters

    def _origin(self, name: str, address: str) -> str:
        return address if self._is_known(name, address) else _network_of(address)

    def _is_known(self, name: str, address: str) -> bool:
        return (name, address) in self._known or any(
            session.address == address for session in self._sessions.of_user(name)
        )


def _network_of(address: str) -> str:
    """Return the /64 network of an IPv6 address, all of which one host may own, or the IPv4 one."""
    return str(IPv6Network((address, 64), strict=False)) if ":" in address else address
