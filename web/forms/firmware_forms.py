"""The form of a new release, whose files are written to disk as they arrive.

A file may have MAX_FILE_BYTES, far too much to hold in memory. If the rest of the form is missing
or refused, complete files are kept for a day, so that they need not be sent again.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from msgspec import Struct
from quart import request
from werkzeug.sansio.multipart import Epilogue, Field, File

from hub.errors import BadParameter, HubError
from hub.services.firmware.release_validation import MAX_COMPONENTS
from hub.store.firmware_files import MAX_FILE_BYTES
from hub.store.tables.firmware import StoredFile
from web import auth
from web.forms.form_events import MAX_OTHER_BYTES, FormEvents
from web.http.streamed_body import StreamedBody
from web.quart_app import request_body

_MAX_FORM_BYTES = MAX_COMPONENTS * MAX_FILE_BYTES + MAX_OTHER_BYTES


class SentFile(Struct, frozen=True):
    """A file of the form, and its name on the sender's computer."""

    name: str
    stored: StoredFile


class FirmwareForm(Struct, frozen=True):
    """`files` by the names of their fields. `fault`: why the form was not read to its end."""

    fields: Mapping[str, str]
    files: Mapping[str, SentFile]
    fault: HubError | None = None


async def read_firmware_form() -> FirmwareForm:
    """The form of this request. The fault of one without its CSRF token is NotAllowed."""
    reader = _FormReader(request_body().stream(_MAX_FORM_BYTES))
    return await reader.read()


class _FormReader:
    """Reads one form."""

    def __init__(self, body: StreamedBody) -> None:
        self._body = body
        self._fields: dict[str, str] = {}
        self._files: dict[str, SentFile] = {}

    async def read(self) -> FirmwareForm:
        fault: HubError | None = None
        try:
            await self._read_parts(FormEvents(request.headers.get("Content-Type", ""), self._body))
        except HubError as error:
            fault = error
            with suppress(HubError):
                await self._body.drop()
        return FirmwareForm(self._fields, self._files, fault)

    async def _read_parts(self, events: FormEvents) -> None:
        while not isinstance(event := await events.next(), Epilogue):
            if isinstance(event, Field):
                self._fields[event.name] = await events.text()
            elif isinstance(event, File) and event.filename:
                await self._store_file(event, events)
        await auth.check_csrf(self._fields)

    async def _store_file(self, part: File, events: FormEvents) -> None:
        if part.name in self._files or len(self._files) >= MAX_COMPONENTS:
            raise BadParameter(f"at most {MAX_COMPONENTS} files are expected", field="files")
        # The CSRF token precedes the files; nothing is stored unless it is valid.
        await auth.check_csrf(self._fields)
        # Reserve room for the following files, too: a form that does not fit fails at its start.
        async with auth.services().firmware.releases.receive(self._body.bytes_left) as upload:
            more = True
            while more:
                data, more = await events.data()
                await upload.write(data)
            self._files[part.name] = SentFile(part.filename, await upload.finish())
