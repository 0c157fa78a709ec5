"""The export of a hold as the answer to a request."""

from __future__ import annotations

from collections.abc import Sequence

from quart import Response

from hub.errors import NoSuchResource
from hub.services import Services
from hub.services.access.audit import Actor
from hub.services.records.holds import Hold
from hub.wire.uploads.records import Record
from web.hold_export import export
from web.pages import language


class HubRecords:
    """The records of a hold of this hub."""

    def __init__(self, services: Services, id: int) -> None:
        self._services = services
        self._id = id

    async def records(
        self, after: int, limit: int, *, with_pictures: bool = False
    ) -> Sequence[Record]:
        return (await self._services.holds.records(self._id, after=after, limit=limit)).items

    async def picture(self, seq: int, name: str) -> bytes | None:
        try:
            return (await self._services.records.picture(seq, name)).data
        except NoSuchResource:
            return None


async def export_response(
    services: Services, hold: Hold, code: language.Code, *, by: Actor
) -> Response:
    """Stream the export. It is made while it is sent: nothing is left if the client hangs up."""
    await services.audit.add(by, "hold.export", f"{hold.id} {hold.records}")
    facts = export.ExportFacts(
        site=services.site.name(),
        log=services.records.log_id,
        hold=hold,
        exported_by=by.who,
        exported_at=int(services.now() * 1000),
        zone=services.site.zone(),
    )
    parts = export.export_hold(HubRecords(services, hold.id), facts, language.LANGUAGES[code])
    response = Response(parts, content_type="application/zip")
    response.headers["Content-Disposition"] = f'attachment; filename="{export.folder_of(hold)}.zip"'
    response.headers["Cache-Control"] = "no-store"
    response.timeout = None
    return response
