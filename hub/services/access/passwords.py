"""Password hashes: Argon2id, with its parameters in each hash, computed in a thread.

Who waits for it is decided in `turns`.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from functools import partial

import trio
from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from hub.outside import Cost
from hub.services.access.sign_in_queue import INSIDER, Source, Turns

_SALT_BYTES = 16
_HASH_BYTES = 32


class Passwords:
    """Computes one hash at a time, so that many sign-ins use at most one core and 64 MiB."""

    def __init__(self, cost: Cost = Cost()) -> None:  # noqa: B008 - frozen
        self._cost = cost
        self._limiter = trio.CapacityLimiter(1)
        self._turns = Turns()
        self._unmatched = self._unmatched_hash()

    async def make(self, password: str, source: Source = INSIDER) -> str:
        """Return the hash of a new password, in PHC format.

        Raises TooManyRequests if `source` has too many waiting.
        """
        kdf = Argon2id(
            salt=secrets.token_bytes(_SALT_BYTES),
            length=_HASH_BYTES,
            iterations=self._cost.iterations,
            lanes=self._cost.lanes,
            memory_cost=self._cost.memory_kib,
        )
        derive = partial(kdf.derive_phc_encoded, password.encode())
        async with self._turns.turn(source):
            return await trio.to_thread.run_sync(derive, limiter=self._limiter)

    async def fits(
        self,
        password: str,
        stored: str | None,
        source: Source = INSIDER,
        on_admitted: Callable[[], None] | None = None,
    ) -> bool:
        """Whether the password matches the hash. None (no such user) takes just as long.

        Raises TooManyRequests if too many checks are waiting, or `source` caused too many.
        Otherwise `on_admitted` is called before anything else runs.
        """
        verify = partial(_verify, password.encode(), stored or self._unmatched)
        async with self._turns.turn(source, on_admitted):
            fits = await trio.to_thread.run_sync(verify, limiter=self._limiter)
        return fits and stored is not None

    def _unmatched_hash(self) -> str:
        """Return a hash of the current cost that matches no password, without computing one."""
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
