"""The form with an update file, which is written to disk as it arrives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio
from quart import request
from werkzeug.sansio.multipart import Epilogue, Field, File

from hub.errors import BadParameter, HubError
from hub.services.updates.check import cannot_write
from hub.update.update_file import MAX_BYTES
from web import auth
from web.forms.form_events import MAX_OTHER_BYTES, FormEvents
from web.quart_app import request_body


@asynccontextmanager
async def received_update() -> AsyncIterator[Path]:
    """Receive the update file of this form; yields its path, and removes it afterwards.

    Raises HubError; the rest of the form is then read and dropped, because browsers read the answer
    only once they have sent everything.
    """
    body = request_body().stream(MAX_BYTES + MAX_OTHER_BYTES)
    path = None
    try:
        path = await auth.services().upkeep.updates.receive(body.bytes_left)
        await _receive(FormEvents(request.headers.get("Content-Type", ""), body), path)
    except HubError:
        with suppress(HubError):
            await body.drop()
        await _remove(path)
        raise
    except BaseException:
        await _remove(path)
        raise
    try:
        yield path
    finally:
        await _remove(path)


async def _receive(events: FormEvents, path: Path) -> None:
    fields: dict[str, str] = {}
    has_file = False
    while not isinstance(event := await events.next(), Epilogue):
        if isinstance(event, Field):
            fields[event.name] = await events.text()
        elif isinstance(event, File) and event.filename:
            # The CSRF token precedes the file; nothing is stored unless it is valid.
            await auth.check_csrf(fields)
            if has_file:
                raise BadParameter("one file is expected", field="file")
            await _write(events, path)
            has_file = True
    await auth.check_csrf(fields)
    if not has_file:
        raise BadParameter("a file is expected", field="file")


async def _write(events: FormEvents, path: Path) -> None:
    more = True
    try:
        async with await trio.open_file(path, "xb") as file:
            while more:
                data, more = await events.data()
                await file.write(data)
    except OSError as error:
        raise cannot_write(error) from None


async def _remove(path: Path | None) -> None:
    if path is not None:
        with trio.CancelScope(shield=True), suppress(OSError):
            await trio.to_thread.run_sync(path.unlink, True)
