"""Callers of the API: a key (Bearer, or a signature as in 三), a signed-in user, the owner."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Collection

from msgspec import Struct
from quart import request
from werkzeug.sansio.request import Request as Head

from hub.errors import NotAllowed, NotAuthorised
from hub.services import Services
from hub.services.access.rights import Right, includes
from hub.services.audit import COMMAND_LINE, Actor
from hub.store.tables.api_keys import ApiKey
from hub.store.tables.users import User
from web.auth.csrf import check_csrf_header
from web.auth.current import client_address, services
from web.auth.sessions import check_role, user_of
from web.auth.signatures import is_signed, refuse_repeated_parameters
from web.http.budget import BodySender

#: The own password of a signed-in user, as Base64 of its UTF-8: headers take no other characters.
PASSWORD_HEADER = "Sitehub-Password"
#: The extension in the ASGI scope of a call by the owner: no request of the network can have it.
OWNER = "sitehub.owner"


class Owner(Struct, frozen=True):
    """The account that owns the data directory, by its command line. It may do everything."""


class Caller(Struct, frozen=True):
    """The user or key that calls the API, and its IP address; or the owner, on this computer."""

    who: User | ApiKey | Owner
    address: str

    def may(self, right: Right) -> bool:
        """Whether it has this right: a key, unless it only reads and the right is to change."""
        if isinstance(self.who, ApiKey):
            return not (self.who.read_only and right in ("admin", "people"))
        return not isinstance(self.who, User) or includes(self.who.role, right)

    @property
    def may_change_targets(self) -> bool:
        """Whether it is an administrator, or a key that was given this right."""
        return self.who.targets if isinstance(self.who, ApiKey) else self.may("admin")

    @property
    def actor(self) -> Actor:
        """The author of audit entries."""
        if isinstance(self.who, ApiKey):
            return Actor(f"key {self.who.appid}", self.address)
        if isinstance(self.who, Owner):
            return COMMAND_LINE
        return Actor(f"user {self.who.name}", self.address)

    @property
    def sender(self) -> BodySender:
        """As whom its bodies count in the budget of uploads."""
        if isinstance(self.who, ApiKey):
            return BodySender("key", self.who.appid)
        return BodySender("user", self.who.name if isinstance(self.who, User) else "")


async def require_api(
    *, write: bool = False, role: Right = "viewer", lists: Collection[str] = ()
) -> Caller:
    """The caller of the current request, authenticated as in `authenticate`.

    `lists`: parameters that may be given more than once, but not in a signed request. A view that
    reads the body must pass it to `check_signed_body`.
    """
    if OWNER in (request.scope.get("extensions") or ()):
        return Caller(Owner(), "")
    refuse_repeated_parameters(request, () if is_signed(request) else lists)
    return await authenticate(services(), request, client_address(), write=write, role=role)


async def authenticate(
    services: Services, head: Head, address: str, *, write: bool, role: Right
) -> Caller:
    """The caller of the request with this head. Check the body of a signed request separately.

    A user needs the right `role`, and with `write` the CSRF token in the header. Read-only keys
    cannot write.
    A signature that authenticates a write is used up by it.
    Raises NotAuthorised, NotAllowed, InvalidAppId, WrongSignature, CannotStoreNow.
    """
    if authorization := head.headers.get("Authorization"):
        return authenticate_bearer(services, authorization, address, write=write)
    if is_signed(head):
        key = await _signing_key(services, head, write=write)
        services.access.known_addresses.note(address)
        return Caller(key, address)
    user = await user_of(services, head)
    if user is None:
        raise NotAuthorised("an API key or a signed-in user is required")
    services.access.known_addresses.note(address)
    check_role(user, role)
    if write:
        check_csrf_header(services, head)
    return Caller(user, address)


async def confirm(caller: Caller) -> None:
    """Check the own password of a signed-in user, in the header of the current request.

    A session that was stolen must not be enough. Raises NotAllowed, and TooManyRequests after too
    many failures.
    """
    if not isinstance(caller.who, User):
        return
    try:
        sent = b64decode(request.headers.get(PASSWORD_HEADER, ""), validate=True).decode()
    except ValueError:
        sent = ""
    if not sent:
        raise NotAllowed(f"your own password is needed: header {PASSWORD_HEADER}, in Base64")
    if not await services().access.users.confirm(caller.who.name, sent, by=caller.actor):
        raise NotAllowed("your password is wrong")


async def _signing_key(services: Services, head: Head, *, write: bool) -> ApiKey:
    params = head.args.to_dict()
    if write:
        return await services.access.api_keys.authenticate_signed_change(
            params, head.method, head.path
        )
    return services.access.api_keys.authenticate_signed(params, head.method, head.path)


def authenticate_bearer(
    services: Services, authorization: str, address: str, *, write: bool
) -> Caller:
    """Return who calls, by `Authorization: Bearer APPID:SECRET`. `address`: noted as of the key.

    Raises NotAuthorised if the header is another or the key is wrong, and NotAllowed if the key
    only reads and the call would change something (`write`).
    """
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise NotAuthorised("Authorization: only Bearer APPID:SECRET is supported")
    key = services.access.api_keys.authenticate(credentials.strip())
    return _caller_with(services, key, address, write=write)


def _caller_with(services: Services, key: ApiKey, address: str, *, write: bool) -> Caller:
    services.access.known_addresses.note(address)
    if write and key.read_only:
        raise NotAllowed("this API key is read-only")
    return Caller(key, address)
