"""Requests about users, API keys and the audit log. The services write the audit log themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from hub.process.control.request import ControlRequest
from hub.services.access.api_keys import NewApiKey
from hub.services.audit import COMMAND_LINE
from hub.services.urls import dashboard_urls
from hub.wire.times import format_rfc3339

if TYPE_CHECKING:
    from hub.services import Services


class AddUser(ControlRequest[None], frozen=True, tag="user.add"):
    """Add a user."""

    name: str
    role: str
    password: str

    async def perform(self, services: Services) -> None:
        await services.access.users.add(self.name, self.role, self.password, by=COMMAND_LINE)


class EnableUser(ControlRequest[None], frozen=True, tag="user.enable"):
    """Let a user sign in again, or shut the user out."""

    name: str
    enabled: bool

    async def perform(self, services: Services) -> None:
        await services.access.users.set_enabled(self.name, self.enabled, by=COMMAND_LINE)


class SetRole(ControlRequest[None], frozen=True, tag="user.role"):
    """Change a user's role."""

    name: str
    role: str

    async def perform(self, services: Services) -> None:
        await services.access.users.set_role(self.name, self.role, by=COMMAND_LINE)


class SignOutUser(ControlRequest[None], frozen=True, tag="user.sign-out"):
    """End all sessions of a user."""

    name: str

    async def perform(self, services: Services) -> None:
        await services.access.users.sign_out(self.name, by=COMMAND_LINE)


class SetPassword(ControlRequest[None], frozen=True, tag="user.passwd"):
    """Set a user's password."""

    name: str
    password: str

    async def perform(self, services: Services) -> None:
        await services.access.users.set_password(self.name, self.password, by=COMMAND_LINE)


class ListedUser(Struct, frozen=True):
    """A user as `user list` shows it; `created_at` is RFC 3339."""

    name: str
    role: str
    enabled: bool
    created_at: str


class ListUsers(ControlRequest[list[ListedUser]], frozen=True, tag="user.list"):
    """List the users."""

    async def perform(self, services: Services) -> list[ListedUser]:
        return [
            ListedUser(user.name, user.role, user.enabled, format_rfc3339(user.created_at))
            for user in services.access.users.all()
        ]


class RemoveSecondFactor(ControlRequest[None], frozen=True, tag="user.remove-second-factor"):
    """Take a user's second factor away."""

    name: str

    async def perform(self, services: Services) -> None:
        user = services.access.users.get(self.name)
        await services.access.second_factors.remove(user.name, by=COMMAND_LINE)


class RemoveUser(ControlRequest[None], frozen=True, tag="user.remove"):
    """Remove a user and sign them out everywhere."""

    name: str

    async def perform(self, services: Services) -> None:
        await services.access.users.remove(self.name, by=COMMAND_LINE)


class NewSetupLink(ControlRequest[str], frozen=True, tag="user.setup-link"):
    """Create a setup link and return its URL. Earlier links for the same purpose expire.

    Without `name` and `role` it is for the first administrator.
    """

    name: str | None = None
    role: str | None = None

    async def perform(self, services: Services) -> str:
        if self.name is None or self.role is None:
            token = await services.access.setup_links.create(by=COMMAND_LINE)
        else:
            token = await services.access.setup_links.create_for(
                self.name, self.role, by=COMMAND_LINE
            )
        return f"{dashboard_urls(services)[0]}setup/{token}"


class AddApiKey(ControlRequest[NewApiKey], frozen=True, tag="apikey.add"):
    """Create an API key and return it with its secret."""

    name: str
    read_only: bool
    targets: bool = False

    async def perform(self, services: Services) -> NewApiKey:
        return await services.access.api_keys.add(
            self.name, self.read_only, targets=self.targets, by=COMMAND_LINE
        )


class ListedApiKey(Struct, frozen=True):
    """A key as `apikey list` shows it, without its secret; times are RFC 3339."""

    appid: str
    name: str
    read_only: bool
    targets: bool
    created_at: str
    last_used_at: str | None


class ListApiKeys(ControlRequest[list[ListedApiKey]], frozen=True, tag="apikey.list"):
    """List the API keys."""

    async def perform(self, services: Services) -> list[ListedApiKey]:
        return [
            ListedApiKey(
                key.appid,
                key.name,
                key.read_only,
                key.targets,
                format_rfc3339(key.created_at),
                None if key.last_used_at is None else format_rfc3339(key.last_used_at),
            )
            for key in services.access.api_keys.all()
        ]


class RemoveApiKey(ControlRequest[None], frozen=True, tag="apikey.remove"):
    """Remove an API key; it stops working at once."""

    appid: str

    async def perform(self, services: Services) -> None:
        await services.access.api_keys.remove(self.appid, by=COMMAND_LINE)
