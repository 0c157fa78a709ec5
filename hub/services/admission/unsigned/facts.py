"""What a camera without a signature says of itself, and whether it is what was approved (D12).

Only commands that read are sent. What they answer is bearer knowledge: whoever has read it once can
say it as well.
"""

from __future__ import annotations

import hmac
import re
from typing import Any

from msgspec import Struct

from hub.errors import BadParameter, DeviceNonsense, NotSent, Unanswered
from hub.live.registry import DeviceAnswer, Link
from hub.store.tables.devices import Device, Suspicion, UnsignedPins
from hub.wire import json_limits
from hub.wire.commands.dialect import Command
from hub.wire.commands.edition_3_commands import GET_INFO, GET_INTERFACES
from hub.wire.extra_fields import FieldReader

#: How long a camera may take to answer each of them.
FACT_SECONDS = 10.0
#: How long the earlier connection of a camera may take to show that it is alive.
ALIVE_SECONDS = 5.0

_MAX_LENGTH = 64
_MAX_FIRMWARE_LENGTH = 100
_MAX_BYTES = 16 * 1024
_MAX_DEPTH = 16
_NOT_HEXADECIMAL = re.compile("[^0-9a-f]")
_MAC_DIGITS = 12


class Unproven(Exception):
    """The camera did not say who it is: it is silent, or answers nothing that can be used."""


class Facts(Struct, frozen=True):
    """What a camera says of itself. `mac`: lower case with colons."""

    sn: str
    devid: str
    mac: str
    auth_code: str
    firmware: str = ""
    model: str = ""

    def __repr__(self) -> str:
        return f"Facts({self.sn!r})"


async def ask_facts(link: Link) -> Facts:
    """Ask the camera on this connection who it is. Raises Unproven.

    Never call it in the task that reads the connection.
    """
    info, inet = await _asked(link, GET_INFO), await _asked(link, GET_INTERFACES)
    try:
        return _read_facts(info, inet)
    except BadParameter as error:
        raise Unproven(f"its answer cannot be used: {error.message}") from None


def _read_facts(info: DeviceAnswer, inet: DeviceAnswer) -> Facts:
    """Raises Unproven, BadParameter."""
    told, wired = _fields(info), _fields(inet).nested("eth")
    mac = normalise_mac(_text(wired, "mac")) if wired else ""
    if not mac:
        raise Unproven("it does not say its MAC")
    firmware = _text(told, "firmware", _MAX_FIRMWARE_LENGTH)
    return Facts(
        sn=_text(told, "sn"),
        devid=_text(told, "devid"),
        mac=mac,
        auth_code=_text(told, "auth_code"),
        firmware=firmware if firmware.isprintable() else "",
        model=_text(told, "model"),
    )


async def is_alive(link: Link) -> bool:
    """Whether the device on this connection still answers."""
    try:
        await link.request(GET_INFO.uri, {}, seconds=ALIVE_SECONDS)
    except Unanswered:
        return False
    except (NotSent, DeviceNonsense):
        # It is busy, or talks: it is there.
        return True
    return True


def normalise_mac(text: str) -> str:
    """A MAC in lower case with colons; "" if it is none, or nobody's."""
    digits = _NOT_HEXADECIMAL.sub("", text.lower())
    if len(digits) != _MAC_DIGITS or not digits.strip("0") or not digits.strip("f"):
        return ""
    return ":".join(digits[at : at + 2] for at in range(0, _MAC_DIGITS, 2))


def hash_code(key: bytes, sn: str, code: str) -> str:
    """The hash of a code that is kept, in hexadecimal. Case does not matter: people type it."""
    return hmac.digest(key, f"{sn}\n{code.strip().upper()}".encode(), "sha256").hex()


def pins_of(key: bytes, facts: Facts, address: str) -> UnsignedPins:
    """What a camera is held to that was approved with these facts, at this address."""
    return UnsignedPins(address, facts.mac, facts.devid, hash_code(key, facts.sn, facts.auth_code))


def find_suspicion(key: bytes, device: Device, facts: Facts, address: str) -> Suspicion | None:
    """What does not fit the approval of the device; None if everything does.

    All is compared, in constant time, whatever differs first.
    """
    hashed = hash_code(key, device.sn, facts.auth_code)
    is_camera = [
        _is_same(facts.sn, device.sn),
        _is_same(facts.devid, device.pinned_devid),
        _is_same(hashed, device.auth_code_hash),
    ]
    is_mac, is_address = (
        _is_same(facts.mac, device.pinned_mac),
        _is_same(address, device.pinned_address),
    )
    if not all(is_camera):
        return "facts"
    if not is_mac:
        return "mac"
    return None if is_address else "address"


def _is_same(told: str, kept: str | None) -> bool:
    return bool(kept) and hmac.compare_digest(told.encode(), (kept or "").encode())


async def _asked(link: Link, command: Command[Any, Any]) -> DeviceAnswer:
    uri = command.uri
    try:
        answer = await link.request(uri, {}, seconds=FACT_SECONDS)
    except (NotSent, Unanswered, DeviceNonsense) as error:
        raise Unproven(f"it does not answer {uri}: {error.message}") from None
    if answer.code not in command.ok_codes or answer.result is None:
        raise Unproven(f"it answers {uri} with {answer.code}")
    return answer


def _fields(answer: DeviceAnswer) -> FieldReader:
    """The fields of an answer, also if their keys are misprinted (D1). Raises BadParameter."""
    result = bytes(answer.result or b"")
    if len(result) > _MAX_BYTES:
        raise BadParameter("it is too long")
    json_limits.check_limits(result, _MAX_DEPTH)
    return FieldReader.decode(result)


def _text(fields: FieldReader, key: str, max_length: int = _MAX_LENGTH) -> str:
    """Raises BadParameter."""
    text = (fields.text(key) or "").strip()
    if len(text) > max_length:
        raise BadParameter(f"at most {max_length} characters are allowed", field=key)
    return text
