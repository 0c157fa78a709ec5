"""Which commands a simulated camera of each edition knows, and how it reads their params (D12)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from hub.decoders import json_decoder
from hub.errors import BadParameter
from hub.wire.commands.capabilities import Edition
from hub.wire.commands.dialect import (
    DIALECT,
    PERSON_HISTORY,
    RECORD_BY_MONTH,
    RECORD_LIST,
    SET_FACE,
    SET_RECORDING,
    Command,
)
from hub.wire.commands.edition_3_commands import EDITION_3, OTA_START
from hub.wire.commands.params import check_fields, check_param
from hub.wire.commands.settings import face_edition, from_edition_2, from_edition_3
from hub.wire.envelope import Request, normalise_uri

_FIELDS = json_decoder(dict[str, Any])
#: Commands of edition 1 that later editions do not have.
_DROPPED: dict[Edition, tuple[Command[Any, Any], ...]] = {
    1: (),
    2: (SET_RECORDING, RECORD_BY_MONTH, RECORD_LIST, PERSON_HISTORY),
    3: (RECORD_BY_MONTH, PERSON_HISTORY),
}


def command_of(edition: Edition, sent_uri: str) -> Command[Any, Any] | None:
    """The command of a uri; None if cameras of this edition answer 404."""
    uri = normalise_uri(sent_uri)
    if (of_face := face_edition(uri)) is not None:
        # A camera of edition 1 knows the uri of edition 2, too (D4).
        return SET_FACE if of_face == edition or (edition, of_face) == (1, 2) else None
    for table in (DIALECT, EDITION_3):
        try:
            command = table.by_uri(uri)
        except BadParameter:
            continue
        has_group = edition == 3 or (edition == 2 and command.group == "people")
        is_known = command.group is None or has_group
        return command if is_known and command not in _DROPPED[edition] else None
    return None


def read_param(edition: Edition, command: Command[Any, Any], request: Request) -> Struct:
    """The param of a request as the setting or struct that it stands for. Raises BadParameter."""
    if command == SET_FACE and edition > 1:
        return _read_face(edition, request)
    if command == SET_RECORDING and edition == 3:
        return _read_recording(request)
    param: Struct = check_param(command, request.param)
    return param


def _read_face(edition: Edition, request: Request) -> Struct:
    fields = _FIELDS.decode(request.param)
    if edition == 2:
        return check_fields(SET_FACE, from_edition_2(fields))
    try:
        return from_edition_3(fields)
    except (KeyError, TypeError) as error:
        raise BadParameter("a setting of edition 3 is expected", field=f"param.{error}") from None


def _read_recording(request: Request) -> Struct:
    try:
        (stream,) = _FIELDS.decode(request.param)["record_params"]
        flags = ("normal_record", "alarm_record", "disconnect_record")
        told = {name: stream[name] for name in flags}
    except (KeyError, TypeError, ValueError):
        raise BadParameter("one stream is expected", field="param.record_params") from None
    rest = {"audio_enable": False, "file_len": 5, "strategy": 0}
    pre_record = {"enable": False, "duration": 0}
    return check_fields(SET_RECORDING, {**told, **rest, "pre_record": pre_record})


def success_code(edition: Edition, command: Command[Any, Any]) -> int:
    """The code of success that the documents of the edition have."""
    if edition == 3:
        return 200 if command in (SET_FACE, OTA_START) else 0
    return 200 if command in (SET_FACE, SET_RECORDING) else 0
