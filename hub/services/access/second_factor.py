"""A second factor beside the password: codes of an authenticator (TOTP, RFC 6238), recovery codes.

A code depends on the time, and the hub may have a wrong clock: codes are compared at the time that
it most probably is, and recovery codes need no time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

import trio
from msgspec import Struct

from hub.errors import BadParameter, CannotStoreNow, NoSuchResource, NotAuthorised
from hub.services.audit import Actor
from hub.store.tables.second_factors import SecondFactor
from hub.store.tables.users import User

if TYPE_CHECKING:
    from hub.services.core import Core

STEP_SECONDS, DIGITS = 30, 6
#: Steps before and after that of now whose codes are good.
_WINDOW = 1
RECOVERY_CODES = 10
#: 160 and 50 bits.
_SECRET_BYTES, _RECOVERY_LETTERS = 20, 10
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
#: A longer code is wrong unread.
MAX_CODE_LENGTH = 32
#: For so long after the password the code is waited for.
_WAIT_SECONDS = 300.0
_MAX_WAITING, _MAX_WAITING_OF_ONE, _MAX_NEW = 256, 4, 64


class CodeNeeded(NotAuthorised):
    """The password is right. `ticket` stands for it beside the code, for five minutes."""

    def __init__(self, ticket: str) -> None:
        super().__init__("the code of the second factor is needed")
        self.ticket = ticket


class _Waiting(Struct, frozen=True):
    """A user whose password was right, until a time of the clock of expiry."""

    user: User
    until: float


class SecondFactors:
    """Sets second factors up, takes them away, and checks codes."""

    def __init__(self, core: Core) -> None:
        self._factors = core.store.second_factors
        self._users = core.store.users
        self._site = core.site
        self._settings = core.settings
        self._audit = core.audit
        self._reading = core.clock.reading
        self._now = core.clock.expiry
        self._checking = trio.Lock()
        #: By ticket, and by user: secrets that no code was given for yet. Bounded, in memory.
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()
        self._new: OrderedDict[str, str] = OrderedDict()

    def is_on(self, user: str) -> bool:
        """Whether a user has a second factor."""
        return self._factors.get(user) is not None

    def is_missing(self, user: User) -> bool:
        """Whether the site demands one of this administrator, who has none."""
        demanded = self._settings.current.web.second_factor == "administrators"
        return demanded and user.role == "admin" and not self.is_on(user.name)

    def recovery_left(self, user: str) -> int:
        """How many recovery codes a user has left."""
        found = self._factors.get(user)
        return len(found.recovery) if found else 0

    def begin(self, user: str) -> str:
        """Return a new secret in Base32, which counts from `confirm` on."""
        secret = base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode()
        self._new[user] = secret
        self._new.move_to_end(user)
        if len(self._new) > _MAX_NEW:
            self._new.popitem(last=False)
        return secret

    def begun(self, user: str) -> str | None:
        """Return the secret that waits for its first code."""
        return self._new.get(user)

    def uri(self, user: str, secret: str) -> str:
        """Return what the QR code for an authenticator says."""
        issuer = quote(self._site.name(), safe="")
        label = f"{issuer}:{quote(user, safe='')}"
        return f"otpauth://totp/{label}?secret={secret}&issuer={issuer}"

    async def confirm(self, user: str, code: str, *, by: Actor) -> tuple[str, ...]:
        """Turn the new second factor on by its first code; return its recovery codes, only now.

        Raises BadParameter for "code", NoSuchResource if none was begun or the user is gone.
        """
        secret = self._new.get(user)
        if secret is None:
            raise NoSuchResource("no second factor was begun: begin again")
        step = self._step_of(secret, _digits(code), -1)
        if step is None:
            raise BadParameter("the code of now is expected", field="code")
        codes = tuple(
            "".join(secrets.choice(_ALPHABET) for _ in range(_RECOVERY_LETTERS))
            for _ in range(RECOVERY_CODES)
        )
        await self._factors.put(user, secret, step, tuple(map(_hash, codes)))
        self._new.pop(user, None)
        await self._audit.add(by, "user.factor_on", user)
        return tuple(f"{one[:5]}-{one[5:]}" for one in codes)

    async def remove(self, user: str, *, by: Actor) -> None:
        """Take a second factor away. Raises NoSuchResource."""
        await self._factors.remove(user)
        await self._audit.add(by, "user.factor_off", user)

    def wait_for_code(self, user: User) -> str:
        """Return a ticket for a user whose password was right."""
        now = self._now()
        of_user = [key for key, one in self._waiting.items() if one.user.name == user.name]
        old = [key for key, one in self._waiting.items() if one.until <= now]
        for key in {*old, *of_user[: 1 - _MAX_WAITING_OF_ONE]}:
            del self._waiting[key]
        if len(self._waiting) >= _MAX_WAITING:
            self._waiting.popitem(last=False)
        ticket = secrets.token_urlsafe(24)
        self._waiting[ticket] = _Waiting(user, now + _WAIT_SECONDS)
        return ticket

    def user_of(self, ticket: str) -> User | None:
        """Return the user of a ticket; None if it has ended, or the user has changed meanwhile."""
        one = self._waiting.get(ticket)
        if one is None or one.until <= self._now() or not one.user.enabled:
            return None
        return one.user if self._users.get(one.user.name) == one.user else None

    def end(self, ticket: str) -> bool:
        """Let a ticket count no longer; whether it did."""
        return self._waiting.pop(ticket, None) is not None

    async def fits(self, user: str, code: str, *, by: Actor) -> bool:
        """Whether this is a code of the user, which is used up by it. Raises CannotStoreNow."""
        async with self._checking:
            found = self._factors.get(user)
            used = await self._use(found, code, by) if found is not None else False
        if not used:
            with suppress(CannotStoreNow):
                await self._audit.add(by, "user.factor_failed", user)
        return used

    async def _use(self, one: SecondFactor, code: str, by: Actor) -> bool:
        secret = self._factors.secret(one)
        step = None if secret is None else self._step_of(secret, _digits(code), one.last_step)
        if step is not None:
            await self._factors.use(one, step, one.recovery)
            return True
        digest = _hash(_letters(code))
        if not any(hmac.compare_digest(digest, known) for known in one.recovery):
            return False
        left = tuple(known for known in one.recovery if known != digest)
        await self._factors.use(one, one.last_step, left)
        await self._audit.add(by, "user.factor_recovery", str(len(left)))
        return True

    def _step_of(self, secret: str, code: str, last: int) -> int | None:
        """Return the step of a code that is good now, and was not used; None if it is not."""
        now = self._reading().likely // 1000 // STEP_SECONDS
        # A clock that was ahead when a code was used must not refuse all codes now.
        oldest = last + 1 if last <= now + _WINDOW else 0
        key = base64.b32decode(secret)
        for step in range(max(now - _WINDOW, oldest, 0), now + _WINDOW + 1):
            if hmac.compare_digest(totp(key, step), code):
                return step
        return None


def totp(key: bytes, step: int, digits: int = DIGITS) -> str:
    """Return the code of a step (RFC 6238 with SHA-1, which authenticators support)."""
    digest = hmac.digest(key, step.to_bytes(8, "big"), "sha1")
    start = digest[-1] & 0x0F
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**digits:0{digits}}"


def _digits(code: str) -> str:
    """The code without blanks, as people type it; "" if it cannot be one."""
    found = "".join(code[:MAX_CODE_LENGTH].split())
    return found if found.isascii() and found.isdigit() else ""


def _letters(code: str) -> str:
    return "".join(one for one in code[:MAX_CODE_LENGTH].upper() if one in _ALPHABET)


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
