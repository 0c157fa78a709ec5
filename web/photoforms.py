"""Forms with a photo: read in front of Quart, within the budget of all uploads.

Other forms are short, and a visitor who is not signed in may send one (MOST_BODY_BYTES). A photo
from a phone has several MB: one is read of a signed-in guard only, and Quart is given the form as
it was read, or why it was not. Nothing of it is written to the disk.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import cast

import trio
from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
    Scope,
)
from msgspec import Struct
from werkzeug.exceptions import HTTPException
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from hub.errors import BadParameter, HubError
from hub.services import Services
from hub.services.accounts import Role
from web import auth
from web.bodies import Bodies, PeerLeft, tell_of_limit
from web.handedforms import boundary_of, handed_form, handed_on

_PATHS = re.compile(r"/cameras/[0-9]+/(?:people/add|search)")
#: What is needed for any of them; each page asks for its own role besides.
_ROLE: Role = "guard"
_MOST_PARTS = 32


class PhotoForm(Struct, frozen=True):
    """`photo` is empty where none was chosen."""

    fields: Mapping[str, str]
    photo: bytes


def photo_form() -> PhotoForm:
    """The form of this request.

    Raises TooLarge, TooSlow, CannotStoreNow, or BadParameter where it is no such form.
    """
    form = handed_form()
    if isinstance(form, HubError):
        raise form
    return cast(PhotoForm, form)


def photo_forms(services: Services, bodies: Bodies, others: ASGIFramework) -> ASGIFramework:
    """Reads forms with a photo, and lets `others` answer them as all else."""
    return _PhotoForms(services, bodies, others)


class _PhotoForms:
    def __init__(self, services: Services, bodies: Bodies, others: ASGIFramework) -> None:
        self._services = services
        self._bodies = bodies
        self._others = others

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        if scope["type"] != "http" or (sender := await self._sender(scope)) is None:
            await self._others(scope, receive, send)
            return
        async with AsyncExitStack() as stack:
            try:
                body = await stack.enter_async_context(self._bodies.body(scope, receive, sender))
                form: PhotoForm | HubError = await trio.to_thread.run_sync(
                    read_form, _content_type(scope), body
                )
            except PeerLeft:
                return
            except HubError as error:
                tell_of_limit(error, auth.address_of(scope))
                form = error
            await self._others(*handed_on(scope, receive, form), send)

    async def _sender(self, scope: HTTPScope) -> str | None:
        """Whose form it is, as far as it is one that is read here: Quart refuses all others."""
        if scope["method"] != "POST" or not _PATHS.fullmatch(scope["path"]):
            return None
        user = await auth.user_of(self._services, auth.head_of(scope))
        return user.name if user and auth.reaches(user, _ROLE) else None


def read_form(content_type: str, body: bytes) -> PhotoForm:
    """Raises BadParameter where it is no form that a browser sends with a file."""
    decoder = MultipartDecoder(boundary_of(content_type), max_parts=_MOST_PARTS)
    try:
        parts = _parts(decoder, body)
    except (ValueError, HTTPException):
        raise BadParameter("body: malformed multipart/form-data") from None
    return PhotoForm(
        {name: data.decode("utf-8", "replace") for name, data in parts.items() if name != "photo"},
        bytes(parts.get("photo", b"")),
    )


def _parts(decoder: MultipartDecoder, body: bytes) -> dict[str, bytearray]:
    """The parts by their names; of two of the same name the last counts."""
    parts: dict[str, bytearray] = {}
    part = bytearray()
    decoder.receive_data(body)
    decoder.receive_data(None)
    while not isinstance(event := decoder.next_event(), Epilogue | NeedData):
        if isinstance(event, Field | File):
            part = parts[event.name] = bytearray()
        elif isinstance(event, Data):
            part += event.data
    return parts


def _content_type(scope: HTTPScope) -> str:
    return auth.head_of(scope).headers.get("Content-Type", "")
