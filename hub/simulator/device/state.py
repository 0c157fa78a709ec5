"""What a simulated camera stores: face library, settings, captures and firmware versions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from hub.errors import CannotStoreNow
from hub.simulator.device.history import History
from hub.simulator.drawing import people
from hub.simulator.identity import CameraIdentity
from hub.simulator.scenario.population import Person, Population
from hub.wire.commands.answers import Person as PersonRow
from hub.wire.commands.param_structs import FaceParam, RecordParam
from hub.wire.uploads.firmware import Versions

#: The capacity of the face library.
_MAX_PEOPLE = 10_000
_MAX_PHOTO_BYTES = 32 << 20

#: The versions of a new camera.
FACTORY_VERSIONS = Versions(fw_ver="V2.4.11", sw_ver="V1.8.3", os_ver="V4.9.84", hw_ver="V1.2")


class LibraryPerson(Struct, frozen=True):
    """An entry of the face library: the row of 1.13, and the photo or the person to draw."""

    row: PersonRow
    photo: bytes | Person


class DeviceState:
    """`now` is the camera's own clock, which may be wrong; it shows this machine's local time.

    With `preload_faces` the face library contains the known people from the start.
    """

    def __init__(
        self,
        identity: CameraIdentity,
        population: Population,
        *,
        now: Callable[[], float],
        preload_faces: bool = False,
    ) -> None:
        self.sn = identity.sn
        self.versions = FACTORY_VERSIONS
        #: The number of the installed release; a newer release has a greater one (2.3).
        self.ver_code = 0
        #: Assigned with the initial parameters (D3).
        self.ota_id = ""
        self.face: FaceParam | None = None
        self.recording: RecordParam | None = None
        preloaded = population.known if preload_faces else ()
        self.people = {person.uuid: _library_person(person) for person in preloaded}
        self._now = now
        self._photo_bytes = 0
        self.history = History(identity.sn, identity.place, population, self.clock())

    def clock(self) -> datetime:
        return datetime.fromtimestamp(self._now())

    def add_person(self, row: PersonRow, photo: bytes) -> None:
        """Add a person, replacing one with the same pid. Raises CannotStoreNow."""
        self.remove_person(row.pid)
        total = self._photo_bytes + len(photo)
        if len(self.people) >= _MAX_PEOPLE or total > _MAX_PHOTO_BYTES:
            raise CannotStoreNow("the face library is full")
        self.people[row.pid] = LibraryPerson(row, photo)
        self._photo_bytes = total

    def remove_person(self, pid: str) -> bool:
        """Remove a person; return whether there was one."""
        person = self.people.pop(pid, None)
        if person is not None and isinstance(person.photo, bytes):
            self._photo_bytes -= len(person.photo)
        return person is not None

    def picture(self, path: str) -> bytes | None:
        """Return the picture with a path from an earlier answer. Draws: call it in a thread."""
        for person in tuple(self.people.values()):
            if person.row.photo == path:
                photo = person.photo
                return photo if isinstance(photo, bytes) else people.face_jpeg(photo, 0)
        return self.history.picture(path)


def _library_person(person: Person) -> LibraryPerson:
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
    return LibraryPerson(row, person)
