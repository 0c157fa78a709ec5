"""Who may use a route: declared where it is added, and checked here before its view runs.

    @blueprint.post("/remove", role="admin")

A route without a role is not added: the hub does not start. What changes something (a method that
is not safe) must come from our own page as well (`web.auth.csrf`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Literal

from msgspec import Struct
from quart import Response, request
from quart.typing import ResponseReturnValue

from hub.services.access.rights import Right
from web import auth
from web.quart_app import SAFE_METHODS, HubQuart

View = Callable[..., Awaitable[ResponseReturnValue]]


class RouteAccess(Struct, frozen=True):
    """What a route asks of its callers.

    `role`: a right; None: anybody, signed in or not. `check`: who checks it:

    page  this module; a short form, with its CSRF token, as well
    file  this module, but for the token: `web.forms` reads the parts of a long form in order
    api   `web.api.routes`: keys and signatures come in too, and the token is in the head

    `password` checks the own password of the user, and returns what is answered if it is wrong.
    """

    role: Right | None
    check: Literal["page", "file", "api"]
    password: Callable[..., Awaitable[Response | None]] | None = None

    def check_before(self, view: View) -> View:
        """`view`, before which the request is checked. It raises NotAuthorised, NotAllowed."""
        if self.check == "api":
            return view

        @wraps(view)
        async def checked(**path: Any) -> ResponseReturnValue:
            await self._admit()
            refused = await self.password(**path) if self.password is not None else None
            return await view(**path) if refused is None else refused

        return checked

    async def _admit(self) -> None:
        if self.role is not None:
            await auth.require_role(self.role)
        if request.method not in SAFE_METHODS:
            if self.check == "file":
                auth.check_origin(request)
            else:
                await auth.check_csrf()


class CheckedQuart(HubQuart):
    """An application whose every route says who may use it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        #: By the name of the route's endpoint.
        self.access: dict[str, RouteAccess] = {}
        super().__init__(*args, **options)

    def add_url_rule(  # type: ignore[override]
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: View | None = None,
        *,
        role: Right | None,
        check: Literal["page", "file", "api"] = "page",
        password: Callable[..., Awaitable[Response | None]] | None = None,
        confirm: View | None = None,
        **options: Any,
    ) -> None:
        """Add a route. `role`, `check`, `password`: as in RouteAccess.

        `confirm`: the page that asks first, for GET at the same address.
        """
        assert view_func is not None
        endpoint = endpoint or view_func.__name__
        access = self.access[endpoint] = RouteAccess(role, check, password)
        super().add_url_rule(rule, endpoint, access.check_before(view_func), **options)
        if confirm is not None:
            self.add_url_rule(rule, f"{endpoint}_question", confirm, role=role, methods=["GET"])
