"""The table of commands (D4), and another table for other firmware (D9)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import pytest
from msgspec import Meta, Raw, Struct, field

from hub.errors import BadParameter
from hub.wire.commands.answers import Count
from hub.wire.commands.dialect import (
    DIALECT,
    FILE_READ,
    PERSON_ADD,
    PERSON_SEARCH,
    Command,
    Dialect,
)
from hub.wire.commands.param_structs import PersonList, RecordByMonth
from hub.wire.commands.params import check_param, encode_param
from hub.wire.commands.results import decode_answer

SECTIONS = {
    "1.5": "/ivp/person_param_set",
    "1.6": "/storage/record_set",
    "1.7": "/storage/record_by_month",
    "1.8": "/storage/get_record_list",
    "1.9": "/system/maintain/reboot",
    "1.10": "/ivp/face/get_cap_history",
    "1.11": "/person/get_cap_history",
    "1.12": "/person/add",
    "1.13": "/person/list",
    "1.14": "/person/query",
    "1.15": "/person/delete",
    "1.16": "/person/search",
    "D3": "/storage/get_file_by_path",
}


def test_every_section_has_its_command() -> None:
    assert {command.section: command.uri for command in DIALECT.commands} == SECTIONS


@pytest.mark.parametrize("command", DIALECT.commands, ids=lambda command: command.section)
@pytest.mark.parametrize("form", ["{}", " {}", "{} ", "\t{}\n", "/{}"])
def test_d1_a_uri_with_or_without_slash_and_blanks(command: Command[Any, Any], form: str) -> None:
    for uri in command.uris:
        assert DIALECT.by_uri(form.format(uri)) is command
        assert DIALECT.by_uri(form.format(uri.removeprefix("/"))) is command


def test_1_5_has_two_uris() -> None:
    first = DIALECT.by_uri("/ivp/person_param_set")
    assert first is DIALECT.by_uri("ivp/facecap_param_set")
    assert first.uris == ("/ivp/person_param_set", "/ivp/facecap_param_set")


@pytest.mark.parametrize("uri", ["", "/", "/connect", "/person", "/PERSON/ADD", "/person/add/"])
def test_an_unknown_uri_is_refused_and_lists_the_known_ones(uri: str) -> None:
    with pytest.raises(BadParameter, match=r"uri: no such command; .*/person/add") as refusal:
        DIALECT.by_uri(uri)
    assert refusal.value.field == "uri"


def test_d4_pages_begin_at_the_documented_number() -> None:
    pages = {command.section: command.first_page for command in DIALECT.commands}
    assert {section for section, first in pages.items() if first == 0} == {"1.8", "1.11"}
    assert {section for section, first in pages.items() if first == 1} == {"1.10", "1.13"}


def test_d4_a_photo_takes_30_seconds_and_anything_else_10() -> None:
    slow = {command for command in DIALECT.commands if command.seconds == 30}
    assert slow == {PERSON_ADD, PERSON_SEARCH, FILE_READ}
    assert all(command.seconds == 10 for command in DIALECT.commands if command not in slow)


def test_d1_both_0_and_200_are_success() -> None:
    assert all(command.ok_codes == {0, 200} for command in DIALECT.commands)


class OtherMonth(RecordByMonth, frozen=True, kw_only=True):
    """January is 1."""

    FIRST_MONTH: ClassVar[int] = 1

    month: Annotated[int, Meta(ge=1, le=12)]


class OtherSwitch(Struct, frozen=True, kw_only=True):
    lit: bool


class OtherPerson(Struct, frozen=True, kw_only=True):
    pid: str = field(name="Id")
    name: str | None = field(name="Name", default=None)


class OtherPeople(Struct, frozen=True, kw_only=True):
    total: Count | None = field(name="Total", default=None)
    people: Annotated[tuple[OtherPerson, ...], Meta(max_length=2)] = field(name="People")
    unreadable: int = 0


OTHER_MONTH = Command(
    name="record_by_month",
    section="7",
    uris=("/video/days",),
    param=OtherMonth,
    answer=OtherPeople,
    example=OtherMonth(year=2021, month=1),
    ok_codes=frozenset({1}),
)
OTHER_SWITCH = Command(
    name="set_lamp",
    section="8",
    uris=("/lamp",),
    param=OtherSwitch,
    answer=OtherPerson,
    example=OtherSwitch(lit=True),
    booleans=int,
)
OTHER_LIST = Command(
    name="person_list",
    section="9",
    uris=("/people", "/old/people"),
    param=PersonList,
    answer=OtherPeople,
    example=PersonList(),
    first_page=7,
)
OTHER = Dialect((OTHER_MONTH, OTHER_SWITCH, OTHER_LIST))


def test_d9_another_firmware_is_another_table() -> None:
    assert OTHER.by_uri("old/people") is OTHER_LIST
    december = OtherMonth.of(2021, 12)
    assert bytes(encode_param(OTHER_MONTH, december)) == b'{"year":2021,"month":12}'
    assert bytes(encode_param(OTHER_SWITCH, OtherSwitch(lit=False))) == b'{"lit":0}'
    assert b'"page_num":7' in bytes(encode_param(OTHER_LIST, PersonList()))
    with pytest.raises(BadParameter, match=r"param\.month: an integer from 1 to 12"):
        check_param(OTHER_MONTH, b'{"year":2021,"month":0}')
    people = decode_answer(OTHER_LIST, Raw(b'{"Total":2,"People":[{"Id":1,"Name":"a"},{"pid":2}]}'))
    assert people == OtherPeople(total=2, people=(OtherPerson(pid="1", name="a"),), unreadable=1)
