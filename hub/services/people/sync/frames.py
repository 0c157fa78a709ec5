"""What devices are given of a person (1.12), encoded once for all of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pybase64
import trio
from msgspec import Raw, Struct
from msgspec.structs import replace

from hub.store.people.holdings import RegisterPerson
from hub.wire.commands.answers import Person
from hub.wire.commands.dialect import PERSON_ADD
from hub.wire.commands.param_structs import PersonAdd
from hub.wire.commands.params import encode_param

if TYPE_CHECKING:
    from hub.services.core import Core

#: Of the people sent last, for the devices that get them next.
MAX_BYTES = 8 << 20

#: pid, revision, whether it is without personal numbers, and whether the site sends those of
#: cards.
_Key = tuple[str, int, bool, bool]


class Frame(Struct, frozen=True):
    """A person of the register and the encoded param; None without a photo."""

    person: RegisterPerson
    param: Raw | None


class Frames:
    """The params of 1.12, of which the last are kept.

    `simplify` prepares a photo once more. `year` is the site's current one. Tasks that want the
    same person share one read.
    """

    def __init__(
        self, core: Core, simplify: Callable[[bytes], Awaitable[bytes]], year: Callable[[], int]
    ) -> None:
        self._load = core.store.holdings.person
        self._simplify = simplify
        self._year = year
        self._settings = core.settings
        self._kept: OrderedDict[_Key, Frame] = OrderedDict()
        self._bytes = 0
        self._reads: dict[_Key, trio.Event] = {}

    async def frame(self, pid: str, revision: int, *, is_bare: bool = False) -> Frame | None:
        """Return the person as it is now; None if it is not in the register any more.

        `revision`: the one that is expected. `is_bare`: without personal numbers, for a device that
        connects without a signature (D12).
        """
        key = (pid, revision, is_bare, self._sends_id_numbers)
        while (frame := self._kept.get(key)) is None and key in self._reads:
            await self._reads[key].wait()
        if frame is not None:
            self._kept.move_to_end(key)
            return frame
        read = self._reads[key] = trio.Event()
        try:
            person = await self._load(pid)
        finally:
            del self._reads[key]
            read.set()
        if person is None:
            return None
        frame = Frame(person, self._encoded(person, person.jpeg, is_bare=is_bare))
        self._keep(frame, is_bare=is_bare)
        return frame

    async def again(self, pid: str, *, is_bare: bool = False) -> Raw | None:
        """Return the param with the photo prepared once more (D10)."""
        person = await self._load(pid)
        if person is None or person.jpeg is None:
            return None
        return self._encoded(person, await self._simplify(person.jpeg), is_bare=is_bare)

    def is_same(self, person: RegisterPerson, row: Person) -> bool:
        """Whether a device's row says what the register says, as far as it says anything."""
        age = self._age(person)
        texts = (
            (person.name, row.name),
            (person.work_id, row.work_id),
            (person.department, row.department),
        )
        numbers = (
            (person.category, row.category),
            (person.gender, row.gender),
            (age, row.age),
        )
        return all(told is None or told.strip() == ours.strip() for ours, told in texts) and all(
            ours is None or told is None or told == ours for ours, told in numbers
        )

    @property
    def _sends_id_numbers(self) -> bool:
        return self._settings.current.people.send_id_numbers

    def _age(self, person: RegisterPerson) -> int | None:
        if person.birth_year is None:
            return person.age
        return min(150, max(0, self._year() - person.birth_year))

    def _encoded(self, person: RegisterPerson, jpeg: bytes | None, *, is_bare: bool) -> Raw | None:
        if jpeg is None:
            return None
        sends = self._sends_id_numbers and not is_bare
        # 1.12 requires gender and age: what the register does not say is sent as 1 and 0.
        param = PersonAdd(
            pid=person.pid,
            name=person.name,
            work_id=person.work_id,
            id_card_no=person.id_card_no if sends else "",
            ic_card_no=person.ic_card_no if sends else "",
            gender=person.gender or 1,
            age=self._age(person) or 0,
            department=person.department,
            photo=pybase64.b64encode(jpeg).decode(),
            category=person.category,
            phone=None if is_bare else person.phone or None,
        )
        return encode_param(PERSON_ADD, param)

    def _keep(self, frame: Frame, *, is_bare: bool) -> None:
        person = frame.person
        key = (person.pid, person.revision, is_bare, self._sends_id_numbers)
        if frame.param is None or key in self._kept:
            return
        # The photo is in the param.
        kept = Frame(replace(frame.person, jpeg=None), frame.param)
        self._kept[key] = kept
        self._bytes += len(bytes(frame.param))
        while self._bytes > MAX_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(bytes(oldest.param or b""))
