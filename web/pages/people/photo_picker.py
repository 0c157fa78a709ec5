"""The photo of a form: chosen from a file, or a picture that the hub or a camera has.

A picture is named in the address and in hidden fields of the form, so that a form without a file
uses that picture, and a browser with scripts can crop it first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from msgspec import Struct

from hub.errors import NoSuchResource
from hub.wire.pictures import Image
from web import auth
from web.language import gettext
from web.pages.camera.layout import device_picture_url
from web.pages.faults import NotHere
from web.pages.shown.form_fields import PhotoField, photo_field

_SEQ = re.compile(r"[0-9]{1,18}", re.ASCII)
_PID = re.compile(r"[0-9]{1,20}", re.ASCII)
_IMAGE = re.compile(r"[a-z]{1,20}", re.ASCII)
#: The pictures of a record that show a person, the best first.
_FACES = ("face", "body", "background")


class PictureSource(Struct, frozen=True):
    """A picture that is there already; at most one of these is given.

    record, image   a picture of a record
    person          the photo of a person in the register
    did, path       a picture on a camera
    """

    record: str = ""
    image: str = ""
    person: str = ""
    did: str = ""
    path: str = ""

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """The hidden fields that name it."""
        pairs = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return tuple((f"from_{name}", value) for name, value in pairs if value)

    @property
    def query(self) -> str:
        """The parameters that name it, for a link to a form."""
        return "&".join(f"{name}={quote(value, safe='')}" for name, value in self.fields)

    async def read(self) -> bytes:
        """Read the picture. Raises NoSuchResource, and what DeviceFiles raises; b"" if none."""
        hub = auth.services()
        if self.person:
            return await hub.people.register.photo(self.person)
        if self.path:
            return (await hub.cameras.files.picture(self.did, self.path)).data
        if not self.record:
            return b""
        image = await self._record_image()
        return (await hub.records.log.picture(int(self.record), image.name)).data

    async def url(self) -> str:
        """Where a browser gets it; "" if none is given. Raises NoSuchResource."""
        if self.person:
            return f"/people/{self.person}/photo"
        if self.path:
            return device_picture_url(self.did, self.path)
        return (await self._record_image()).path if self.record else ""

    async def _record_image(self) -> Image:
        """The picture of the record: the one that is named, else the best of a person."""
        record = await auth.services().records.log.get(int(self.record))
        known = {image.name: image for image in record.images}
        for name in (self.image, *_FACES):
            if name in known:
                return known[name]
        raise NotHere(gettext("Record %(seq)s has no picture of a person.") % {"seq": self.record})


class PhotoPicker(Struct, frozen=True):
    """What the template needs; `source`: shown at first, `hidden`: the fields that name it."""

    field: PhotoField
    source: str
    hidden: tuple[tuple[str, str], ...]
    is_required: bool


async def photo_picker(source: PictureSource, *, is_required: bool = True) -> PhotoPicker:
    """The photo field that begins with `source`, unless that is gone."""
    try:
        url = await source.url()
    except NoSuchResource:
        source, url = PictureSource(), ""
    return PhotoPicker(photo_field(), url, source.fields, is_required and not url)


def read_source(fields: Mapping[str, str]) -> PictureSource:
    """The picture that an address or a form names; none if it is not valid, or not for the user."""
    given = {name: fields.get(f"from_{name}", "") for name in PictureSource.__struct_fields__}
    if _PID.fullmatch(given["person"]):
        return PictureSource(person=given["person"])
    if not auth.reaches(auth.user(), "guard"):
        return PictureSource()
    if _SEQ.fullmatch(given["record"]):
        image = given["image"] if _IMAGE.fullmatch(given["image"]) else ""
        return PictureSource(record=given["record"], image=image)
    if given["path"] and _PID.fullmatch(given["did"]):
        return PictureSource(did=given["did"], path=given["path"])
    return PictureSource()


async def chosen_photo(file: bytes, source: PictureSource) -> bytes:
    """The file that was sent, else the picture that is named; b"" if there is neither.

    Raises NoSuchResource, and what DeviceFiles raises.
    """
    return file or await source.read()
