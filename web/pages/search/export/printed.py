"""Records to print, for the police: what, when, where, and checksums of the pictures."""

from __future__ import annotations

import hashlib

from msgspec import Struct

from hub.wire.uploads.records import Record
from web import auth
from web.pages.search.export.found_records import FoundRecords
from web.pages.search.question import Question
from web.pages.shown.known_people import make_cards
from web.pages.shown.record_cards import (
    CardPicture,
    RecordCard,
    RecordField,
    card_pictures,
    record_fields,
)

#: More would be a book, and its pictures too many for one page of a browser.
MOST_RECORDS = 100


class PrintedPicture(Struct, frozen=True):
    """`sha256` is empty if the picture is gone."""

    picture: CardPicture
    sha256: str


class PrintedRecord(Struct, frozen=True, kw_only=True):
    record: Record
    card: RecordCard
    fields: list[RecordField]
    pictures: list[PrintedPicture]


class PrintedAnswer(Struct, frozen=True):
    """`is_cut`: there are more records."""

    records: list[PrintedRecord]
    is_cut: bool


async def printed_answer(question: Question, *, sees_numbers: bool) -> PrintedAnswer:
    """The records in the order of the question, at most MOST_RECORDS."""
    services = auth.services()
    found = FoundRecords(
        services, question.filter(services), most=MOST_RECORDS, sees_numbers=sees_numbers
    )
    newest_first = question.is_newest_first
    records = [record async for record in found.each(newest_first=newest_first)]
    cards = await make_cards(records)
    return PrintedAnswer(
        [
            PrintedRecord(
                record=record,
                card=card,
                fields=record_fields(record),
                pictures=[
                    PrintedPicture(picture, await _digest(found, record.seq, picture.image.name))
                    for picture in card_pictures(record)
                ],
            )
            for record, card in zip(records, cards, strict=True)
        ],
        found.is_cut,
    )


async def _digest(found: FoundRecords, seq: int, name: str) -> str:
    digest, is_there = hashlib.sha256(), False
    async for piece in found.picture(seq, name):
        digest.update(piece)
        is_there = True
    return digest.hexdigest() if is_there else ""
