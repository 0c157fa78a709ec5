"""The export of the register as the answer to a request."""

from __future__ import annotations

from collections.abc import AsyncIterator

from quart import Response

from hub.errors import HubError
from hub.services import Services
from hub.services.audit import Actor
from hub.services.people.import_export.export import (
    FOLDER,
    HubPeople,
    begin_export,
    export_people,
)
from hub.wire.code_tables import Language
from web.http.sender import PeerLost


async def export_response(services: Services, language: Language, *, by: Actor) -> Response:
    """Stream the export. It is made while it is sent: nothing is left if the client hangs up.

    The caller must have checked that `by` may see all personal numbers.
    """
    facts = await begin_export(services, by)
    parts = export_people(HubPeople(services.people.register), facts, language)
    response = Response(_until_fault(parts), content_type="application/zip")
    response.headers["Content-Disposition"] = f'attachment; filename="{FOLDER}.zip"'
    response.headers["Cache-Control"] = "no-store"
    response.timeout = None
    return response


async def _until_fault(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the parts. If one cannot be made, cut the answer off: raise PeerLost."""
    try:
        async for part in parts:
            yield part
    except HubError as error:
        raise PeerLost from error
