"""How each command is sent: the table of uris, params, answers and codes (D4).

The settings of 1.5 and 1.6 have other words in other editions: `hub.wire.commands.settings`. The
commands that only edition 3 has are in `hub.wire.commands.edition_3_commands` (D12).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from msgspec import Struct

from hub.errors import BadParameter
from hub.wire.commands.answers import (
    Done,
    FaceHistoryPage,
    FileContent,
    Person,
    PersonHistoryPage,
    PersonPage,
    RecordDays,
    RecordListPage,
    SearchResult,
)
from hub.wire.commands.capabilities import CommandGroup
from hub.wire.commands.param_structs import (
    AlarmOut,
    FaceHistory,
    FaceParam,
    FileRead,
    PersonAdd,
    PersonDelete,
    PersonHistory,
    PersonList,
    PersonQuery,
    PersonSearch,
    PreRecord,
    Reboot,
    RecordByMonth,
    RecordList,
    RecordParam,
)
from hub.wire.envelope import normalise_uri

P = TypeVar("P", bound=Struct)
A = TypeVar("A", bound=Struct)

#: How long a device may take to answer (D4).
LIGHT_SECONDS = 10
PHOTO_SECONDS = 30


class Command(Struct, Generic[P, A], frozen=True, kw_only=True):
    """One row of the dialect.

    `section`: of the protocol. `uris`: the first is sent; a device that answers 404 may know the
    next. `param`, `answer`: their structs. `example`: a valid param. `first_page`: the documented
    number of the first page, if the command has pages. `has_photo`: a photo is sent or returned,
    which takes long; a device handles one such command at a time. `booleans`: how they are sent,
    as true/false (`bool`) or 1/0 (`int`). `ok_codes`: codes that mean success. `group`: of which
    commands it is one, if only later editions have it (D12).
    """

    name: str
    section: str
    uris: tuple[str, ...]
    param: type[P]
    answer: type[A]
    example: P
    first_page: int | None = None
    has_photo: bool = False
    booleans: type[bool] | type[int] = bool
    ok_codes: frozenset[int] = frozenset({0, 200})
    group: CommandGroup | None = None

    @property
    def uri(self) -> str:
        """The uri that is sent first."""
        return self.uris[0]

    @property
    def seconds(self) -> int:
        """How long the device may take to answer."""
        return PHOTO_SECONDS if self.has_photo else LIGHT_SECONDS


class Dialect:
    """The commands that one kind of firmware knows, in the order of their sections."""

    def __init__(self, commands: Iterable[Command[Any, Any]]) -> None:
        self.commands = tuple(commands)
        self._by_uri = {uri: command for command in self.commands for uri in command.uris}

    def by_uri(self, uri: str) -> Command[Any, Any]:
        """Find a command by any of its uris, in any form of D1. Raises BadParameter."""
        command = self._by_uri.get(normalise_uri(uri))
        if command is None:
            known = ", ".join(command.uri for command in self.commands)
            raise BadParameter(f"no such command; known are {known}", field="uri")
        return command


_START = "2021-10-03 10:30:00"
_END = "2021-10-03 16:00:00"
#: A minimal JPEG.
_PHOTO = "/9j/4AAQSkZJRgABAQAAAQABAAD/2Q=="

SET_FACE = Command(
    name="set_face",
    section="1.5",
    uris=("/ivp/person_param_set", "/ivp/facecap_param_set"),
    param=FaceParam,
    answer=Done,
    example=FaceParam(
        enable=True,
        show_face=True,
        show_human=True,
        push_stranger=True,
        push_face=True,
        push_bg=True,
        play_audio=False,
        play_audio_stranger=True,
        play_audio_white=True,
        play_audio_black=True,
        play_audio_vip=True,
        play_audio_friend=True,
        threshold=50,
        reg_threshold=85,
        mini_face=50,
        mini_human=60,
        quality_face=50,
        quality_human=50,
        server_enable=True,
        alarm_out=AlarmOut(interval=10, alarm_push=True),
    ),
)
SET_RECORDING = Command(
    name="set_recording",
    section="1.6",
    uris=("/storage/record_set",),
    param=RecordParam,
    answer=Done,
    booleans=int,
    example=RecordParam(
        normal_record=True,
        disconnect_record=True,
        alarm_record=True,
        audio_enable=True,
        file_len=5,
        strategy=0,
        face_server_enable=True,
        pre_record=PreRecord(enable=True, duration=10),
    ),
)
RECORD_BY_MONTH = Command(
    name="record_by_month",
    section="1.7",
    uris=("/storage/record_by_month",),
    param=RecordByMonth,
    answer=RecordDays,
    example=RecordByMonth(year=2021, month=10),
)
RECORD_LIST = Command(
    name="record_list",
    section="1.8",
    uris=("/storage/get_record_list",),
    param=RecordList,
    answer=RecordListPage,
    first_page=0,
    example=RecordList(start_time=_START, end_time=_END, page_num=0, page_size=100),
)
REBOOT = Command(
    name="reboot",
    section="1.9",
    uris=("/system/maintain/reboot",),
    param=Reboot,
    answer=Done,
    example=Reboot(delay_ms=1000),
)
FACE_HISTORY = Command(
    name="face_history",
    section="1.10",
    uris=("/ivp/face/get_cap_history",),
    param=FaceHistory,
    answer=FaceHistoryPage,
    first_page=1,
    example=FaceHistory(start_time=_START, end_time=_END, page_num=1, page_size=32, name="张三"),
)
PERSON_HISTORY = Command(
    name="person_history",
    section="1.11",
    uris=("/person/get_cap_history",),
    param=PersonHistory,
    answer=PersonHistoryPage,
    first_page=0,
    example=PersonHistory(start_time=_START, end_time=_END, page_num=0, page_size=32),
)
PERSON_ADD = Command(
    name="person_add",
    section="1.12",
    uris=("/person/add",),
    param=PersonAdd,
    answer=Done,
    has_photo=True,
    example=PersonAdd(
        pid="123456", name="张三", work_id="10091", gender=1, age=25, photo=_PHOTO, category=1
    ),
)
PERSON_LIST = Command(
    name="person_list",
    section="1.13",
    uris=("/person/list",),
    param=PersonList,
    answer=PersonPage,
    first_page=1,
    example=PersonList(page_num=1, page_size=32, category=1),
)
PERSON_QUERY = Command(
    name="person_query",
    section="1.14",
    uris=("/person/query",),
    param=PersonQuery,
    answer=Person,
    example=PersonQuery(pid="123456"),
)
PERSON_DELETE = Command(
    name="person_delete",
    section="1.15",
    uris=("/person/delete",),
    param=PersonDelete,
    answer=Done,
    example=PersonDelete(pid="123456"),
)
PERSON_SEARCH = Command(
    name="person_search",
    section="1.16",
    uris=("/person/search",),
    param=PersonSearch,
    answer=SearchResult,
    has_photo=True,
    example=PersonSearch(photo=_PHOTO, threshold=80, start_time=_START, end_time=_END),
)
FILE_READ = Command(
    name="file_read",
    section="D3",
    uris=("/storage/get_file_by_path",),
    param=FileRead,
    answer=FileContent,
    has_photo=True,
    example=FileRead(path="sdcard/20210924/14/2741_179.jpg"),
)

#: The dialect that docs/protocol.md describes.
DIALECT = Dialect(
    (
        SET_FACE,
        SET_RECORDING,
        RECORD_BY_MONTH,
        RECORD_LIST,
        REBOOT,
        FACE_HISTORY,
        PERSON_HISTORY,
        PERSON_ADD,
        PERSON_LIST,
        PERSON_QUERY,
        PERSON_DELETE,
        PERSON_SEARCH,
        FILE_READ,
    )
)
