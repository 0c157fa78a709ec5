"""Commands to devices (1.5 to 1.16): one typed call for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Raw, Struct
from msgspec.structs import asdict, replace

from hub.errors import BadParameter, DeviceNonsense, DeviceRefused
from hub.live.registry import DeviceAnswer as DeviceAnswer
from hub.live.registry import FileSink, Registry
from hub.services.changes import acts_outside
from hub.services.commands.abilities import Abilities
from hub.services.commands.by_hand import ByHand
from hub.services.commands.known_settings import (
    MAX_MSG_LENGTH,
    DeviceSettings,
    KnownSetting,
    KnownSettings,
)
from hub.services.commands.paging import DeviceList
from hub.services.commands.sender import CommandSender
from hub.services.devices.directory import Devices
from hub.threads import WorkerThreads
from hub.wire.commands.answers import (
    DevicePage,
    FaceCapture,
    FileContent,
    Person,
    PersonCapture,
    RecordDays,
    Recording,
    SearchResult,
)
from hub.wire.commands.capabilities import supposed_edition
from hub.wire.commands.dialect import (
    DIALECT,
    FACE_HISTORY,
    FILE_READ,
    PERSON_ADD,
    PERSON_DELETE,
    PERSON_HISTORY,
    PERSON_LIST,
    PERSON_QUERY,
    PERSON_SEARCH,
    REBOOT,
    RECORD_BY_MONTH,
    RECORD_LIST,
    Command,
)
from hub.wire.commands.paging import LIST_START, ListPosition, PageCursor
from hub.wire.commands.param_structs import (
    FaceHistory,
    PersonAdd,
    PersonHistory,
    PersonList,
    PersonSearch,
    RecordByMonth,
    RecordList,
)
from hub.wire.commands.params import check_fields, check_param, encode_param
from hub.wire.commands.results import decode_answer
from hub.wire.json_limits import weight

if TYPE_CHECKING:
    from hub.services.core import Core

P = TypeVar("P", bound=Struct)
A = TypeVar("A", bound=Struct)
Row = TypeVar("Row")

#: Larger params and answers are checked and decoded in a thread.
_INLINE_BYTES = 256 * 1024


class Commands:
    """Sends commands to devices. Commands of one kind are sent in the order of their calls.

    Param structs that callers pass must be checked (see hub.wire.commands.params). Every call
    raises

    - NoSuchResource if there is no such device
    - BadParameter if a param is out of bounds: nothing was sent
    - NotSent: DeviceOffline or DeviceBusy
    - Unanswered: DeviceLeft or DeviceSilent; the device may have executed the command
    - DeviceRefused, DeviceNonsense: except for `send`, which returns the answer as it is
    """

    def __init__(
        self, core: Core, registry: Registry, devices: Devices, abilities: Abilities
    ) -> None:
        """`abilities`: what is known of what devices can do."""
        self._store = core.store
        self._devices = devices
        self._settings = KnownSettings(core.store, core.now)
        self._abilities = abilities
        self._sender = CommandSender(
            core.store, registry, devices, core.changes, self._settings, self._abilities
        )
        self._threads = WorkerThreads(inline_bytes=_INLINE_BYTES)
        #: Changes of people that do not come from the sync.
        self.by_hand = ByHand(core.store)

    async def send(self, did: str, uri: str, param: Raw | bytes) -> DeviceAnswer:
        """Check and send an integrator's command; return the device's answer as it is."""
        command = DIALECT.by_uri(uri)
        is_bare = self._is_bare(did)

        def encoded() -> tuple[Struct, Raw]:
            checked = _bare(check_param(command, param), is_bare=is_bare)
            return checked, encode_param(command, checked)

        checked, sent = await self._threads.run(weight(bytes(param)), encoded)
        await self._note_person(did, command, checked)
        return await self._sender.send(did, command, sent)

    async def call(self, did: str, command: Command[P, A], param: P) -> A:
        """Send a command, and return the device's result."""
        acts_outside()
        await self._note_person(did, command, param)
        encoded = encode_param(command, _bare(param, is_bare=self._is_bare(did)))
        answer = await self._sender.send(did, command, encoded)
        return await self._decode(command, answer)

    async def exchange(self, did: str, command: Command[P, A], param: P | Raw) -> A:
        """Send a command as `call` does, for the sync: nobody is told that the device changed.

        A `param` may be encoded already. After changes of people, call `people_changed`.
        """
        encoded = param if isinstance(param, Raw) else encode_param(command, param)
        return await self._decode(command, await self._sender.exchange(did, command, encoded))

    def may_update_people(self, did: str) -> bool:
        """Whether to update a person who is on the device; a 404 then tells that it cannot (D12).

        Edition 1 cannot: there a person is added again.
        """
        known = self._abilities.of(did)
        if known.people_update is not None:
            return known.people_update
        return supposed_edition(known) > 1

    async def people_changed(self, did: str) -> None:
        """Note that `exchange` changed the device's people: pictures of it may be others now."""
        await self._sender.people_changed(did)

    def _is_bare(self, did: str) -> bool:
        """Whether the device is given no personal numbers, because it does not sign (D12)."""
        device = self._store.devices.by_did(did)
        return device is not None and device.connects == "unsigned"

    async def _note_person(self, did: str, command: Command[Any, Any], param: Struct) -> None:
        if command in (PERSON_ADD, PERSON_DELETE):
            pid = getattr(param, "pid", "")
            await self.by_hand.note(did, pid, is_added=command == PERSON_ADD)

    async def _decode(self, command: Command[Any, A], answer: DeviceAnswer) -> A:
        """Return the result of an answer. Raises DeviceRefused, DeviceNonsense."""
        if answer.code not in command.ok_codes:
            raise DeviceRefused(answer.code, answer.msg[:MAX_MSG_LENGTH])

        def decoded() -> A:
            return decode_answer(command, answer.result)

        size = 0 if answer.result is None else weight(bytes(answer.result))
        return await self._threads.run(size, decoded)

    def settings(self, did: str) -> DeviceSettings:
        """Return the device's last answers to 1.5 and 1.6. Raises NoSuchResource."""
        self._devices.device(did)
        return self._settings.of_device(did)

    def kept_setting(self, did: str, command: Command[P, Any]) -> KnownSetting[P] | None:
        """Return the device's last answer to a setting that nothing reads back.

        Raises NoSuchResource.
        """
        self._devices.device(did)
        return self._settings.of_command(did, command)

    async def recordings_by_month(self, did: str, year: int, month: int) -> RecordDays:
        """1.7: count the recordings of each day; `month` is 1 to 12."""
        return await self._call(did, RECORD_BY_MONTH, **asdict(RecordByMonth.of(year, month)))

    def recordings(
        self, did: str, param: RecordList, *, left: ListPosition = LIST_START
    ) -> DeviceList[Recording]:
        """1.8: list recordings; see `_list`."""
        return self._list(did, RECORD_LIST, param, left)

    async def reboot(self, did: str, delay_ms: int) -> None:
        """1.9: restart the device after `delay_ms` milliseconds."""
        await self._call(did, REBOOT, delay_ms=delay_ms)

    def face_history(
        self, did: str, param: FaceHistory, *, left: ListPosition = LIST_START
    ) -> DeviceList[FaceCapture]:
        """1.10: list faces that the device saw; see `_list`."""
        return self._list(did, FACE_HISTORY, param, left)

    def person_history(
        self, did: str, param: PersonHistory, *, left: ListPosition = LIST_START
    ) -> DeviceList[PersonCapture]:
        """1.11: list people that the device saw; see `_list`."""
        return self._list(did, PERSON_HISTORY, param, left)

    async def person_add(self, did: str, param: PersonAdd) -> None:
        """1.12: add a person, or replace the one with the same pid."""
        await self.call(did, PERSON_ADD, param)

    def people(
        self, did: str, param: PersonList, *, left: ListPosition = LIST_START
    ) -> DeviceList[Person]:
        """1.13: list the people on the device; see `_list`."""
        return self._list(did, PERSON_LIST, param, left)

    async def person_query(self, did: str, pid: str) -> Person:
        """1.14: read one person. Raises DeviceNonsense if the answer is about another one."""
        person = await self._call(did, PERSON_QUERY, pid=pid)
        if person.pid.lstrip("0") != pid.lstrip("0"):
            raise DeviceNonsense(
                f"the device's answer to {PERSON_QUERY.uri} cannot be used: it is about another pid"
            )
        return person

    async def person_delete(self, did: str, pid: str) -> None:
        """1.15: delete a person."""
        await self._call(did, PERSON_DELETE, pid=pid)

    async def person_search(self, did: str, param: PersonSearch) -> SearchResult:
        """1.16: find captures that resemble a photo."""
        return await self.call(did, PERSON_SEARCH, param)

    async def read_file(self, did: str, path: str) -> FileContent:
        """D3: read a picture from the device; `DeviceFiles` keeps what was read."""
        return await self._call(did, FILE_READ, path=path)

    async def read_large_file(self, did: str, path: str, sink: FileSink) -> Raw | None:
        """D3: read a file of any kind into `sink`. Returns what is left of the result."""
        param = encode_param(FILE_READ, check_fields(FILE_READ, {"path": path}))
        answer = await self._sender.send(did, FILE_READ, param, sink)
        if answer.code not in FILE_READ.ok_codes:
            raise DeviceRefused(answer.code, answer.msg[:MAX_MSG_LENGTH])
        return answer.result

    def people_changed_at(self, did: str) -> float:
        """Return when the device's people were changed last, by trio's clock; -inf if never.

        A path that was read before then may now lead to another picture.
        """
        return self._sender.people_changed_at(did)

    async def _call(self, did: str, command: Command[Any, A], **fields: object) -> A:
        """Check the fields of the param, and send the command with them."""
        return await self.call(did, command, check_fields(command, fields))

    def _list(
        self, did: str, command: Command[P, Any], param: P, left: ListPosition
    ) -> DeviceList[Row]:
        """Return a reader that begins at the param's `page_num`, by default at the first page.

        To continue an earlier walk, pass its `wanted` as `page_num`, and its `left`.
        """
        start: int | None = getattr(param, "page_num", None)

        async def ask(number: int) -> DevicePage[Row]:
            page: DevicePage[Row] = await self.call(did, command, replace(param, page_num=number))
            return page

        return DeviceList(PageCursor(command.first_page or 0, page=start, left=left), ask)


def _bare(param: P, *, is_bare: bool) -> P:
    """The param without the personal numbers of a person whom it adds.

    Raises BadParameter if it asks by such a number.
    """
    if not is_bare:
        return param
    if isinstance(param, PersonAdd):
        return replace(param, id_card_no="", ic_card_no="", phone=None)
    for name in ("idCard", "phone"):
        if getattr(param, name, None):
            raise BadParameter(
                "not sent to a device that connects without a signature", field=f"param.{name}"
            )
    return param
