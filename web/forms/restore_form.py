"""The form with a backup, which is restored as it arrives: there may be no room for it twice."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from quart import request
from werkzeug.sansio.multipart import Epilogue, Field, File

from hub.errors import BadParameter, HubError, NotAuthorised
from web import auth
from web.forms.form_events import MAX_OTHER_BYTES, FormEvents
from web.quart_app import request_body


async def restore_sent_file(token: str) -> None:
    """Begin to restore the file of this form, for the holder of the set-up link with this token.

    Returns once it is here. Raises NotAuthorised for others, and other HubErrors; the rest of the
    form is then read and dropped, because browsers read the answer only once they have sent
    everything.
    """
    most = auth.services().upkeep.first_restore.free_bytes()
    body = request_body().stream(most + MAX_OTHER_BYTES)
    try:
        await _receive(FormEvents(request.headers.get("Content-Type", ""), body), token)
        await body.drop()
    except NotAuthorised:
        raise  # Anybody may send any length.
    except HubError:
        with suppress(HubError):
            await body.drop()
        raise


async def _receive(events: FormEvents, token: str) -> None:
    fields: dict[str, str] = {}
    while not isinstance(event := await events.next(), Epilogue):
        if isinstance(event, Field):
            fields[event.name] = await events.text()
        elif isinstance(event, File) and event.filename:
            # The CSRF token and the passphrase precede the file.
            await _check(fields, token)
            await _restore(events, fields.get("passphrase", ""))
            return
    await _check(fields, token)
    raise BadParameter("a file is expected", field="file")


async def _check(fields: Mapping[str, str], token: str) -> None:
    await auth.check_csrf(fields)
    if not auth.services().access.setup_links.is_valid(token):
        raise NotAuthorised("the set-up link is not valid")


async def _restore(events: FormEvents, passphrase: str) -> None:
    """Hand on the bytes of the file, until it ends, or is refused."""
    async with auth.services().upkeep.first_restore.receiving(passphrase) as file:
        is_wanted = more = True
        while more and is_wanted:
            data, more = await events.data()
            is_wanted = not data or await file.write(data)
