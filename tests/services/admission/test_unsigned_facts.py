"""What a camera without a signature says of itself is read strictly, and compared whole (D12)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace

from hub.errors import DeviceBusy, DeviceLeft, DeviceNonsense, DeviceSilent, HubError
from hub.live.registry import DeviceAnswer
from hub.services.admission.unsigned.facts import (
    Facts,
    Unproven,
    ask_facts,
    find_suspicion,
    hash_code,
    is_alive,
    normalise_mac,
    pins_of,
)
from hub.store.tables.devices import Device
from hub.wire.commands.edition_3_commands import GET_INFO, GET_INTERFACES
from tests.support.clock import FrozenClock
from tests.support.gate import gate

KEY = b"k" * 32
MAC, ADDRESS = "00:1b:2c:3d:4e:5f", "10.0.0.8"
INFO = b'{"sn": "SN1", "devid": 3001, "auth_code": "AB12CD34", "firmware": "1.1.7_x"}'
INET = b'{"eth": {"mac": "00-1B-2C-3D-4E-5F"}}'
FACTS = Facts("SN1", "3001", MAC, "AB12CD34", "1.1.7_x", "")


class FactLink:
    """A connection whose device gives these answers. An error is raised instead."""

    def __init__(self, answers: dict[str, DeviceAnswer | HubError]) -> None:
        self._answers = answers

    async def request(self, uri: str, param: object, *, seconds: float) -> DeviceAnswer:
        answer = self._answers[uri]
        if isinstance(answer, HubError):
            raise answer
        return answer


def answering(info: bytes = INFO, inet: bytes = INET, code: int = 0) -> Any:
    return FactLink(
        {
            GET_INFO.uri: DeviceAnswer(code, "", Raw(info)),
            GET_INTERFACES.uri: DeviceAnswer(code, "", Raw(inet)),
        }
    )


@pytest.mark.parametrize("code", [0, 200])
async def test_the_facts_are_read_from_both_answers(code: int) -> None:
    assert await ask_facts(answering(code=code)) == FACTS


async def test_keys_with_blanks_are_read_too() -> None:
    info = INFO.replace(b'"auth_code"', b'"auth_code "')
    assert await ask_facts(answering(info)) == FACTS


@pytest.mark.parametrize(
    ("info", "inet"),
    [
        (b"[]", INET),
        (b"null", INET),
        (INFO[:-1] + b', "x": "' + b"y" * 16_384 + b'"}', INET),
        (INFO[:-1] + b', "x": ' + b"[" * 17 + b"]" * 17 + b"}", INET),
        (INFO.replace(b"SN1", b"S" * 65), INET),
        (INFO, b"{}"),
        (INFO, b'{"eth": {}}'),
        (INFO, b'{"eth": {"mac": "00:00:00:00:00:00"}}'),
        (INFO, b'{"eth": {"mac": "ff:ff:ff:ff:ff:ff"}}'),
        (INFO, b'{"eth": {"mac": "00:1b:2c:3d:4e"}}'),
    ],
)
async def test_what_cannot_be_used_proves_nothing(info: bytes, inet: bytes) -> None:
    with pytest.raises(Unproven):
        await ask_facts(answering(info, inet))


async def test_an_answer_that_is_a_refusal_proves_nothing() -> None:
    with pytest.raises(Unproven, match="401"):
        await ask_facts(answering(code=401))


async def test_a_firmware_that_cannot_be_shown_is_left_out() -> None:
    facts = await ask_facts(answering(INFO.replace(b"1.1.7_x", rb"1.1.7\n\u0007")))
    assert facts == replace(FACTS, firmware="")


@pytest.mark.parametrize(
    ("error", "alive"),
    [
        (DeviceBusy("busy"), True),
        (DeviceNonsense("what?"), True),
        (DeviceSilent("silent"), False),
        (DeviceLeft("left"), False),
    ],
)
async def test_who_is_busy_or_talks_is_alive(error: HubError, alive: bool) -> None:
    link: Any = FactLink({GET_INFO.uri: error})
    assert await is_alive(link) is alive


def test_a_mac_is_the_same_however_it_is_written() -> None:
    written = ["001B2C3D4E5F", "00:1b:2c:3d:4e:5f", "00-1B-2C-3D-4E-5F", "001b.2c3d.4e5f"]
    assert {normalise_mac(one) for one in written} == {MAC}


def test_the_hash_of_a_code_is_of_one_camera_and_one_site() -> None:
    hashed = hash_code(KEY, "SN1", "AB12CD34")
    assert hashed == hash_code(KEY, "SN1", " ab12cd34 ")
    others = {
        hash_code(KEY, "SN2", "AB12CD34"),
        hash_code(b"o" * 32, "SN1", "AB12CD34"),
        hash_code(KEY, "SN1", "AB12CD35"),
    }
    assert len(others | {hashed}) == 4


async def pinned(clock: FrozenClock) -> Device:
    device = await gate(clock).enrol()
    pins = pins_of(KEY, FACTS, ADDRESS)
    return replace(
        device,
        sn=FACTS.sn,
        connects="unsigned",
        pinned_address=pins.pinned_address,
        pinned_mac=pins.pinned_mac,
        pinned_devid=pins.pinned_devid,
        auth_code_hash=pins.auth_code_hash,
    )


@pytest.mark.parametrize("pin", ["pinned_address", "pinned_mac", "pinned_devid", "auth_code_hash"])
@pytest.mark.parametrize("kept", [None, ""])
async def test_a_pin_that_is_lost_fits_nothing(
    clock: FrozenClock, pin: str, kept: str | None
) -> None:
    device = await pinned(clock)
    assert find_suspicion(KEY, device, FACTS, ADDRESS) is None
    facts = {"pinned_mac": {"mac": ""}, "pinned_devid": {"devid": ""}}.get(pin, {})
    address = "" if pin == "pinned_address" else ADDRESS
    damaged = replace(device, **{pin: kept})
    assert find_suspicion(KEY, damaged, replace(FACTS, **facts), address) is not None
