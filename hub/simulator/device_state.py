"""What a simulated camera remembers: its people, settings, captures and versions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from hub.errors import CannotStoreNow
from hub.simulator.identity import CameraIdentity
from hub.simulator.scenario import drawing
from hub.simulator.scenario.history import History
from hub.simulator.scenario.population import Cast, Person
from hub.wire.commands.messages import FaceParam, RecordParam
from hub.wire.commands.messages import Person as PersonRow
from hub.wire.uploads.firmware import Versions

#: A camera's face library has room for so much; beyond it, a person is refused.
_MOST_PEOPLE = 10_000
_MOST_BYTES_OF_PHOTOS = 32 << 20

#: What a new camera has installed.
NEW = Versions(fw_ver="V2.4.11", sw_ver="V1.8.3", os_ver="V4.9.84", hw_ver="V1.2")


class KnownPerson(Struct, frozen=True):
    """Somebody of the face library: as 1.13 lists them, and the photo or how it is drawn."""

    row: PersonRow
    photo: bytes | Person


class DeviceState:
    """`now` is the device's own clock, which may be wrong; its times are those of this machine."""

    def __init__(
        self,
        identity: CameraIdentity,
        cast: Cast,
        *,
        now: Callable[[], float],
        knows_cast: bool = False,
    ) -> None:
        """`knows_cast`: who belongs here is in the face library already."""
        self.sn = identity.sn
        self.versions = NEW
        #: 2.3: the release that is installed; one with a greater number is newer.
        self.ver_code = 0
        #: Given with the initial parameters (D3).
        self.ota_id = ""
        self.face: FaceParam | None = None
        self.recording: RecordParam | None = None
        known = cast.known if knows_cast else ()
        self.people = {person.uuid: _of_cast(person) for person in known}
        self._now = now
        self._bytes_of_photos = 0
        self.history = History(identity.sn, identity.place, cast, self.clock())

    def clock(self) -> datetime:
        return datetime.fromtimestamp(self._now())

    def add_person(self, row: PersonRow, photo: bytes) -> None:
        """Keep a person, in place of one with the same pid. Raises CannotStoreNow."""
        self.remove_person(row.pid)
        total = self._bytes_of_photos + len(photo)
        if len(self.people) >= _MOST_PEOPLE or total > _MOST_BYTES_OF_PHOTOS:
            raise CannotStoreNow("the face library is full")
        self.people[row.pid] = KnownPerson(row, photo)
        self._bytes_of_photos = total

    def remove_person(self, pid: str) -> bool:
        """Whether there was one."""
        person = self.people.pop(pid, None)
        if person is not None and isinstance(person.photo, bytes):
            self._bytes_of_photos -= len(person.photo)
        return person is not None

    def picture(self, path: str) -> bytes | None:
        """The content of a file whose path was given before. Draws: call it in a thread."""
        for person in tuple(self.people.values()):
            if person.row.photo == path:
                photo = person.photo
                return photo if isinstance(photo, bytes) else drawing.face_jpeg(photo, 0)
        return self.history.picture(path)


def _of_cast(person: Person) -> KnownPerson:
    row = PersonRow(
        pid=person.uuid,
        name=person.name,
        work_id=person.work_id,
        id_card_no="",
        ic_card_no="",
        department=person.department,
        photo=f"data/facelib/{person.uuid}.jpg",
        phone="",
        gender=person.gender,
        age=person.age,
        category=person.category,
    )
    return KnownPerson(row, person)
