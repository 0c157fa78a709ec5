"""Requests about holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import asdict, replace

from hub.errors import NoSuchResource
from hub.process.control.request import ControlRequest
from hub.services.audit import COMMAND_LINE
from hub.store.tables.holds import Hold
from hub.wire.uploads.records import Record, decode_detail

if TYPE_CHECKING:
    from hub.services import Services

#: Bytes of pictures in one answer, at least one record's.
_PAGE_BYTES = 8 * 1024 * 1024


class ExportedHold(Struct, frozen=True):
    """What an export says of its hold. `now` in UNIX milliseconds."""

    hold: Hold
    site: str
    log: str
    zone: str
    now: int


class BeginExport(ControlRequest[ExportedHold], frozen=True, tag="hold.export"):
    """Note that a hold is exported, and return what the export says of it."""

    id: int

    async def perform(self, services: Services) -> ExportedHold:
        hold = await services.records.holds.get(self.id)
        await services.core.audit.require(COMMAND_LINE, "hold.export", f"{hold.id} {hold.records}")
        site, now = services.core.site, int(services.core.clock.likely_time() * 1000)
        return ExportedHold(hold, site.name(), services.records.log.log_id, str(site.zone()), now)


class HeldRecord(Record, frozen=True, kw_only=True):
    """A record as it crosses the channel. `pictures`: by name, empty if they were not asked for."""

    detail: Raw  # type: ignore[assignment]
    pictures: dict[str, bytes]

    def record(self) -> Record:
        """Return it with its detail decoded."""
        return replace(self, detail=decode_detail(self.kind, bytes(self.detail)))


class ReadHeldRecords(ControlRequest[list[HeldRecord]], frozen=True, tag="hold.read"):
    """Read some records of a hold with seqs above `after`; none at the end."""

    id: int
    after: int
    with_pictures: bool

    async def perform(self, services: Services) -> list[HeldRecord]:
        page: list[HeldRecord] = []
        size = 0
        found = await services.records.holds.records(self.id, after=self.after, limit=50)
        for record in found.items:
            pictures = await _pictures(services, record) if self.with_pictures else {}
            fields = asdict(record) | {"detail": Raw(msgspec.json.encode(record.detail))}
            page.append(HeldRecord(**fields, pictures=pictures))
            size += sum(map(len, pictures.values()))
            if size > _PAGE_BYTES:
                break
        return page


async def _pictures(services: Services, record: Record) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for image in record.images:
        try:
            found[image.name] = (await services.records.log.picture(record.seq, image.name)).data
        except NoSuchResource:
            continue
    return found
