"""Users who are signed in with a session cookie, and their roles."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

from quart import Response, g, request
from quart.typing import ResponseTypes
from werkzeug.sansio.request import Request as Head

from hub.errors import NotAllowed, NotAuthorised
from hub.services import Services
from hub.services.access.rights import Right, includes, least_role
from hub.services.access.sessions import MAX_AGE_MS, SignedIn
from hub.services.audit import Actor
from hub.store.tables.users import User
from web.auth.current import client_address, services

_COOKIE = "sitehub_session"
_MARKS_COOKIE = "sitehub_browser"
_MARKS_SECONDS = 365 * 86_400
#: Browsers keep no cookie for longer than 400 days.
_SCREEN_SECONDS = 400 * 86_400


class RoleMissing(NotAllowed):
    """The user's role lacks a right. `role`: one that has it, which pages translate."""

    def __init__(self, right: Right) -> None:
        self.role = least_role(right)
        super().__init__(f"this needs the role {self.role}")


def session_token() -> str:
    """The session token in the cookie of the current request; empty if there is none."""
    return session_token_of(services(), request)


def session_token_of(services: Services, head: Head) -> str:
    """The session token in the cookie of `head`; empty if there is none."""
    return head.cookies.get(cookie_name(_COOKIE, services), "")


async def user_of(services: Services, head: Head) -> User | None:
    """The user who is signed in by the cookie of `head`."""
    token = session_token_of(services, head)
    return await services.access.sessions.user_of(token) if token else None


async def current_user() -> User | None:
    """The user who is signed in; looked up once per request."""
    if "user" not in g:
        g.user = await user_of(services(), request)
        if g.user is not None:
            services().access.known_addresses.note(client_address())
    return cast("User | None", g.user)


async def require_role(role: Right) -> User:
    """The signed-in user, whose role has this right.

    Raises NotAuthorised if no user is signed in, RoleMissing if the user's role has it not.
    """
    user = await current_user()
    if user is None:
        raise NotAuthorised("sign in first")
    check_role(user, role)
    return user


def user() -> User:
    """The signed-in user of the current request; of a route with a role there is one."""
    return cast(User, g.user)


def check_role(user: User, role: Right) -> None:
    """Check that the role of `user` has this right. Raises RoleMissing."""
    if not reaches(user, role):
        raise RoleMissing(role)


def reaches(user: User, role: Right) -> bool:
    """Whether the role of `user` has this right: an administrator's has all."""
    return includes(user.role, role)


def remains(services: Services, user: User) -> Callable[[], Awaitable[bool]]:
    """A check that the session of the current request is still that of `user`, in the same role."""
    token = session_token()

    async def check() -> bool:
        now = await services.access.sessions.user_of(token)
        return now is not None and (now.name, now.role) == (user.name, user.role)

    return check


def actor() -> Actor:
    """The signed-in user as the author of an audit entry of the current request."""
    return Actor(f"user {user().name}", client_address())


def remember(response: Response, signed_in: SignedIn) -> None:
    """Set the cookies of a new session, and of a browser in which its user has signed in."""
    set_cookie(response, _COOKIE, signed_in.token, max_age_seconds=MAX_AGE_MS // 1000)
    marks = services().access.sessions.known_browsers.with_mark(browser_marks(), signed_in.user)
    set_cookie(response, _MARKS_COOKIE, marks, max_age_seconds=_MARKS_SECONDS)


def remember_screen(response: Response, token: str) -> None:
    """Set the cookie of a wall screen's session, or set it again for the longest time."""
    set_cookie(response, _COOKIE, token, max_age_seconds=_SCREEN_SECONDS)


def browser_marks() -> str:
    """The marks of users who have signed in in this browser (KnownBrowsers)."""
    return request.cookies.get(cookie_name(_MARKS_COOKIE, services()), "")


def forget(response: Response) -> None:
    """Delete the cookie of the session."""
    set_cookie(response, _COOKIE, "", max_age_seconds=0)


def cookie_name(name: str, services: Services) -> str:
    """The full name of one of our cookies, as browsers send it."""
    web = services.config.web
    if not web.tls:
        return name
    # Both prefixes need TLS. __Host- keeps a host on a sibling domain from planting a cookie, but
    # demands that it counts for the whole host, other hubs included.
    return f"__Secure-{name}" if web.prefix else f"__Host-{name}"


def set_cookie(
    response: ResponseTypes, name: str, value: str, *, max_age_seconds: int | None
) -> None:
    """Set a cookie that scripts cannot read. None: it is kept until the browser is closed."""
    response.set_cookie(
        cookie_name(name, services()),
        value,
        max_age=max_age_seconds,
        path="/",
        # A proxy that speaks TLS may ask us without it.
        secure=services().config.web.tls or request.scheme == "https",
        httponly=True,
        samesite="Lax",
    )
