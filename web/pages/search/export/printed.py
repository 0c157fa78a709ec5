"""Records to print, for the police: what, when, where, and checksums of the pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from msgspec import Struct

from hub.wire.uploads.records import Record
from web import auth
from web.pages.hold_export.response import picture_pieces
from web.pages.shown.known_people import make_cards
from web.pages.shown.record_cards import (
    CardPicture,
    RecordCard,
    RecordField,
    card_pictures,
    record_fields,
)


class PrintedPicture(Struct, frozen=True):
    """`sha256` is empty if the picture is gone."""

    picture: CardPicture
    sha256: str


class PrintedRecord(Struct, frozen=True, kw_only=True):
    record: Record
    card: RecordCard
    fields: list[RecordField]
    pictures: list[PrintedPicture]


async def printed_records(records: Sequence[Record]) -> list[PrintedRecord]:
    """Records as they are printed, with the checksums of their pictures."""
    return [
        PrintedRecord(
            record=record,
            card=card,
            fields=record_fields(record),
            pictures=[
                PrintedPicture(picture, await _digest(record.seq, picture.image.name))
                for picture in card_pictures(record)
            ],
        )
        for record, card in zip(records, await make_cards(records), strict=True)
    ]


async def _digest(seq: int, name: str) -> str:
    digest, is_there = hashlib.sha256(), False
    async for piece in picture_pieces(auth.services(), seq, name):
        digest.update(piece)
        is_there = True
    return digest.hexdigest() if is_there else ""
