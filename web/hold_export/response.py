"""The export of a hold as the answer to a request."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from quart import Response

from hub.errors import HubError, NoSuchResource
from hub.services import Services
from hub.services.access.audit import Actor
from hub.services.people.masking import masked_record
from hub.services.records.holds import Hold
from hub.services.records.record_log import StoredPicture
from hub.wire.uploads.records import Record
from web.api.records.media import pieces_of
from web.hold_export import export
from web.http.sender import PeerLost
from web.pages import language


class HubRecords:
    """The records of a hold of this hub. `sees_numbers`: or else personal numbers are masked."""

    def __init__(self, services: Services, id: int, *, sees_numbers: bool) -> None:
        self._services = services
        self._id = id
        self._sees_numbers = sees_numbers

    async def records(
        self, after: int, limit: int, *, with_pictures: bool = False
    ) -> Sequence[Record]:
        found = (await self._services.holds.records(self._id, after=after, limit=limit)).items
        return found if self._sees_numbers else [masked_record(record) for record in found]

    async def picture(self, seq: int, name: str) -> AsyncGenerator[bytes, None]:
        try:
            found = await self._services.records.open_picture(seq, name)
        except NoSuchResource:
            return
        if isinstance(found, StoredPicture):
            yield found.data
        else:
            async for piece in pieces_of(found):
                yield piece


async def export_response(
    services: Services, hold: Hold, code: language.Code, *, by: Actor, sees_numbers: bool
) -> Response:
    """Stream the export. It is made while it is sent: nothing is left if the client hangs up.

    Without `sees_numbers`, personal numbers in it are masked.
    """
    await services.audit.add(by, "hold.export", f"{hold.id} {hold.records}")
    facts = export.ExportFacts(
        site=services.site.name(),
        log=services.records.log_id,
        hold=hold,
        exported_by=by.who,
        exported_at=int(services.now() * 1000),
        zone=services.site.zone(),
    )
    parts = export.export_hold(
        HubRecords(services, hold.id, sees_numbers=sees_numbers), facts, language.LANGUAGES[code]
    )
    response = Response(_until_fault(parts), content_type="application/zip")
    response.headers["Content-Disposition"] = f'attachment; filename="{export.folder_of(hold)}.zip"'
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
