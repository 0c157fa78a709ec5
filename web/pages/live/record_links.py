"""Where a record leads to: what else there is like it, and what the camera recorded then."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from hub.errors import NoSuchResource
from hub.wire.uploads.records import Record
from web import auth
from web.language import gettext
from web.pages.shown.links import more_of_camera, more_of_person, more_of_plate


class MoreLink(Struct, frozen=True):
    """A search for what else there is like a record."""

    text: str
    url: str


def more_links(record: Record) -> list[MoreLink]:
    """Searches for the same person, plate and camera, as far as the record names them."""
    links = [
        MoreLink(gettext("Other records of this person"), more_of_person(record)),
        MoreLink(gettext("Other records of this plate"), more_of_plate(record)),
        MoreLink(gettext("Same camera around this time"), more_of_camera(record)),
    ]
    return [link for link in links if link.url]


def recordings_url(record: Record) -> str:
    """What the camera recorded around that time; "" if it is gone, or lists no recordings."""
    hub = auth.services()
    if hub.cameras.capabilities.of(record.did).recording_list is False:
        return ""
    try:
        hub.cameras.devices.device(record.did)
        at = datetime.fromtimestamp(record.occurred_at / 1000, hub.core.site.zone())
    except NoSuchResource:
        return ""
    except (OverflowError, ValueError, OSError):  # the clock of the camera was wrong
        return ""
    return f"/cameras/{record.did}/recordings/{at:%Y-%m-%d}?around={at:%H:%M}"
