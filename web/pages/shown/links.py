"""Addresses of questions that other pages ask: more of this person, this plate, this camera."""

from __future__ import annotations

from urllib.parse import urlencode

from hub.wire.person_numbers import canonical_number, names_nobody
from hub.wire.times import format_rfc3339
from hub.wire.uploads.records import AccessDetail, EventDetail, FaceDetail, Record, VehicleDetail


def search_url(**values: str | int | None) -> str:
    """The answer of the page of search to these parameters; those that are empty are left out."""
    given = {name: value for name, value in values.items() if value not in ("", None)}
    return f"/search?{urlencode(given)}#answer" if given else "/search"


def of_person(pid: str) -> str:
    """Everything in which cameras recognised this person of the register, by number."""
    return search_url(uuid=pid)


def of_camera(did: str) -> str:
    """Everything of this camera."""
    return search_url(did=did)


def more_of_person(record: Record) -> str:
    """Everything that names the same person; "" if the record names nobody."""
    detail = record.detail
    if record.erased or not isinstance(detail, FaceDetail | EventDetail | AccessDetail):
        return ""
    if not names_nobody(detail.uuid):
        return search_url(uuid=canonical_number(detail.uuid or ""))
    name = "" if isinstance(detail, AccessDetail) else (detail.name or "").strip()
    return search_url(name=name) if name else ""


def more_of_plate(record: Record) -> str:
    """Everything with the same plate; "" if the record has none."""
    detail = record.detail
    if record.erased or not isinstance(detail, VehicleDetail):
        return ""
    plate = (detail.plate.id or "").strip()
    return search_url(plate=plate) if plate else ""


def more_with(key: str, word: str) -> str:
    """Everything of which a camera said the same: see `hub.wire.uploads.searchable`."""
    return search_url(**{key: word})


def more_of_camera(record: Record) -> str:
    """What the same camera saw from 15 minutes before to 15 minutes after; "" if it has none."""
    if not record.did:
        return ""
    return search_url(did=record.did, around=format_rfc3339(record.occurred_at))
