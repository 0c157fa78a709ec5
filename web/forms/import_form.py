"""The form of an import of people: a CSV file, a ZIP, or both, written to disk as they arrive."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import trio
from quart import request
from werkzeug.sansio.multipart import Epilogue, Field, File

from hub.durable_files import as_secret
from hub.errors import BadParameter, CannotStoreNow, HubError, os_error_text
from hub.services.people.import_export.imports import MAX_UPLOAD_BYTES, ImportPreview
from web import auth
from web.forms.form_events import MAX_OTHER_BYTES, FormEvents
from web.quart_app import request_body

_MAX_FILES = 2


async def stage_import() -> ImportPreview:
    """Receive the files of this form, and return what importing them would do.

    The names of the fields do not matter, nor those of the files. Raises HubError; the rest of the
    form is then read and dropped, because browsers read the answer only once they have sent
    everything.
    """
    body = request_body().stream(MAX_UPLOAD_BYTES + MAX_OTHER_BYTES)
    imports, paths = auth.services().people.imports, list[Path]()
    try:
        events = FormEvents(request.headers.get("Content-Type", ""), body)
        await _receive(
            events, paths, lambda: imports.new_file(min(body.bytes_left, MAX_UPLOAD_BYTES))
        )
    except HubError:
        await imports.discard(paths)
        with suppress(HubError):
            await body.drop()
        raise
    except BaseException:
        await imports.discard(paths)
        raise
    return await imports.stage(paths)


async def write_file(path: Path, read: Callable[[], Awaitable[bytes]]) -> None:
    """Write what `read` returns to a new file, until b"". Raises CannotStoreNow.

    It holds numbers of people, so nobody else may read it.
    """
    try:
        async with await trio.open_file(path, "xb", opener=as_secret) as file:
            while part := await read():
                await file.write(part)
    except OSError as error:
        raise CannotStoreNow(os_error_text(error)) from error


async def _receive(
    events: FormEvents, paths: list[Path], new_file: Callable[[], Awaitable[Path]]
) -> None:
    fields: dict[str, str] = {}
    while not isinstance(event := await events.next(), Epilogue):
        if isinstance(event, Field):
            fields[event.name] = await events.text()
        elif isinstance(event, File) and event.filename:
            # The CSRF token precedes the files; nothing is stored unless it is valid.
            await auth.check_csrf(fields)
            if len(paths) == _MAX_FILES:
                raise BadParameter("a CSV file, a ZIP, or both are expected", field="file")
            paths.append(await new_file())
            await _write(events, paths[-1])
    await auth.check_csrf(fields)
    if not paths:
        raise BadParameter("a file is expected", field="file")


async def _write(events: FormEvents, path: Path) -> None:
    more = True

    async def read() -> bytes:
        nonlocal more
        data = b""
        while more and not data:
            data, more = await events.data()
        return data

    await write_file(path, read)
