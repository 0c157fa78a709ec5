"""Who may do what: users, their sessions, the one-time set-up link, integrators' API keys, audit.

Whoever changes something is named by an `Actor`, and the change stands in the audit log.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import math
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv6Network
from typing import TYPE_CHECKING, get_args

import trio
from msgspec import Struct

from hub import metrics
from hub.errors import (
    AlreadyExists,
    BadParameter,
    CannotStoreNow,
    InvalidAppId,
    NoSuchResource,
    NotAuthorised,
    TooManyRequests,
    WrongSignature,
)
from hub.log import limited
from hub.net.rate_limits import MAX_BACKOFF_SECONDS, Backoff
from hub.services.access.passwords import Cost, Passwords
from hub.services.shielding import shielded
from hub.store.tables.api_keys import ApiKey as ApiKey
from hub.store.tables.audit import AuditEntry as AuditEntry
from hub.store.tables.sessions import Session
from hub.store.tables.users import Role as Role
from hub.store.tables.users import User as User
from hub.wire.signing import is_within_skew, ts_seconds, verify_params_sign

if TYPE_CHECKING:
    from hub.services.site.site import Site, SiteSettings
    from hub.store.db import Store

log = logging.getLogger(__name__)

#: The highest first.
ROLES: tuple[Role, ...] = get_args(Role)

SHORTEST_PASSWORD = 8
_LONGEST_PASSWORD = 1024
_LONGEST_NAME = 64

_HOUR_MS = 3_600_000
#: A session ends after this long without a request: one shift ...
IDLE_MS = 12 * _HOUR_MS
#: ... and after this long in any case.
ABSOLUTE_MS = 7 * 24 * _HOUR_MS
#: "Last used" is written at most this often.
_TOUCH_MS = 5 * 60_000
_SESSIONS_PER_USER = 64
_SETUP_MS = 24 * _HOUR_MS
_SETUP_LINK = "setup.link"
#: 15 minutes after the last failed sign-in, however long it delays, nothing is held against a key.
_FAILURE_WINDOW_SECONDS = 15 * 60 - MAX_BACKOFF_SECONDS


class Actor(Struct, frozen=True):
    """Who does something, as the audit log names it: "user NAME", "key APPID", "command line"."""

    who: str
    address: str = ""


COMMAND_LINE = Actor("command line")


class SignedIn(Struct, frozen=True):
    """A new session. The token is for the browser's cookie; the hub keeps its hash only."""

    user: User
    token: str


class NewApiKey(Struct, frozen=True):
    """The secret is shown this once."""

    appid: str
    secret: str


