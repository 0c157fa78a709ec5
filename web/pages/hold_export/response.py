"""Records as one file, as the answer to a request."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from quart import Response

from hub.errors import HubError, NoSuchResource
from hub.services import Services
from hub.services.audit import Actor
from hub.services.people.masking import masked_record
from hub.store.media.pictures import StoredPicture
from hub.store.tables.holds import Hold
from hub.wire.uploads.records import Record
from web import language
from web.http.sender import PeerLost
from web.pages.hold_export import export
from web.pages.layout import saved_file
from web.picture_pieces import pieces_of


class HubRecords:
    """The records of a hold of this hub. `sees_numbers`: or else personal numbers are masked."""

    def __init__(self, services: Services, id: int, *, sees_numbers: bool) -> None:
        self._services = services
        self._id = id
        self._sees_numbers = sees_numbers

    async def records(
        self, after: int, limit: int, *, with_pictures: bool = False
    ) -> Sequence[Record]:
        found = (
            await self._services.records.holds.records(self._id, after=after, limit=limit)
        ).items
        return found if self._sees_numbers else [masked_record(record) for record in found]

    def picture(self, seq: int, name: str) -> AsyncGenerator[bytes, None]:
        return picture_pieces(self._services, seq, name)


async def picture_pieces(services: Services, seq: int, name: str) -> AsyncGenerator[bytes, None]:
    """Yield a picture of a record in pieces; nothing if it is gone."""
    try:
        found = await services.records.log.open_picture(seq, name)
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
    await services.core.audit.require(by, "hold.export", f"{hold.id} {hold.records}")
    words, zone = language.LANGUAGES[code], services.core.site.zone()
    return zip_response(
        services,
        HubRecords(services, hold.id, sees_numbers=sees_numbers),
        export.about_hold(hold, words, zone),
        words,
        by=by,
    )


def zip_response(
    services: Services,
    source: export.HeldRecords,
    about: export.About,
    words: language.Language,
    *,
    by: Actor,
) -> Response:
    """Stream records as one file. The caller has noted in the audit log who exports them."""
    facts = export.HoldExportFacts(
        site=services.core.site.name(),
        log=services.records.log.log_id,
        about=about,
        exported_by=by.who,
        exported_at=int(services.core.clock.likely_time() * 1000),
        zone=services.core.site.zone(),
    )
    return file_response(
        export.export_records(source, facts, words), f"{about.folder}.zip", "application/zip"
    )


def file_response(parts: AsyncIterator[bytes], name: str, content_type: str) -> Response:
    """Stream a file that is made while it is sent."""
    response = saved_file(name, _until_fault(parts), content_type)
    response.headers["Cache-Control"] = "no-store"
    return response


async def _until_fault(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the parts. If one cannot be made, cut the answer off: raise PeerLost."""
    try:
        async for part in parts:
            yield part
    except HubError as error:
        raise PeerLost from error
