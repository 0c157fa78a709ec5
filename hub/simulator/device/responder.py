"""How a simulated camera responds to a request from the hub, with its faults. Does no I/O.

`CommandResults` computes the documented result. `Responder` turns it into an answer, applies the
quirks, and returns the actions that send the answer.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from hub.decoders import decode_json
from hub.errors import BadParameter, HubError, NoSuchPath
from hub.simulator.device.actions import (
    Action,
    AskForFirmware,
    Disconnect,
    Reconnect,
    ReconnectAs,
    Restart,
    Send,
    SendFragmented,
    SendTruncated,
    Wait,
)
from hub.simulator.device.edition_3_results import Edition3Results
from hub.simulator.device.editions import command_of, read_param, success_code
from hub.simulator.device.results import CommandResults, PageWindow
from hub.simulator.device.state import DeviceState
from hub.simulator.faults import FAULTLESS, Quirks
from hub.wire.commands.dialect import (
    FILE_READ,
    PERSON_ADD,
    PERSON_SEARCH,
    REBOOT,
    SET_FACE,
    SET_RECORDING,
    Command,
)
from hub.wire.commands.edition_3_commands import OTA_START, PHOTO_SEARCH, SET_ETHERNET, SET_SERVER
from hub.wire.commands.params import check_param
from hub.wire.envelope import Request

#: The answers of 1.5 and 1.6 are documented with these uris (including the space) and this code.
_ANSWER_URIS = {
    SET_FACE.name: " /ivp/facecap_param_set",
    SET_RECORDING.name: " /storage/record_set",
}
_SUCCESS = 0
_DRAWN = (FILE_READ, PERSON_SEARCH, PHOTO_SEARCH)

_OTHER_URI = "/device/other"
_HUGE_LIST_LENGTH = 20_000
_NOT_A_PICTURE = "bm8gcGljdHVyZQ=="
_GARBAGE: tuple[str | bytes, ...] = (
    "",
    "no JSON",
    "[]",
    '{"msgid": 1}',
    '{"msgid": "x", "data": {}}',
    '{"msgid": "x", "data": {"uri": "/x", "code": "what"}}',
    '{"msgid"："x", "data": {"uri"："/connect"}}',
    "[" * 500,
    b"\x00\xff\xfe",
)


class _Answer(Struct, frozen=True):
    """The `data` of an answer. `result` is anything that msgspec encodes; None omits it."""

    uri: str
    code: int
    msg: str = "OK"
    result: object = None


class Responder:
    """Responds for one camera. Commands change its `state`."""

    def __init__(self, state: DeviceState, quirks: Quirks = FAULTLESS) -> None:
        self._state = state
        self._quirks = quirks
        self._results = CommandResults(state)
        self._edition_3_results = Edition3Results(state, self._results)

    def is_drawn(self, request: Request) -> bool:
        """Whether `respond` draws pictures for this request; if so, call it in a thread."""
        return command_of(self._quirks.edition, request.uri) in _DRAWN

    def respond(self, request: Request) -> tuple[Action, ...]:
        """Carry out a request, and return what the camera does in response, in order."""
        command = command_of(self._quirks.edition, request.uri)
        if command is None:
            return self._take_initial_parameters(request)
        if self._quirks.drops == "command":
            return (Disconnect(),)
        if self._quirks.silent:
            return ()
        answer = self._carry_out(command, request)
        if command == PERSON_ADD and self._loses_answer(request):
            return ()
        actions = self._send(request, answer)
        if command == OTA_START and answer.code in OTA_START.ok_codes:
            return (*actions, AskForFirmware())
        if command in (SET_ETHERNET, SET_SERVER) and answer.code in command.ok_codes:
            return (*actions, Reconnect())
        return (*actions, *_restart(request, answer)) if command == REBOOT else actions

    def _loses_answer(self, request: Request) -> bool:
        pid = decode_json(request.param, _OfPerson).pid
        return self._state.people.loses_answer(pid)

    def _take_initial_parameters(self, request: Request) -> tuple[Action, ...]:
        """Accept initial parameters (D3) under any uri; answer 404 to any other param.

        Later editions have none.
        """
        try:
            if self._quirks.edition > 1:
                raise msgspec.ValidationError
            initial = decode_json(request.param, _InitialParameters)
        except msgspec.MsgspecError:
            return self._send(request, _error_answer(request.uri, NoSuchPath()))
        if not self._quirks.takes_parameters:
            refusal = BadParameter("initial parameters are refused by a fault")
            return self._send(request, _error_answer(request.uri, refusal))
        self._state.ota_id = initial.otaId
        did = None if self._quirks.did == "never" else initial.did
        return (*self._send(request, _Answer(request.uri, 200)), ReconnectAs(did))

    def _carry_out(self, command: Command[Struct, Struct], request: Request) -> _Answer:
        quirks = self._quirks
        uri = _ANSWER_URIS.get(command.name, request.uri)
        if quirks.other_uri:
            uri = _OTHER_URI
        try:
            self._apply_refusals(command, request)
            param = read_param(quirks.edition, command, request)
            if command.group is not None:
                result: object = self._edition_3_results.result(command, param)
            else:
                result = self._results.result(param, self._window(command, param))
        except HubError as error:
            return _error_answer(uri, error)
        code = success_code(quirks.edition, command)
        return _Answer(
            uri,
            code if quirks.success is None else quirks.success,
            result=self._distorted(result),
        )

    def _apply_refusals(self, command: Command[Struct, Struct], request: Request) -> None:
        """Raise HubError if a quirk refuses this command."""
        quirks = self._quirks
        if quirks.old_face_uri and request.uri == SET_FACE.uris[0]:
            raise NoSuchPath()
        if quirks.pictures == "unavailable" and command == FILE_READ:
            raise NoSuchPath()
        if quirks.refuses:
            raise BadParameter("refused by a fault")

    def _window(self, command: Command[Struct, Struct], param: Struct) -> PageWindow:
        documented = command.first_page or 0
        number = getattr(param, "page_num", None)
        first = self._quirks.first_page
        return PageWindow(
            number=documented if number is None else number,
            size=getattr(param, "page_size", 1),
            first=documented if first is None else first,
            paging=self._quirks.pages,
        )

    def _distorted(self, result: object) -> object:
        """Apply the quirks to a result."""
        quirks = self._quirks
        plain = msgspec.to_builtins(result)
        if quirks.pictures == "none" and isinstance(plain, dict) and "base64" in plain:
            plain["base64"] = _NOT_A_PICTURE
        if quirks.results == "missing":
            return None
        if quirks.results == "wrong":
            return _with_wrong_types(plain)
        if quirks.results == "huge":
            return _with_huge_lists(plain)
        return _with_text_numbers(plain) if quirks.text_numbers else plain

    def _send(self, request: Request, answer: _Answer) -> tuple[Action, ...]:
        """Return the actions that send an answer, with the quirks applied."""
        quirks = self._quirks
        text = _encode(request.msgid, answer)
        if quirks.edition == 3:
            # As the examples of its document have it (D12).
            text = text.replace('{"msgid":', '{"msgid ":', 1)
        actions: list[Action] = [Wait(quirks.delay)] if quirks.delay else []
        actions += (Send(_unrequested_answer(number)) for number in range(quirks.flood))
        if quirks.garbage:
            actions += map(Send, _GARBAGE)
        if quirks.half_frames:
            actions.append(Send(text[: len(text) // 2]))
        if quirks.drops == "answer":
            return (*actions, SendTruncated(text))
        whole = SendFragmented(text) if quirks.fragments else Send(text)
        return (*actions, *[whole] * quirks.copies)


class _OfPerson(Struct):
    """A param that names a person."""

    pid: str = ""


class _InitialParameters(Struct):
    """The initial parameters (D3) that a simulated camera uses."""

    did: str
    otaId: str = ""


def _restart(request: Request, answer: _Answer) -> tuple[Action, ...]:
    """Return the restart that follows a successful answer to 1.9."""
    if answer.code not in REBOOT.ok_codes:
        return ()
    return (Restart(check_param(REBOOT, request.param).delay_ms / 1000),)


def _error_answer(uri: str, error: HubError) -> _Answer:
    return _Answer(uri, error.code, error.message)


def _encode(msgid: str, answer: _Answer) -> str:
    data = {"uri": answer.uri, "code": answer.code, "msg": answer.msg}
    if answer.result is not None:
        data["result"] = answer.result
    return msgspec.json.encode({"msgid": msgid, "data": data}).decode()


def _unrequested_answer(number: int) -> str:
    return _encode(f"nobody-{number}", _Answer("/nobody", _SUCCESS))


def _with_wrong_types(value: object) -> object:
    """Replace each value with one of another type; objects keep their keys."""
    if isinstance(value, dict):
        return {key: _with_wrong_types(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return {"0": "a list was here"}
    return [value] if isinstance(value, str) else {"number": value}


def _with_huge_lists(value: object) -> object:
    if isinstance(value, dict):
        return {key: _with_huge_lists(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        length = len(value)
        return [value[at % length] if value else {} for at in range(_HUGE_LIST_LENGTH)]
    return value


def _with_text_numbers(value: object) -> object:
    if isinstance(value, dict):
        return {key: _with_text_numbers(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_with_text_numbers(inner) for inner in value]
    return str(value) if isinstance(value, int) else value
