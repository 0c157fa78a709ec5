"""The services and the client address of a request, in Quart and in front of it."""

from __future__ import annotations

from typing import cast

from hypercorn.typing import HTTPScope
from quart import Quart, current_app, request
from werkzeug.datastructures import Headers
from werkzeug.sansio.request import Request as Head

from hub.services import Services
from web.http.hosts import address_of

_EXTENSION = "sitehub"


def install(app: Quart, services: Services) -> None:
    """Give the views of `app` access to the services. Call once, when it is created."""
    app.extensions[_EXTENSION] = services


def services() -> Services:
    """The services of the hub that answers the current request."""
    return cast(Services, current_app.extensions[_EXTENSION])


def base_url() -> str:
    """The address of this hub that the client of the current request uses, with / at the end."""
    return f"{request.scheme}://{request.host}{services().config.web.prefix}/"


def client_address() -> str:
    """The IP address of the client of the current request."""
    return address_of(request.scope)


def head_of(scope: HTTPScope) -> Head:
    """The head of a request that is answered in front of Quart."""
    return Head(
        scope["method"],
        scope["scheme"],
        # Optional in ASGI, as the client is.
        scope.get("server"),
        "",
        scope["path"],
        scope["query_string"],
        Headers([(n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"]]),
        address_of(scope),
    )