class Accounts:
    """Users sign in with a password, integrators with a key; both are few."""

    def __init__(
        self,
        store: Store,
        *,
        site: Site,
        now: Callable[[], float],
        clock_skew: float,
        random: Callable[[int], bytes],
        cost: Cost = Cost(),  # noqa: B008 - frozen
    ) -> None:
        self._store = store
        self._site = site
        self._now = now
        self._clock_skew = clock_skew
        self._random = random
        self._passwords = Passwords(cost)
        self._gate = _SignInGate(store, now)
        #: Held from a check of users or of the set-up link to the change that rests on it.
        self._changing = trio.Lock()

    # Sessions

    async def sign_in(self, name: str, password: str, address: str) -> SignedIn:
        """Raises NotAuthorised where name or password is wrong, TooManyRequests after too many."""
        # Nobody's name is as long as this, and a longer one is not to be kept among the failures.
        user = await self._recognise(_tidy(name)[: _LONGEST_NAME + 1], password, address)
        if user is None:
            metrics.sign_in_failures.inc()
            limited(log, logging.WARNING, f"sign-in {address}", "failed sign-in from %s", address)
            raise NotAuthorised("name or password is wrong")
        return await self._open_session(user, address)

    async def _recognise(self, name: str, password: str, address: str) -> User | None:
        """The user of that name and password, or None; raises TooManyRequests after too many."""
        self._gate.enter(name, address)
        user = self._store.users.get(name)
        try:
            fits = await self._passwords.fits(password, user.password_hash if user else None)
        except TooManyRequests:
            self._gate.take_back(name, address)
            raise
        # The user may have been removed, or the password changed, in the meantime.
        if not fits or user is None or self._store.users.get(name) != user:
            return None
        self._gate.passed(name, address)
        return user

    async def session(self, token: str) -> User | None:
        """Whose session it is; None where it is unknown, idle for too long, or too old."""
        session = self._store.sessions.get(_hash(token))
        now = self._now_ms()
        if session is None or session.created_at + ABSOLUTE_MS <= now:
            return None
        if session.last_used_at + IDLE_MS <= now:
            return None
        if now - session.last_used_at >= _TOUCH_MS:
            await self._touch(session, now)
        return self._store.users.get(session.user)

    async def sign_out(self, token: str) -> None:
        await self._store.sessions.remove(_hash(token))

    async def sign_out_everywhere(self, name: str, *, by: Actor) -> None:
        with shielded():
            await self._store.sessions.remove_user(name)
            await self.audit(by, "user.sign_out_everywhere", name)

    async def _open_session(self, user: User, address: str) -> SignedIn:
        token = base64.urlsafe_b64encode(self._random(32)).decode().rstrip("=")
        now = self._now_ms()
        earlier = sorted(self._store.sessions.of_user(user.name), key=lambda s: s.last_used_at)
        for session in earlier[: max(0, len(earlier) - _SESSIONS_PER_USER + 1)]:
            await self._store.sessions.remove(session.token_hash)
        await self._store.sessions.add(
            Session(
                token_hash=_hash(token),
                user=user.name,
                created_at=now,
                last_used_at=now,
                address=address,
            )
        )
        await self.audit(Actor(f"user {user.name}", address), "user.sign_in", user.name)
        return SignedIn(user, token)

    async def _touch(self, session: Session, now: int) -> None:
        with suppress(CannotStoreNow):  # A full disk signs nobody out.
            await self._store.sessions.touch(session.token_hash, now)

    # Users

    def users(self) -> tuple[User, ...]:
        return self._store.users.all()

    def user(self, name: str) -> User:
        user = self._store.users.get(_tidy(name))
        if user is None:
            raise NoSuchResource(f"there is no user {name!r}")
        return user

    async def add_user(self, name: str, role: str, password: str, *, by: Actor) -> User:
        """Raises BadParameter for "name", "role", "password", and AlreadyExists."""
        name = _check_name(name)
        checked = _check_role(role)
        _check_password(password)
        password_hash = await self._passwords.make(password)
        with shielded():
            async with self._changing:
                return await self._add_user(name, checked, password_hash, by)

    async def set_role(self, name: str, role: str, *, by: Actor) -> None:
        checked = _check_role(role)
        with shielded():
            async with self._changing:
                user = self.user(name)
                if checked != "admin":
                    self._keep_an_administrator(user)
                await self._store.users.set_role(user.name, checked)
            await self.audit(by, "user.role", f"{user.name} {checked}")

    async def set_password(self, name: str, password: str, *, by: Actor) -> None:
        """An administrator sets it: the user is signed out everywhere."""
        _check_password(password)
        password_hash = await self._passwords.make(password)
        user = self.user(name)
        with shielded():
            await self._store.users.set_password(user.name, password_hash)
            await self._store.sessions.remove_user(user.name)
            await self.audit(by, "user.password", user.name)

    async def change_password(self, name: str, old: str, new: str, *, keep: str, by: Actor) -> None:
        """A user's own: needs the old one, and ends that user's sessions but the one of `keep`.

        Raises BadParameter for "old" and "new", and TooManyRequests as `sign_in` does.
        """
        _check_password(new, field="new")
        wrong = BadParameter("is not your present password", field="old")
        user = await self._recognise(self.user(name).name, old, by.address)
        if user is None:
            raise wrong
        password_hash = await self._passwords.make(new)
        # An administrator may have set another one while this one was made.
        if self._store.users.get(user.name) != user:
            raise wrong
        with shielded():
            await self._store.users.set_password(user.name, password_hash)
            for session in self._store.sessions.of_user(user.name):
                if session.token_hash != _hash(keep):
                    await self._store.sessions.remove(session.token_hash)
            await self.audit(by, "user.password", user.name)

    async def remove_user(self, name: str, *, by: Actor) -> None:
        with shielded():
            async with self._changing:
                user = self.user(name)
                self._keep_an_administrator(user)
                await self._store.users.remove(user.name)
            await self.audit(by, "user.remove", user.name)

    async def _add_user(self, name: str, role: Role, password_hash: str, by: Actor) -> User:
        self._check_free(name)
        user = User(name=name, role=role, password_hash=password_hash, created_at=self._now_ms())
        await self._store.users.add(user)
        await self.audit(by, "user.add", f"{name} {role}")
        return user

    def _check_free(self, name: str) -> None:
        if self._store.users.get(name) is not None:
            raise AlreadyExists(f"there is a user {name!r} already", field="name")

    def _keep_an_administrator(self, leaving: User) -> None:
        """Raises BadParameter where nobody could administer the site without `leaving`."""
        if leaving.role != "admin":
            return
        if not any(u.role == "admin" and u.name != leaving.name for u in self.users()):
            raise BadParameter("the last administrator stays one", field="name")

    # First run

    def needs_setup(self) -> bool:
        """Nobody can administer the site yet."""
        return not any(user.role == "admin" for user in self._store.users.all())

    async def new_setup_link(self, *, by: Actor) -> str:
        """The token of a new link, good once, for a day; an earlier link is good no more."""
        token = base64.urlsafe_b64encode(self._random(24)).decode().rstrip("=")
        expires_at = self._now_ms() + _SETUP_MS
        await self._store.settings.set(_SETUP_LINK, f"{_hash(token).hex()} {expires_at}")
        await self.audit(by, "setup.link", "")
        return token

    def check_setup(self, token: str) -> bool:
        """Whether the link that carries `token` is still good."""
        digest, _, expires_at = (self._store.settings.get(_SETUP_LINK) or "").partition(" ")
        fits = hmac.compare_digest(digest, _hash(token).hex())
        return fits and self._now_ms() < int(expires_at)

    async def complete_setup(
        self, token: str, name: str, password: str, site: SiteSettings, *, address: str
    ) -> SignedIn:
        """Make the administrator and name the site; the link is used up by exactly one caller.

        Raises NotAuthorised where the link is good no more, BadParameter (then it stays good).
        """
        name = _check_name(name)
        _check_password(password)
        self._site.check(site)
        if not self.check_setup(token):
            raise NotAuthorised("this set-up link is used or too old")
        password_hash = await self._passwords.make(password)
        by = Actor("set-up link", address)
        with shielded():
            async with self._changing:
                if not self.check_setup(token):
                    raise NotAuthorised("this set-up link is used or too old")
                self._check_free(name)
                # Used up first: should the rest fail, a new link is made, but none works twice.
                await self._store.settings.set(_SETUP_LINK, None)
                user = await self._add_user(name, "admin", password_hash, by)
            await self._site.set(site)
            await self.audit(by, "site.change", site.name)
        return await self._open_session(user, address)

    # API keys

    def api_keys(self) -> tuple[ApiKey, ...]:
        return self._store.api_keys.all()

    async def add_api_key(self, name: str, read_only: bool, *, by: Actor) -> NewApiKey:
        name = _check_name(name)
        appid = self._random(8).hex()
        secret = base64.urlsafe_b64encode(self._random(24)).decode()
        key = ApiKey(appid=appid, name=name, read_only=read_only, created_at=self._now_ms())
        with shielded():
            await self._store.api_keys.add(key, secret)
            await self.audit(by, "apikey.add", f"{appid} {name}{' read-only' if read_only else ''}")
        return NewApiKey(appid, secret)

    async def remove_api_key(self, appid: str, *, by: Actor) -> None:
        with shielded():
            await self._store.api_keys.remove(appid)
            await self.audit(by, "apikey.remove", appid)

    def api_key(self, appid: str) -> ApiKey | None:
        return self._store.api_keys.get(appid)

    def authenticate_key(self, bearer: str) -> ApiKey:
        """The key of `Authorization: Bearer APPID:SECRET`; raises NotAuthorised."""
        appid, _, secret = bearer.partition(":")
        key = self._store.api_keys.get(appid)
        if key is None or not self._store.api_keys.fits(appid, secret):
            raise NotAuthorised("unknown API key, or its secret is wrong")
        return key

    def authenticate_sign(self, params: Mapping[str, str]) -> ApiKey:
        """The key that signed `params`, all of a query, as in 三.

        Raises InvalidAppId, or WrongSignature where sign or clock is wrong (D6).
        """
        appid = params.get("appid", "")
        key = self._store.api_keys.get(appid)
        if key is None:
            raise InvalidAppId("appid: there is no such API key")
        if not params.get("sign") or not params.get("ts"):
            raise WrongSignature("a signed request carries appid, ts and sign")
        if not verify_params_sign(params, self._store.api_keys.secret(appid)):
            raise WrongSignature("sign: does not fit the parameters")
        if not is_within_skew(_time_of(params["ts"]), self._now(), self._clock_skew):
            raise WrongSignature(f"ts: more than {self._clock_skew:g} s away from the hub's clock")
        return key

    # Audit

    async def audit(self, by: Actor, action: str, target: str) -> None:
        await self._store.audit.add(self._now_ms(), by.who, action, target, by.address)

    async def audit_each(self, by: Actor, action: str, targets: Sequence[str]) -> None:
        """The same done to each of many."""
        now = self._now_ms()
        await self._store.audit.add_each(now, by.who, action, targets, by.address)

    async def audit_page(
        self, *, before: int | None = None, limit: int = 100
    ) -> tuple[AuditEntry, ...]:
        """The newest first."""
        return await self._store.audit.page(before, limit)

    def _now_ms(self) -> int:
        return int(self._now() * 1000)


