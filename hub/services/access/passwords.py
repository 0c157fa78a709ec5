"""Argon2id for the passwords of users: the parameters stand in each hash, the work in a thread."""

from __future__ import annotations

import base64
import secrets
from functools import partial

import trio
from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from msgspec import Struct

from hub.errors import TooManyRequests

_SALT_BYTES = 16
_HASH_BYTES = 32
_MOST_WAITING = 32


class Cost(Struct, frozen=True):
    """What one guess costs. As it stands about a quarter of a second on an old PC's one core."""

    memory_kib: int = 64 * 1024
    iterations: int = 3
    lanes: int = 1


class Passwords:
    """Makes and checks hashes, one at a time, so that a flood of sign-ins takes one core at most
    and 64 MiB of memory."""

    def __init__(self, cost: Cost = Cost()) -> None:  # noqa: B008 - frozen
        self._cost = cost
        self._limiter = trio.CapacityLimiter(1)
        self._nobody = self._unmatched_hash()

    async def make(self, password: str) -> str:
        """The hash of a new password, in PHC form."""
        kdf = Argon2id(
            salt=secrets.token_bytes(_SALT_BYTES),
            length=_HASH_BYTES,
            iterations=self._cost.iterations,
            lanes=self._cost.lanes,
            memory_cost=self._cost.memory_kib,
        )
        derive = partial(kdf.derive_phc_encoded, password.encode())
        return await trio.to_thread.run_sync(derive, limiter=self._limiter)

    async def fits(self, password: str, stored: str | None) -> bool:
        """Whether `password` is the one of `stored`; None (no such user) costs the same work.

        Raises TooManyRequests when too many wait for their turn already.
        """
        if self._limiter.statistics().tasks_waiting >= _MOST_WAITING:
            raise TooManyRequests("too many sign-ins at once", retry_after=5)
        verify = partial(_verify, password.encode(), stored or self._nobody)
        return await trio.to_thread.run_sync(verify, limiter=self._limiter) and stored is not None

    def _unmatched_hash(self) -> str:
        """A hash of today's cost that no password fits, made without the work of making one."""
        salt, digest = (
            base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=")
            for size in (_SALT_BYTES, _HASH_BYTES)
        )
        cost = f"m={self._cost.memory_kib},t={self._cost.iterations},p={self._cost.lanes}"
        return f"$argon2id$v=19${cost}${salt}${digest}"


def _verify(password: bytes, stored: str) -> bool:
    try:
        Argon2id.verify_phc_encoded(password, stored)
    except InvalidKey:
        return False
    return True
