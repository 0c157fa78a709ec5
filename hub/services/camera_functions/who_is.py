"""Who a photo shows, by the people on a camera (1.14 of editions 2 and 3, D12)."""

from __future__ import annotations

from msgspec import Struct

from hub.errors import DeviceRefused
from hub.services.commands.calls import Commands
from hub.wire.commands.answers import Person
from hub.wire.commands.edition_3_commands import PHOTO_SEARCH
from hub.wire.commands.edition_3_params import PhotoSearch
from hub.wire.commands.param_structs import PersonList

#: People of one name that are looked through for the photo.
_MAX_LOOKED_AT = 320


class FoundPerson(Struct, frozen=True):
    """Whom a photo shows. `picture`: a path on the camera, "" if it gave none.

    `person`: the row of the camera's list with this picture; None if none has it.
    """

    name: str
    picture: str
    person: Person | None


async def who_is(commands: Commands, did: str, photo: str) -> FoundPerson | None:
    """Ask the camera whom the photo (Base64) shows; None: nobody whom it knows.

    The camera tells a name and a picture, but no pid; so the pid is that of the person of this name
    who has this picture. Raises as a call of `Commands`.
    """
    found = await commands.call(did, PHOTO_SEARCH, PhotoSearch(photo=photo))
    if not found.name:
        return None
    person = await _listed(commands, did, found.name, found.jpeg_url) if found.jpeg_url else None
    return FoundPerson(found.name, found.jpeg_url or "", person)


async def _listed(commands: Commands, did: str, name: str, picture: str) -> Person | None:
    looked_at = 0
    try:
        async for rows in commands.people(did, PersonList(name=name)):
            for row in rows:
                if row.photo == picture:
                    return row
            looked_at += len(rows)
            if looked_at >= _MAX_LOOKED_AT:
                return None
    except DeviceRefused:  # it was named nevertheless
        return None
    return None