class _SignInGate:
    """Holds guessing back without shutting the guard out.

    Counted are failures of a user from an address, of an address, and of a user from addresses
    where that user never signed in: so one who guesses from elsewhere never holds back a guard at
    the usual PC, were it of the same IPv6 network. A try counts as failed until it passed; many at
    once are no way around.
    """

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store = store
        # The 5th (20th) failure is the first that delays the next try.
        self._pairs = Backoff(now, free=4, window=_FAILURE_WINDOW_SECONDS)
        self._addresses = Backoff(now, free=19, window=_FAILURE_WINDOW_SECONDS)
        self._users = Backoff(now, free=19, window=_FAILURE_WINDOW_SECONDS)
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def enter(self, name: str, address: str) -> None:
        """Raises TooManyRequests where this try comes too early."""
        counted = self._counted(name, address)
        wait = max(backoff.wait_seconds(key) for backoff, key in counted)
        if wait > 0:
            metrics.limits_reached.labels("sign-in").inc()
            raise TooManyRequests("too many failed sign-ins", retry_after=math.ceil(wait))
        for backoff, key in counted:
            backoff.failed(key)

    def take_back(self, name: str, address: str) -> None:
        for backoff, key in self._counted(name, address):
            backoff.undo(key)

    def passed(self, name: str, address: str) -> None:
        # An address is not forgiven: one good account there would buy guesses at the others.
        self.take_back(name, address)
        self._pairs.forget((name, self._origin(name, address)))
        self._known[name, address] = None
        self._known.move_to_end((name, address))
        if len(self._known) > 4096:
            self._known.popitem(last=False)

    def _counted(self, name: str, address: str) -> list[tuple[Backoff, object]]:
        origin = self._origin(name, address)
        counted: list[tuple[Backoff, object]] = [
            (self._pairs, (name, origin)),
            (self._addresses, origin),
        ]
        if not self._is_known(name, address):
            counted.append((self._users, name))
        return counted

    def _origin(self, name: str, address: str) -> str:
        return address if self._is_known(name, address) else _network(address)

    def _is_known(self, name: str, address: str) -> bool:
        return (name, address) in self._known or any(
            session.address == address for session in self._store.sessions.of_user(name)
        )


def _network(address: str) -> str:
    """An IPv6 host owns its /64, however it is written; an IPv4 address stands for itself."""
    return str(IPv6Network((address, 64), strict=False)) if ":" in address else address


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _time_of(ts: str) -> float:
    try:
        return ts_seconds(ts)
    except BadParameter as error:
        raise WrongSignature(error.message) from None


def _tidy(name: str) -> str:
    # The same name typed on two systems may be composed differently.
    return unicodedata.normalize("NFC", name).strip()


def _check_name(name: str) -> str:
    name = _tidy(name)
    if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable():
        raise BadParameter(f"1 to {_LONGEST_NAME} printable characters", field="name")
    return name


def _check_role(role: str) -> Role:
    for known in ROLES:
        if role == known:
            return known
    raise BadParameter("one of admin, guard, viewer", field="role")


def _check_password(password: str, *, field: str = "password") -> None:
    if not SHORTEST_PASSWORD <= len(password) <= _LONGEST_PASSWORD:
        raise BadParameter(f"{SHORTEST_PASSWORD} to {_LONGEST_PASSWORD} characters", field=field)
