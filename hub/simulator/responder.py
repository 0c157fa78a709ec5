"""A simulated camera's answers to what the hub asks of it, with its faults: pure, no connection."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from hub.errors import BadParameter, HubError, NoSuchPath
from hub.simulator.actions import Break, Enrolled, Fragments, HangUp, Restart, Say, Step, Wait
from hub.simulator.device_state import DeviceState
from hub.simulator.faults import FAULTLESS, Quirks
from hub.simulator.replies import Answers, Window
from hub.wire.commands.dialect import DIALECT, FILE_READ, REBOOT, SET_FACE, SET_RECORDING, Command
from hub.wire.commands.messages import FileRead, PersonSearch
from hub.wire.commands.params import check_param
from hub.wire.envelope import Request

#: The documents print these uris, blanks and all, and this code in the answers of 1.5 and 1.6.
_ANSWER_URIS = {
    SET_FACE.name: " /ivp/facecap_param_set",
    SET_RECORDING.name: " /storage/record_set",
}
_SETTINGS_SUCCESS = 200
_SUCCESS = 0

_OTHER_URI = "/device/other"
_HUGE = 20_000
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


class Outcome(Struct, frozen=True):
    """What an answer says; `result` is anything that msgspec encodes."""

    uri: str
    code: int
    msg: str = "OK"
    result: object = None


class Responder:
    """Answers for one camera. `state` changes by it."""

    def __init__(self, state: DeviceState, quirks: Quirks = FAULTLESS) -> None:
        self._state = state
        self._quirks = quirks
        self._answers = Answers(state)

    def draws(self, request: Request) -> bool:
        """Whether the answer is drawn, so that `answer` is better called in a thread."""
        try:
            return DIALECT.by_uri(request.uri).param in (FileRead, PersonSearch)
        except BadParameter:
            return False

    def answer(self, request: Request) -> tuple[Step, ...]:
        """What the camera does when it is asked."""
        try:
            command = DIALECT.by_uri(request.uri)
        except BadParameter:
            return self._initial_parameters(request)
        if self._quirks.drops == "command":
            return (HangUp(),)
        if self._quirks.silent:
            return ()
        outcome = self._outcome(command, request)
        told = self._told(request, outcome)
        return (*told, *_restart(request, outcome)) if command == REBOOT else told

    def _initial_parameters(self, request: Request) -> tuple[Step, ...]:
        """D3, whatever their uri; what is none of them is no command that a camera knows."""
        try:
            given = msgspec.json.decode(request.param, type=_Given)
        except msgspec.MsgspecError:
            return self._told(request, _refused(request.uri, NoSuchPath()))
        if not self._quirks.takes_parameters:
            return self._told(request, _refused(request.uri, BadParameter("not taken")))
        self._state.ota_id = given.otaId
        did = None if self._quirks.did == "never" else given.did
        return (*self._told(request, Outcome(request.uri, 200)), Enrolled(did))

    def _outcome(self, command: Command[Struct, Struct], request: Request) -> Outcome:
        quirks = self._quirks
        uri = _ANSWER_URIS.get(command.name, request.uri)
        if quirks.other_uri:
            uri = _OTHER_URI
        try:
            self._check(command, request)
            param = check_param(command, request.param)
            result = self._answers.result(param, self._window(command, param))
        except HubError as error:
            return _refused(uri, error)
        code = _SETTINGS_SUCCESS if command in (SET_FACE, SET_RECORDING) else _SUCCESS
        return Outcome(
            uri,
            code if quirks.success is None else quirks.success,
            result=self._shaped(result),
        )

    def _check(self, command: Command[Struct, Struct], request: Request) -> None:
        """Refuse what a fault refuses. Raises HubError."""
        quirks = self._quirks
        if quirks.old_face_uri and request.uri == SET_FACE.uris[0]:
            raise NoSuchPath()
        if quirks.pictures == "unavailable" and command == FILE_READ:
            raise NoSuchPath()
        if quirks.refuses:
            raise BadParameter("refused by a fault")

    def _window(self, command: Command[Struct, Struct], param: Struct) -> Window:
        documented = command.first_page or 0
        number = getattr(param, "page_num", None)
        first = self._quirks.first_page
        return Window(
            number=documented if number is None else number,
            size=getattr(param, "page_size", 1),
            first=documented if first is None else first,
            paging=self._quirks.pages,
        )

    def _shaped(self, result: object) -> object:
        """A result as this camera's faults make it."""
        quirks = self._quirks
        plain = msgspec.to_builtins(result)
        if quirks.pictures == "none" and isinstance(plain, dict) and "base64" in plain:
            plain["base64"] = "bm8gcGljdHVyZQ=="
        if quirks.results == "missing":
            return None
        if quirks.results == "wrong":
            return _of_wrong_types(plain)
        if quirks.results == "huge":
            return _with_huge_lists(plain)
        return _with_text_numbers(plain) if quirks.text_numbers else plain

    def _told(self, request: Request, outcome: Outcome) -> tuple[Step, ...]:
        """An answer, as this camera's faults bring it on its way."""
        quirks = self._quirks
        text = _encode(request.msgid, outcome)
        steps: list[Step] = [Wait(quirks.delay)] if quirks.delay else []
        steps += (Say(_stray(number)) for number in range(quirks.flood))
        if quirks.garbage:
            steps += map(Say, _GARBAGE)
        if quirks.half_frames:
            steps.append(Say(text[: len(text) // 2]))
        if quirks.drops == "answer":
            return (*steps, Break(text))
        whole = Fragments(text) if quirks.fragments else Say(text)
        return (*steps, *[whole] * quirks.copies)


class _Given(Struct):
    """The initial parameters, as far as a camera looks at them."""

    did: str
    otaId: str = ""


def _restart(request: Request, outcome: Outcome) -> tuple[Step, ...]:
    """1.9: after it has answered, a camera restarts."""
    if outcome.code not in REBOOT.ok_codes:
        return ()
    return (Restart(check_param(REBOOT, request.param).delay_ms / 1000),)


def _refused(uri: str, error: HubError) -> Outcome:
    return Outcome(uri, error.code, error.message)


def _encode(msgid: str, outcome: Outcome) -> str:
    data = {"uri": outcome.uri, "code": outcome.code, "msg": outcome.msg}
    if outcome.result is not None:
        data["result"] = outcome.result
    return msgspec.json.encode({"msgid": msgid, "data": data}).decode()


def _stray(number: int) -> str:
    return _encode(f"nobody-{number}", Outcome("/nobody", _SUCCESS))


def _of_wrong_types(value: object) -> object:
    """Each value as one of another type; objects keep their keys."""
    if isinstance(value, dict):
        return {key: _of_wrong_types(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return {"0": "a list was here"}
    return [value] if isinstance(value, str) else {"number": value}


def _with_huge_lists(value: object) -> object:
    if isinstance(value, dict):
        return {key: _with_huge_lists(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [value[number % len(value)] if value else {} for number in range(_HUGE)]
    return value


def _with_text_numbers(value: object) -> object:
    if isinstance(value, dict):
        return {key: _with_text_numbers(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_with_text_numbers(inner) for inner in value]
    return str(value) if isinstance(value, int) else value
