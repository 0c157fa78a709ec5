"""Forms with a file: read in front of Quart, within the budget of all uploads.

Other forms are short, and a visitor who is not signed in may send one (MOST_BODY_BYTES). A photo
from a phone has several MB, and so has the sheet of a large site: one is read of a signed-in user
who may send it only, and Quart is given the form as it was read, or why it was not. Nothing of it
is written to the disk.
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
from hub.services.access.accounts import Role
from hub.services.devices.csv_import import MOST_BYTES
from web import auth
from web.forms.handed_forms import boundary_of, handed_form, handed_on
from web.http.bodies import Bodies, PeerLeft, tell_of_limit

_MOST_PARTS = 32


class FileForm(Struct, frozen=True):
    """`file` is empty where none was chosen."""

    fields: Mapping[str, str]
    file: bytes


class _Kind(Struct, frozen=True):
    """Forms of these paths have this field for a file, and of a lower role none is read.

    `most`: bytes of one, where that is less than any body may have.
    """

    paths: re.Pattern[str]
    file: str
    role: Role
    most: int | None = None


_KINDS = (
    # Each page asks for its own role besides.
    _Kind(re.compile(r"/cameras/[0-9]+/(?:people/add|search)"), "photo", "guard"),
    # What was looked at comes back as a field, where each end of a line has become two characters.
    _Kind(re.compile(r"/cameras/import(?:/add)?"), "file", "admin", MOST_BYTES + (1 << 20)),
)


def file_form() -> FileForm:
    """The form of this request.

    Raises TooLarge, TooSlow, CannotStoreNow, or BadParameter where it is no such form.
    """
    form = handed_form()
    if isinstance(form, HubError):
        raise form
    return cast(FileForm, form)


def file_forms(services: Services, bodies: Bodies, others: ASGIFramework) -> ASGIFramework:
    """Reads forms with a file, and lets `others` answer them as all else."""
    return _FileForms(services, bodies, others)


class _FileForms:
    def __init__(self, services: Services, bodies: Bodies, others: ASGIFramework) -> None:
        self._services = services
        self._bodies = bodies
        self._others = others

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        if scope["type"] != "http" or (found := await self._kind_and_sender(scope)) is None:
            await self._others(scope, receive, send)
            return
        kind, sender = found
        async with AsyncExitStack() as stack:
            try:
                body = await stack.enter_async_context(
                    self._bodies.body(scope, receive, sender, most=kind.most)
                )
                form: FileForm | HubError = await trio.to_thread.run_sync(
                    read_form, _content_type(scope), body, kind.file
                )
            except PeerLeft:
                return
            except HubError as error:
                tell_of_limit(error, auth.address_of(scope))
                form = error
            await self._others(*handed_on(scope, receive, form), send)

    async def _kind_and_sender(self, scope: HTTPScope) -> tuple[_Kind, str] | None:
        """As far as it is a form that is read here: Quart refuses all others."""
        if scope["method"] != "POST":
            return None
        kind = next((kind for kind in _KINDS if kind.paths.fullmatch(scope["path"])), None)
        if kind is None:
            return None
        user = await auth.user_of(self._services, auth.head_of(scope))
        return (kind, user.name) if user and auth.reaches(user, kind.role) else None


def read_form(content_type: str, body: bytes, file: str) -> FileForm:
    """`file` is the name of the field for it.

    Raises BadParameter where it is no form that a browser sends with a file.
    """
    decoder = MultipartDecoder(boundary_of(content_type), max_parts=_MOST_PARTS)
    try:
        parts = _parts(decoder, body)
    except (ValueError, HTTPException):
        raise BadParameter("body: malformed multipart/form-data") from None
    return FileForm(
        {name: data.decode("utf-8", "replace") for name, data in parts.items() if name != file},
        bytes(parts.get(file, b"")),
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
