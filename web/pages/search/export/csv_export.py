"""Records as CSV, for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from hub.services.csv_cells import as_text
from hub.wire import code_tables
from hub.wire.uploads.records import (
    AccessDetail,
    EventDetail,
    FaceDetail,
    Record,
    VehicleDetail,
)
from hub.wire.uploads.searchable import SEARCHABLE, searchable_words
from web import language
from web.language import N_
from web.pages.labels import KINDS
from web.pages.search.attribute_fields import attribute_text
from web.pages.search.export.found_records import FoundRecords
from web.pages.shown.record_cards import TableName, make_card

#: A row more would not fit into what a spreadsheet of today opens without trouble.
MOST_RECORDS = 100_000
_PART_ROWS = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

HEAD = (
    N_("Record"),
    N_("Type"),
    N_("Occurred (camera's clock)"),
    N_("Received (hub's clock)"),
    N_("Camera"),
    N_("Serial number"),
    N_("Title"),
    N_("Name"),
    N_("Person ID"),
    N_("List"),
    N_("Plate"),
    N_("Plate type"),
    N_("Vehicle type"),
    N_("Event"),
    N_("Pictures"),
    N_("Attributes"),
)
#: In a column of its own.
_TYPE = "car_type"


async def export_csv(
    found: FoundRecords, words: language.Language, zone: tzinfo, *, newest_first: bool
) -> AsyncIterator[bytes]:
    """Yield the records as CSV, part by part, in these words and this time zone.

    The last line says so if there are more than fit.
    """
    language.use(words, zone)
    # Excel takes a file without this mark for one in the code page of the PC.
    yield "\ufeff".encode() + _lines([[words.gettext(name) for name in HEAD]])
    rows: list[Sequence[str]] = []
    async for record in found.each(newest_first=newest_first):
        rows.append(_cells(record, words, zone))
        if len(rows) == _PART_ROWS:
            yield _lines(rows)
            rows = []
    if found.is_cut:
        text = words.gettext("There are more records: narrow down the search.")
        rows.append([text])
    yield _lines(rows)


def _cells(record: Record, words: language.Language, zone: tzinfo) -> Sequence[str]:
    code, detail = words.code, record.detail
    name = uuid = category = plate = plate_type = vehicle = event = ""
    match detail:
        case FaceDetail() | EventDetail():
            name, uuid = detail.name or "", detail.uuid or ""
            category = _table(detail.category, code_tables.category_name, code)
            if isinstance(detail, EventDetail):
                event = code_tables.event_name(detail.type, code)
        case AccessDetail():
            uuid = detail.uuid or ""
        case VehicleDetail():
            plate = detail.plate.id or ""
            plate_type = _table(detail.plate.type, code_tables.plate_name, code)
            vehicle = _table(detail.vehicle.type, code_tables.vehicle_name, code)
    card = make_card(record)
    return (
        str(record.seq),
        words.gettext(KINDS.get(record.kind, record.kind)),
        _time(record.occurred_at, zone),
        _time(record.received_at, zone),
        *(as_text(text) for text in (card.camera, record.sn, card.title, name, uuid, category)),
        *(as_text(text) for text in (plate, plate_type, vehicle, event)),
        str(len(record.images)),
        as_text(_attributes(record)),
    )


def _attributes(record: Record) -> str:
    """What a search finds the record by, in one line: "Gender: Male; Bag: Backpack"."""
    if record.erased:
        return ""
    said = searchable_words(record.detail)
    texts = (attribute_text(key, said[key]) for key in SEARCHABLE if key in said and key != _TYPE)
    return "; ".join(texts)


def _table(number: int | None, name: TableName, code: language.Code) -> str:
    return "" if number is None else name(number, code)


def _time(ms: int, zone: tzinfo) -> str:
    """A time as spreadsheets read it; empty if it is out of their range."""
    try:
        moment = (_EPOCH + timedelta(milliseconds=ms)).astimezone(zone)
    except OverflowError:
        return ""
    return f"{moment:%Y-%m-%d %H:%M:%S}" if ms else ""


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode("utf-8", "replace")
