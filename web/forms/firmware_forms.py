"""The form of a new release: its files go to the disk as they come, in front of Quart.

A file has up to MOST_BYTES, and Quart would hold the form in memory. It is read of a signed-in
administrator only, and the page is given the fields, and what each file became. What came whole
stays (for a day) where the rest did not come, or the form is refused: nothing is sent twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import cast

from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
    Scope,
)
from msgspec import Struct
from werkzeug.exceptions import HTTPException
from werkzeug.sansio.multipart import (
    Data,
    Epilogue,
    Event,
    Field,
    File,
    MultipartDecoder,
    NeedData,
)

from hub.errors import BadParameter, HubError, TooLarge
from hub.services import Services
from hub.services.firmware.releases import MOST_BYTES, MOST_COMPONENTS, StoredFile
from web import auth
from web.api.endpoint import MOST_BODY_BYTES
from web.forms.handed_forms import boundary_of, handed_form, handed_on
from web.http.bodies import PeerLeft, tell_of_limit
from web.http.file_bodies import FileBody

PATH = "/firmware/add"

_MOST_PARTS = 64
#: Of the form before, between and behind its files; and of what the parser holds at once.
_MOST_BESIDES = 1024 * 1024
_MOST_FORM_BYTES = MOST_COMPONENTS * MOST_BYTES + _MOST_BESIDES


class SentFile(Struct, frozen=True):
    """A file of the form, by the name that it has where it comes from."""

    name: str
    stored: StoredFile


class FirmwareForm(Struct, frozen=True):
    """`files` are by the names of their fields. `fault`: why the rest was not read."""

    fields: Mapping[str, str]
    files: Mapping[str, SentFile]
    fault: HubError | None = None


def firmware_form() -> FirmwareForm:
    """The form of this request."""
    return cast(FirmwareForm, handed_form())


def firmware_forms(services: Services, others: ASGIFramework) -> ASGIFramework:
    """Reads the form of a new release, and lets `others` answer it as all else."""
    return _FirmwareForms(services, others)


class _FirmwareForms:
    def __init__(self, services: Services, others: ASGIFramework) -> None:
        self._services = services
        self._others = others

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        if scope["type"] != "http" or not await self._is_read_here(scope):
            await self._others(scope, receive, send)
            return
        reading = _Reading(self._services, scope, receive)
        try:
            form = await reading.read()
        except PeerLeft:
            return
        await self._others(*handed_on(scope, receive, form), send)

    async def _is_read_here(self, scope: HTTPScope) -> bool:
        """Of nobody else: Quart refuses all others."""
        if scope["method"] != "POST" or scope["path"] != PATH:
            return False
        user = await auth.user_of(self._services, auth.head_of(scope))
        return user is not None and auth.reaches(user, "admin")


class _Reading:
    """One form on its way in."""

    def __init__(self, services: Services, scope: HTTPScope, receive: ASGIReceiveCallable) -> None:
        self._services = services
        self._head = auth.head_of(scope)
        self._address = auth.address_of(scope)
        self._body = FileBody(receive, _MOST_FORM_BYTES, self._head.content_length)
        self._fields: dict[str, str] = {}
        self._files: dict[str, SentFile] = {}
        self._text_bytes = 0

    async def read(self) -> FirmwareForm:
        """Raises PeerLeft."""
        fault: HubError | None = None
        try:
            await self._read_parts(_Events(self._head.headers.get("Content-Type", ""), self._body))
        except HubError as error:
            tell_of_limit(error, self._address)
            fault = error
            with suppress(HubError):
                await self._body.drop()
        return FirmwareForm(self._fields, self._files, fault)

    async def _read_parts(self, events: _Events) -> None:
        while not isinstance(event := await events.next(), Epilogue):
            if isinstance(event, Field):
                self._fields[event.name] = await self._text(events)
            elif isinstance(event, File) and event.filename:
                await self._take_file(event, events)

    async def _text(self, events: _Events) -> str:
        text, more = b"", True
        while more:
            data, more = await events.data()
            text += data
            self._text_bytes += len(data)
            if self._text_bytes > MOST_BODY_BYTES:
                raise TooLarge(f"the fields together have at most {MOST_BODY_BYTES} bytes")
        return text.decode("utf-8", "replace")

    async def _take_file(self, part: File, events: _Events) -> None:
        if part.name in self._files or len(self._files) >= MOST_COMPONENTS:
            raise BadParameter(f"at most {MOST_COMPONENTS} files are expected", field="files")
        # The token stands before the files: of whom it is not, nothing is stored.
        auth.check_form(self._services, self._head, self._fields)
        # Of the further files, too: a form that has no room as a whole is not begun.
        async with self._services.releases.receive(self._body.left) as upload:
            more = True
            while more:
                data, more = await events.data()
                await upload.write(data)
            self._files[part.name] = SentFile(part.filename, await upload.finish())


class _Events:
    """What a form consists of, one after the other. Raises BadParameter where it is malformed."""

    def __init__(self, content_type: str, body: FileBody) -> None:
        boundary = boundary_of(content_type)
        self._decoder = MultipartDecoder(boundary, _MOST_BESIDES, max_parts=_MOST_PARTS)
        self._body = body

    async def next(self) -> Event:
        try:
            while isinstance(event := self._decoder.next_event(), NeedData):
                self._decoder.receive_data(await self._body.next() or None)
        except (ValueError, HTTPException):
            raise BadParameter("body: malformed multipart/form-data") from None
        return event

    async def data(self) -> tuple[bytes, bool]:
        """Of the part that has begun: its next bytes, and whether more of it follows."""
        while not isinstance(event := await self.next(), Data):
            pass
        return event.data, event.more_data
