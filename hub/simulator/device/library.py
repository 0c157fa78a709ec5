"""The face library of a simulated camera, with its limits and faults (1.12 to 1.15)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from zlib import crc32

from msgspec import Struct

from hub.errors import BadParameter, CannotStoreNow, ClientTooOld, HubError, NoSuchResource
from hub.simulator.device.similarity import similarity
from hub.simulator.drawing.people import face_jpeg
from hub.simulator.faults import FAULTLESS, Quirks
from hub.simulator.scenario.population import SimulatedPerson
from hub.wire.commands.answers import Person as PersonRow

#: How similar a photo must be to one of the library, of 100.
_LEAST_SCORE = 80
#: Photos beyond these bytes are not kept, only their checksums.
_MAX_PHOTO_BYTES = 2 << 20


class LibraryPerson(Struct, frozen=True):
    """An entry: the row of 1.13, the checksum of the photo, and the photo or the person to draw."""

    row: PersonRow
    checksum: int
    photo: bytes | SimulatedPerson | None


_PHOTO_REFUSALS = {420: BadParameter, 425: ClientTooOld}


class FaceLibrary:
    """The people on one camera, by pid."""

    def __init__(self, quirks: Quirks = FAULTLESS, people: Iterable[SimulatedPerson] = ()) -> None:
        self.quirks = quirks
        self._people = {person.uuid: _drawn_entry(person) for person in people}
        self._photo_bytes = 0
        self._unanswered: set[str] = set()
        #: How many additions (1.12) it was asked for.
        self.additions = 0

    def __len__(self) -> int:
        return len(self._people)

    def __iter__(self) -> Iterator[str]:
        return iter(self._people)

    def __contains__(self, pid: object) -> bool:
        return pid in self._people

    def __getitem__(self, pid: str) -> LibraryPerson:
        return self._people[pid]

    def get(self, pid: str) -> LibraryPerson | None:
        return self._people.get(pid)

    def entries(self) -> tuple[LibraryPerson, ...]:
        return tuple(self._people.values())

    def add(self, row: PersonRow, photo: bytes) -> None:
        """Add a person, replacing one with the same pid. Raises HubError as the quirks say."""
        self.additions += 1
        checksum, quirks = crc32(photo), self.quirks
        if quirks.refuses_photo and checksum % quirks.refuses_photo == 0:
            raise _PHOTO_REFUSALS[quirks.photo_refusal]("no face was found in the photo")
        if row.pid in self._people:
            if quirks.deletes_first:
                raise BadParameter("the person exists already", field="param.pid")
            self.remove(row.pid)
        if len(self._people) >= quirks.capacity:
            raise CannotStoreNow("the face library is full")
        kept = photo if self._photo_bytes + len(photo) <= _MAX_PHOTO_BYTES else None
        self._photo_bytes += len(kept or b"")
        # Many cameras hold the same people.
        self._people[row.pid] = LibraryPerson(_shared(row), checksum, kept)

    def update(self, row: PersonRow, photo: bytes) -> None:
        """Replace a person (D12). Raises NoSuchResource if there is none, and as `add` does."""
        entry = self._people.get(row.pid)
        self.remove(row.pid)
        try:
            self.add(row, photo)
        except HubError:
            assert entry is not None
            self._people[row.pid] = entry
            self._photo_bytes += len(entry.photo) if isinstance(entry.photo, bytes) else 0
            raise

    def remove(self, pid: str) -> None:
        """Remove a person. Raises NoSuchResource if there is none."""
        entry = self._people.pop(pid, None)
        if entry is None:
            raise NoSuchResource(f"there is no person {pid}")
        if isinstance(entry.photo, bytes):
            self._photo_bytes -= len(entry.photo)

    def clear(self) -> None:
        """Lose everybody, as after a factory reset."""
        self._people.clear()
        self._photo_bytes = 0

    def most_similar(self, photo: bytes) -> PersonRow | None:
        """The person whom a photo shows (D12); None if it is nobody here. Call it in a thread.

        Raises BadParameter if the photo is not a picture.
        """
        checksum = crc32(photo)
        same = next((one.row for one in self._people.values() if one.checksum == checksum), None)
        if same is not None:
            return same
        try:
            similarity(photo, photo)
        except OSError:
            raise BadParameter("there is no face in the photo", field="param.photo") from None
        scores = [(_score(photo, entry), entry.row) for entry in self._people.values()]
        best, row = max(scores, key=lambda one: one[0], default=(0, None))
        return row if best >= _LEAST_SCORE else None

    def loses_answer(self, pid: str) -> bool:
        """Whether the answer about this person gets lost: by `loses_answer`, the first time."""
        share = self.quirks.loses_answer
        if not share or crc32(pid.encode()) % share or pid in self._unanswered:
            return False
        self._unanswered.add(pid)
        return True


def _score(photo: bytes, entry: LibraryPerson) -> int:
    """How similar the photo is to that of the entry; 0 if it has none that can be drawn."""
    kept = entry.photo
    if kept is None:
        return 0
    with suppress(OSError):
        return similarity(photo, face_jpeg(kept, 0) if isinstance(kept, SimulatedPerson) else kept)
    return 0


@lru_cache(maxsize=20_000)
def _shared(row: PersonRow) -> PersonRow:
    return row


def _drawn_entry(person: SimulatedPerson) -> LibraryPerson:
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
    return LibraryPerson(row, 0, person)
