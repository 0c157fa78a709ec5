"""Users: their names, roles and passwords."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from hub import metrics
from hub.errors import AlreadyExists, BadParameter, CannotStoreNow, NoSuchResource
from hub.services.access.passwords import Passwords
from hub.services.access.sessions import Sessions, hash_token
from hub.services.access.sign_in import SignIn
from hub.services.access.sign_in_queue import Source
from hub.services.access.validation import (
    check_name,
    check_password,
    check_role,
    normalise_name,
)
from hub.services.audit import Actor
from hub.store.tables.users import Role, User

if TYPE_CHECKING:
    from hub.services.core import Core


class LastAdministrator(BadParameter):
    """The change would leave the hub without an administrator who can sign in."""

    def __init__(self) -> None:
        super().__init__(
            "the last administrator cannot be disabled or removed, or lose the role: "
            "make another user an administrator first",
            field="name",
        )


class Users:
    """Adds, changes and removes users. At least one enabled administrator always remains."""

    def __init__(
        self, core: Core, passwords: Passwords, sign_in: SignIn, sessions: Sessions
    ) -> None:
        self._users = core.store.users
        self._links = core.store.user_links
        self._passwords = passwords
        self._sign_in = sign_in
        self._sessions = sessions
        self._audit = core.audit
        self._now = core.now
        #: Held from a check of the users to the change that relies on it.
        self.changing = trio.Lock()

    def all(self) -> tuple[User, ...]:
        """Return all users, by name."""
        return self._users.all()

    def get(self, name: str) -> User:
        """Return a user by name. Raises NoSuchResource."""
        user = self._users.get(normalise_name(name))
        if user is None:
            raise NoSuchResource(f"there is no user {name!r}")
        return user

    def has_administrator(self, *, besides: str | None = None) -> bool:
        """Whether there is an enabled administrator other than the user `besides`."""
        return any(
            user.role == "admin" and user.enabled and user.name != besides for user in self.all()
        )

    def is_administrator(self, name: str) -> bool:
        """Whether this user can administer the hub."""
        user = self._users.get(name)
        return user is not None and user.role == "admin" and user.enabled

    def is_last_administrator(self, user: User) -> bool:
        """Whether nobody could administer the hub without this user."""
        is_administrator = user.role == "admin" and user.enabled
        return is_administrator and not self.has_administrator(besides=user.name)

    def check_is_free(self, name: str) -> None:
        """Raise AlreadyExists if a user has this name."""
        if self._users.get(name) is not None:
            raise AlreadyExists(f"there is already a user {name!r}", field="name")

    async def add(self, name: str, role: str, password: str, *, by: Actor) -> User:
        """Add a user. Raises AlreadyExists, and BadParameter for "name", "role" or "password"."""
        name = check_name(name)
        checked = check_role(role)
        check_password(password)
        password_hash = await self._passwords.make(password)
        async with self.changing:
            self.check_is_free(name)
            return await self.insert(name, checked, password_hash, by=by)

    async def insert(self, name: str, role: Role, password_hash: str, *, by: Actor) -> User:
        """Store a checked user. The caller holds `changing`."""
        created_at = int(self._now() * 1000)
        user = User(name=name, role=role, password_hash=password_hash, created_at=created_at)
        await self._users.add(user)
        await self._audit.add(by, "user.add", f"{name} {role}")
        return user

    async def set_role(self, name: str, role: str, *, by: Actor) -> None:
        """Change a user's role.

        Raises NoSuchResource, and LastAdministrator, and BadParameter for "role".
        """
        checked = check_role(role)
        async with self.changing:
            user = self.get(name)
            if checked != "admin":
                self._check_not_last_administrator(user)
                await self._end_links(user, by)
            await self._users.set_role(user.name, checked)
        await self._audit.add(by, "user.role", f"{user.name} {checked}")

    async def set_enabled(self, name: str, enabled: bool, *, by: Actor) -> None:
        """Let a user sign in again; or shut the user out, and end all sessions of the user.

        Raises NoSuchResource, LastAdministrator.
        """
        async with self.changing:
            user = self.get(name)
            if user.enabled == enabled:
                return
            if not enabled:
                self._check_not_last_administrator(user)
                await self._end_links(user, by)
            await self._users.set_enabled(user.name, enabled)
        if not enabled:
            await self._sessions.end_all(user.name)
        await self._audit.add(by, "user.enable" if enabled else "user.disable", user.name)

    async def sign_out(self, name: str, *, by: Actor) -> None:
        """End all sessions of a user, as an administrator. Raises NoSuchResource."""
        await self._sessions.sign_out_everywhere(self.get(name).name, by=by)

    async def set_password(self, name: str, password: str, *, by: Actor) -> None:
        """Set a user's password as an administrator, which ends all sessions of the user.

        Raises NoSuchResource, and BadParameter for "password".
        """
        check_password(password)
        password_hash = await self._passwords.make(password)
        user = self.get(name)
        await self._users.set_password(user.name, password_hash)
        await self._sessions.end_all(user.name)
        await self._audit.add(by, "user.password", user.name)

    async def confirm(self, name: str, password: str, *, by: Actor) -> bool:
        """Whether this is the user's password. Raises TooManyRequests after too many failures."""
        return await self._confirmed(name, password, by) is not None

    async def change_password(self, name: str, old: str, new: str, *, keep: str, by: Actor) -> None:
        """Change the user's own password; end all sessions but the one with the token `keep`.

        Raises BadParameter for "old" and "new", and TooManyRequests after too many failures.
        """
        check_password(new, field="new")
        wrong = BadParameter("is not your current password", field="old")
        user = await self._confirmed(self.get(name).name, old, by)
        if user is None:
            raise wrong
        password_hash = await self._passwords.make(new, Source(("signed in", user.name)))
        # An administrator may have set another password in the meantime.
        if self._users.get(user.name) != user:
            raise wrong
        await self._users.set_password(user.name, password_hash, keep=hash_token(keep))
        await self._sessions.end_others(user.name, keep=keep)
        await self._audit.add(by, "user.password", user.name)

    async def _confirmed(self, name: str, password: str, by: Actor) -> User | None:
        """Return the user if this is the password. A wrong one goes into the audit log, if there
        is room for it.

        Raises TooManyRequests after too many failures.
        """
        user = await self._sign_in.recognise(name, password, by.address, is_signed_in=True)
        if user is None:
            metrics.sign_in_failures.inc()
            # On a full disk the password is still wrong; the failure is counted in any case.
            with suppress(CannotStoreNow):
                await self._audit.add(by, "user.confirm_failed", name)
        return user

    async def remove(self, name: str, *, by: Actor) -> None:
        """Remove a user and end all their sessions.

        Raises NoSuchResource, LastAdministrator.
        """
        async with self.changing:
            user = self.get(name)
            self._check_not_last_administrator(user)
            await self._end_links(user, by)
            await self._users.remove(user.name)
        await self._audit.add(by, "user.remove", user.name)

    async def _end_links(self, user: User, by: Actor) -> None:
        """End the set-up links that a user made, before the user loses the right to make them."""
        ended = await self._links.remove_of(user.name)
        if ended:
            await self._audit.add_each(by, "user.link-withdraw", ended)

    def _check_not_last_administrator(self, user: User) -> None:
        """Raise LastAdministrator if this user is the last enabled one."""
        if self.is_last_administrator(user):
            raise LastAdministrator
