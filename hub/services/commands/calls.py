"""Commands to devices (1.5 to 1.16): one call for each, and what devices took of them."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

import trio
from msgspec import Raw, Struct
from msgspec.structs import replace

from hub.errors import (
    BadParameter,
    DeviceNonsense,
    DeviceOffline,
    DeviceRefused,
    HubError,
    NoSuchPath,
    Unanswered,
)
from hub.live.feed import Change, Feed
from hub.live.registry import DeviceAnswer as DeviceAnswer
from hub.live.registry import Link, Registry
from hub.log import limited
from hub.services.commands.paging import PagesOfDevice as PagesOfDevice
from hub.services.commands.queue import CommandQueue
from hub.services.devices.directory import Device, Devices
from hub.services.shielding import shielded
from hub.store.db import Store
from hub.store.tables.device_settings import DeviceSetting, SettingName
from hub.threads import WorkerThreads
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
    SET_FACE,
    SET_RECORDING,
    Command,
)
from hub.wire.commands.messages import (
    DevicePage,
    FaceCapture,
    FaceHistory,
    FaceParam,
    FileContent,
    FileRead,
    Person,
    PersonAdd,
    PersonCapture,
    PersonDelete,
    PersonHistory,
    PersonList,
    PersonQuery,
    PersonSearch,
    Reboot,
    RecordByMonth,
    RecordDays,
    Recording,
    RecordList,
    RecordParam,
    SearchResult,
)
from hub.wire.commands.paging import LIST_START, ListPosition, PageCursor
from hub.wire.commands.params import check_param, encode_param, recode_param
from hub.wire.commands.results import decode_answer

log = logging.getLogger(__name__)

P = TypeVar("P", bound=Struct)
A = TypeVar("A", bound=Struct)
Taken = TypeVar("Taken", bound=Struct, covariant=True)
Row = TypeVar("Row")

#: D4: a device handles one command with a photo at a time, and up to 4 light ones. A picture that
#: is read from it (D3) counts as one with a photo.
PHOTOS_AT_A_TIME = 1
LIGHT_ONES_AT_A_TIME = 4

_SETTINGS: dict[str, SettingName] = {SET_FACE.name: "face", SET_RECORDING.name: "recording"}
#: What is seen of a device may be another after these: the names of the commands.
CHANGING = {
    command.name for command in (SET_FACE, SET_RECORDING, REBOOT, PERSON_ADD, PERSON_DELETE)
}
#: A device may put a person's photo where another one's was.
_OF_PEOPLE = {PERSON_ADD.name, PERSON_DELETE.name}
#: Of what a device says, as far as it is kept or told.
_LONGEST_MSG = 200
#: A larger photo or answer takes so long that it is looked at in a thread.
_INLINE_BYTES = 256 * 1024


class KnownSetting(Struct, Generic[Taken], frozen=True, kw_only=True):
    """What a device answered last to a setting, and what it took last. Times in milliseconds.

    `taken` is None where it never took one. `is_taken`: its last answer was that it took it.
    """

    taken: Taken | None
    taken_at: int | None
    is_taken: bool
    code: int
    msg: str
    answered_at: int


class DeviceSettings(Struct, frozen=True):
    """1.5 and 1.6 cannot be read back. None: the device was never asked to take one."""

    face: KnownSetting[FaceParam] | None
    recording: KnownSetting[RecordParam] | None


class Commands:
    """Asks devices. Whatever asks may raise NoSuchResource where there is no such device, and

    - BadParameter where the param is out of its bounds: nothing was sent
    - NotSent: DeviceOffline or DeviceBusy
    - Unanswered: DeviceLeft or DeviceSilent; whether the device did it is not known
    - DeviceRefused, DeviceNonsense: but not `send`, which gives the answer as it is

    Commands of a kind go out in the order in which they are asked, pictures that are read behind
    photos that are sent. A caller that is cancelled
    leaves the queue; what is out already keeps its place until the device has done with it (see
    `Link.request`): a weak device that fell silent over a photo is not given the next one at once.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        devices: Devices,
        changes: Feed[Change],
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._registry = registry
        self._devices = devices
        self._changes = changes
        self._now = now
        #: By did and whether a photo travels, while there is anything to wait for.
        self._turns: dict[tuple[str, bool], CommandQueue] = {}
        #: did -> when its people were changed last, by trio's clock.
        self._people_changed: dict[str, float] = {}
        self._threads = WorkerThreads(inline_bytes=_INLINE_BYTES)

    async def send(self, did: str, uri: str, param: Raw | bytes) -> DeviceAnswer:
        """Send what an integrator asks for, and give the device's answer as it is."""
        command = DIALECT.by_uri(uri)
        recode = partial(recode_param, command, param)
        return await self._ask(
            did, command, await self._threads.run(len(memoryview(param)), recode)
        )

    async def call(self, did: str, command: Command[P, A], param: P) -> A:
        """Send a command, and give what the device answered."""
        size = len(getattr(param, "photo", ""))
        sent = await self._threads.run(size, partial(encode_param, command, param))
        answer = await self._ask(did, command, sent)
        if answer.code not in command.ok_codes:
            raise DeviceRefused(answer.code, answer.msg[:_LONGEST_MSG])
        size = 0 if answer.result is None else len(memoryview(answer.result))
        return await self._threads.run(size, partial(decode_answer, command, answer.result))

    async def set_face(self, did: str, param: FaceParam) -> None:
        """1.5"""
        await self.call(did, SET_FACE, param)

    async def set_recording(self, did: str, param: RecordParam) -> None:
        """1.6"""
        await self.call(did, SET_RECORDING, param)

    def settings(self, did: str) -> DeviceSettings:
        """What the device took of 1.5 and 1.6. Raises NoSuchResource."""
        self._devices.device(did)
        return DeviceSettings(self._known(did, SET_FACE), self._known(did, SET_RECORDING))

    async def recordings_by_month(self, did: str, year: int, month: int) -> RecordDays:
        """1.7: how many recordings each day has; `month` from 1 to 12."""
        return await self.call(did, RECORD_BY_MONTH, RecordByMonth.of(year, month))

    def recordings(
        self, did: str, param: RecordList, *, left: ListPosition = LIST_START
    ) -> PagesOfDevice[Recording]:
        """1.8; see `_paged`."""
        return self._paged(did, RECORD_LIST, param, left)

    async def reboot(self, did: str, delay_ms: int) -> None:
        """1.9"""
        await self.call(did, REBOOT, Reboot(delay_ms=delay_ms))

    def face_history(
        self, did: str, param: FaceHistory, *, left: ListPosition = LIST_START
    ) -> PagesOfDevice[FaceCapture]:
        """1.10; see `_paged`."""
        return self._paged(did, FACE_HISTORY, param, left)

    def person_history(
        self, did: str, param: PersonHistory, *, left: ListPosition = LIST_START
    ) -> PagesOfDevice[PersonCapture]:
        """1.11; see `_paged`."""
        return self._paged(did, PERSON_HISTORY, param, left)

    async def person_add(self, did: str, param: PersonAdd) -> None:
        """1.12"""
        await self.call(did, PERSON_ADD, param)

    def people(
        self, did: str, param: PersonList, *, left: ListPosition = LIST_START
    ) -> PagesOfDevice[Person]:
        """1.13; see `_paged`."""
        return self._paged(did, PERSON_LIST, param, left)

    async def person_query(self, did: str, pid: str) -> Person:
        """1.14; an answer about somebody else is nonsense, for it might be acted upon."""
        person = await self.call(did, PERSON_QUERY, PersonQuery(pid=pid))
        if person.pid.lstrip("0") != pid.lstrip("0"):
            raise DeviceNonsense(
                f"the device's answer to {PERSON_QUERY.uri} cannot be used: it is about another pid"
            )
        return person

    async def person_delete(self, did: str, pid: str) -> None:
        """1.15"""
        await self.call(did, PERSON_DELETE, PersonDelete(pid=pid))

    async def person_search(self, did: str, param: PersonSearch) -> SearchResult:
        """1.16"""
        return await self.call(did, PERSON_SEARCH, param)

    async def read_file(self, did: str, path: str) -> FileContent:
        """D3; see `DeviceFiles`, which keeps what was read."""
        return await self.call(did, FILE_READ, FileRead(path=path))

    def people_changed_at(self, did: str) -> float:
        """When people on it were changed last, by trio's clock: photos may lie elsewhere since."""
        return self._people_changed.get(did, -math.inf)

    def _paged(
        self, did: str, command: Command[P, Any], param: P, left: ListPosition
    ) -> PagesOfDevice[Row]:
        """From the first page on; or, to go on with a walk that was `left`, from the `page_num` of
        the param."""
        start: int | None = getattr(param, "page_num", None)

        async def ask(number: int) -> DevicePage[Row]:
            page: DevicePage[Row] = await self.call(did, command, replace(param, page_num=number))
            return page

        return PagesOfDevice(PageCursor(command.first_page or 0, page=start, left=left), ask)

    async def _ask(self, did: str, command: Command[Any, Any], param: Raw) -> DeviceAnswer:
        try:
            answer = await self._answer(did, command, param)
        except Unanswered:
            # Whether the device did it is not known.
            await self._follow(did, command, may_be_done=True)
            raise
        await self._follow(did, command, may_be_done=answer.code in command.ok_codes)
        return answer

    async def _answer(self, did: str, command: Command[Any, Any], param: Raw) -> DeviceAnswer:
        if name := _SETTINGS.get(command.name):
            return await self._set(did, command, param, name)
        link, end_turn = await self._turn(did, command)
        return await link.request(command.uri, param, seconds=command.seconds, on_free=end_turn)

    async def _follow(self, did: str, command: Command[Any, Any], *, may_be_done: bool) -> None:
        """What is seen of the device may be another now."""
        if command.name not in CHANGING:
            return
        if command.name in _OF_PEOPLE and may_be_done:
            self._people_changed[did] = trio.current_time()
            await self._forget_pictures(did)
        self._changes.publish([Change("device", did)])

    async def _forget_pictures(self, did: str) -> None:
        """What was read of the device is read again when it is asked for."""
        try:
            with shielded():
                await self._store.device_pictures.forget(did)
        except HubError as error:
            limited(
                log,
                logging.WARNING,
                f"pictures {did}",
                "cannot forget the pictures of device %s: %s",
                did,
                error,
            )

    async def _set(
        self, did: str, command: Command[Any, Any], param: Raw, name: SettingName
    ) -> DeviceAnswer:
        """Ask under the uri that this device knows, as far as known; 404 says that it is another.

        A caller who hangs up does not keep the hub from remembering what the device took.
        """
        known = self._store.device_settings.get(did, name)
        uris = sorted(command.uris, key=lambda uri: known is None or uri != known.uri)
        while True:
            uri = uris.pop(0)
            link, end_turn = await self._turn(did, command)
            camera = self._store.devices.by_did(did)
            with shielded():
                answer = await link.request(uri, param, seconds=command.seconds, on_free=end_turn)
                if answer.code == NoSuchPath.code and uris:
                    continue
                await self._keep(camera, self._setting(did, command, name, uri, param, answer))
                return answer

    async def _turn(self, did: str, command: Command[Any, Any]) -> tuple[Link, Callable[[], None]]:
        """Wait for a turn; it ends when the device is free again, or nothing was sent."""
        link = self._link(did)
        key = (did, command.has_photo)
        turns = self._turns.get(key)
        if turns is None:
            places = PHOTOS_AT_A_TIME if command.has_photo else LIGHT_ONES_AT_A_TIME
            turns = self._turns[key] = CommandQueue(places)
        end_turn = partial(self._end_turn, key)
        if not turns.take_nowait():
            # Whoever looks at pictures does not keep an operator waiting who changes people.
            await turns.wait(gives_way=command.name == FILE_READ.name)
            try:
                link = self._link(did)
            except HubError:
                end_turn()
                raise
        return link, end_turn

    def _end_turn(self, key: tuple[str, bool]) -> None:
        turns = self._turns[key]
        turns.end()
        if turns.is_idle:
            del self._turns[key]

    def _link(self, did: str) -> Link:
        link = self._registry.get(did)
        if link is None:
            device = self._devices.device(did)
            raise DeviceOffline(
                "the device is offline" if device.enabled else "the device is disabled"
            )
        return link

    def _known(self, did: str, command: Command[P, Any]) -> KnownSetting[P] | None:
        setting = self._store.device_settings.get(did, _SETTINGS[command.name])
        if setting is None:
            return None
        return KnownSetting(
            taken=_param_of(command, setting.taken),
            taken_at=setting.taken_at,
            is_taken=setting.code in command.ok_codes,
            code=setting.code,
            msg=setting.msg,
            answered_at=setting.answered_at,
        )

    def _setting(
        self,
        did: str,
        command: Command[Any, Any],
        name: SettingName,
        uri: str,
        param: Raw,
        answer: DeviceAnswer,
    ) -> DeviceSetting:
        at = int(self._now() * 1000)
        is_taken = answer.code in command.ok_codes
        return DeviceSetting(
            did=did,
            name=name,
            taken=bytes(param).decode() if is_taken else None,
            taken_at=at if is_taken else None,
            uri=None if answer.code == NoSuchPath.code else uri,
            code=answer.code,
            msg=answer.msg[:_LONGEST_MSG],
            answered_at=at,
        )

    async def _keep(self, camera: Device | None, setting: DeviceSetting) -> None:
        """As what this camera took; none is left where it was removed."""
        did, sn = setting.did, camera.sn if camera else ""
        try:
            await self._store.device_settings.note(setting, sn)
        except HubError as error:
            # Removed or replaced meanwhile, or nothing can be stored: it was taken all the same.
            limited(
                log,
                logging.WARNING,
                f"setting {did}",
                "cannot keep what device %s took: %s",
                did,
                error,
            )


def _param_of(command: Command[P, Any], taken: str | None) -> P | None:
    """None too where an earlier edition of the hub allowed what this one does not."""
    try:
        return None if taken is None else check_param(command, taken.encode())
    except BadParameter:
        return None
