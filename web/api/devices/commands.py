"""POST /devices/{did}/commands: one command of 1.5 to 1.16, and the device's own answer.

Answered in front of Quart: integrators send thousands of commands a second. Photos of several MB
count in the budget of uploads.
"""

from __future__ import annotations

import re
from contextlib import AsyncExitStack, suppress
from functools import reduce
from operator import or_
from typing import Annotated, Any

import msgspec
from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
    Scope,
)
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from hub.decoders import json_decoder
from hub.errors import (
    CannotStoreNow,
    DeviceNonsense,
    DeviceSilent,
    HubError,
    NotAllowed,
    NotSent,
    TooManyRequests,
    Unanswered,
)
from hub.services import Services
from hub.services.access.rights import Right
from hub.services.commands.calls import DeviceAnswer
from hub.services.commands.sender import CHANGING
from hub.services.people.masking import names_numbers, without_numbers
from hub.store.tables.users import User
from hub.threads import WorkerThreads
from hub.wire import json_limits
from hub.wire.commands.dialect import (
    DIALECT,
    FACE_HISTORY,
    FILE_READ,
    PERSON_HISTORY,
    PERSON_SEARCH,
    Command,
)
from hub.wire.commands.results import decode_answer
from web import auth
from web.api.answers import KnownAs, known_as_fields
from web.api.endpoint import PREFIX, Endpoint
from web.api.routes import Routes, check_no_query
from web.error_responses import refuse, send_json
from web.http.bodies import MAX_SHORT_BODY_BYTES, Bodies, Body, PeerLeft, TooSlow
from web.http.hosts import address_of

#: The roles that a signed-in user needs to query a device, and to change it.
_QUERY_ROLE: Right = "guard"
_CHANGE_ROLE: Right = "admin"

#: What each command does, by its name.
_TITLES = {
    "set_face": "Set the face parameters",
    "set_recording": "Set the recording parameters",
    "record_by_month": "List the days of a month with recordings",
    "record_list": "List recordings",
    "reboot": "Restart",
    "face_history": "List captured faces",
    "person_history": "List captured bodies",
    "person_add": "Add a person",
    "person_list": "List people",
    "person_query": "Find people",
    "person_delete": "Delete a person",
    "person_search": "Search by photo",
    "file_read": "Read a file",
}

_PATH_PREFIX, _PATH_SUFFIX = f"{PREFIX}/devices/", "/commands"


class CommandAnswer(Struct, frozen=True):
    """The answer of the device, which may be a refusal. The codes 0 and 200 mean success."""

    code: int
    msg: str
    result: Annotated[Raw | None, Meta(description="as the device sent it")]
    known_as: Annotated[
        dict[str, KnownAs] | UnsetType,
        Meta(
            description=(
                "of 1.10, 1.11 and 1.16: what the register says of the people whom the rows name, "
                "by their `uuid` or `pid` as the device sent it; left out if it has none of them"
            )
        ),
    ] = UNSET


class _CommandBody(Struct, forbid_unknown_fields=True):
    uri: str
    param: Raw


def title_of(command: Command[Any, Any]) -> str:
    """What `command` does, with its section of the protocol if that has one for it."""
    title = _TITLES[command.name]
    return f"{title}." if command is FILE_READ else f"{title} ({command.section})."


def _body_of(command: Command[Any, Any]) -> type[Struct]:
    """The type of the body that sends `command`."""
    return msgspec.defstruct(
        f"{command.param.__name__}Command",
        [("param", command.param)],
        tag_field="uri",
        tag=command.uri,
        namespace={"__doc__": title_of(command)},
    )


_BODIES = {command.name: _body_of(command) for command in DIALECT.commands}

COMMAND = Endpoint(
    method="POST",
    path=f"{PREFIX}/devices/{{did}}/commands",
    tag="Devices",
    summary="Send a command to a device",
    description=(
        "`uri` and `param` are those of the protocol; `param` is validated before anything is "
        "sent. The answer is the device's own: its refusal is HTTP 200 with the device's code. A "
        "device has 10 s to answer, 30 s with a photo. It gets one command with a photo and up to "
        "four others at a time; further ones are queued. A photo may have several MB. A signed-in "
        "user needs the role guard, and admin for commands that change a device. Guards see the "
        "last four digits of personal numbers, cannot search by them, and read no files but "
        "pictures; who sees them in full is in the audit log."
    ),
    body=reduce(or_, _BODIES.values()),
    body_examples={
        command.name: _BODIES[command.name](param=command.example) for command in DIALECT.commands
    },
    answer_example=CommandAnswer(
        0, "OK", Raw(b'{"face_total":1,"face_list":[{"time":"2021-10-03 10:31:07","name":"Li"}]}')
    ),
    refusals=(NotSent, DeviceNonsense, DeviceSilent, TooSlow),
    role=_QUERY_ROLE,
)

#: Results that are larger are looked through, or decoded, in a thread.
_INLINE_BYTES = 64 * 1024
#: A part of each name of a personal number, as far as it is not escaped.
_MAY_BE_NUMBERS = re.compile(rb"card|i[dc][^a-z]{0,4}n|phone|mobile|tel|passport", re.IGNORECASE)
#: Commands whose rows say whom the device takes a person for.
_RECOGNISING = (FACE_HISTORY, PERSON_HISTORY, PERSON_SEARCH)

_BODY = json_decoder(_CommandBody)
_PARAM = json_decoder(object)
_ENCODER = msgspec.json.Encoder()


def add(routes: Routes, services: Services) -> None:
    """Describe the commands, which `commands_api` answers."""
    routes.describe(COMMAND)


def commands_api(services: Services, bodies: Bodies, others: ASGIFramework) -> ASGIFramework:
    """Answer commands to devices; pass every other request to `others`."""
    return _CommandsApi(services, bodies, others)


class _CommandsApi:
    def __init__(self, services: Services, bodies: Bodies, others: ASGIFramework) -> None:
        self._services = services
        self._bodies = bodies
        self._others = others
        self._max_depth = services.config.devices.max_depth
        self._threads = WorkerThreads(inline_bytes=_INLINE_BYTES)

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        did = _device_of(scope) if scope["type"] == "http" else None
        if scope["type"] != "http" or did is None:
            await self._others(scope, receive, send)
            return
        try:
            answer = await self._answer(did, scope, receive)
        except HubError as error:
            await refuse(send, error)
        except PeerLeft:
            pass
        else:
            await send_json(send, 200, _ENCODER.encode(answer))

    async def _answer(
        self, did: str, scope: HTTPScope, receive: ASGIReceiveCallable
    ) -> CommandAnswer:
        if (caller := self._bearer_caller(scope)) is not None:
            async with AsyncExitStack() as room:
                body = await room.enter_async_context(self._body(scope, receive, caller))
                return await self._ask(caller, did, body, room)
        head = auth.head_of(scope)
        check_no_query(head)
        caller = await auth.authenticate(
            self._services, head, address_of(scope), write=True, role=_QUERY_ROLE
        )
        async with AsyncExitStack() as room:
            body = await room.enter_async_context(self._body(scope, receive, caller))
            if auth.is_signed(head):
                auth.check_signed_body(head, body)
            return await self._ask(caller, did, body, room)

    def _body(self, scope: HTTPScope, receive: ASGIReceiveCallable, caller: auth.Caller) -> Body:
        # A body as short as those of other calls does not count in the budget.
        return self._bodies.body(scope, receive, caller.sender, free_bytes=MAX_SHORT_BODY_BYTES)

    def _bearer_caller(self, scope: HTTPScope) -> auth.Caller | None:
        """The caller of the usual request, with an Authorization header and no query; else None."""
        if scope["query_string"]:
            return None
        for name, value in scope["headers"]:
            if name == b"authorization":
                address = address_of(scope)
                return auth.authenticate_bearer(
                    self._services, value.decode("latin-1"), address, write=True
                )
        return None

    async def _ask(
        self, caller: auth.Caller, did: str, body: bytes, room: AsyncExitStack
    ) -> CommandAnswer:
        """Send the command of a body, whose place in the budget is in `room`."""
        json_limits.check_limits(body, self._max_depth)
        request = json_limits.decode(_BODY, body, "body")
        command = DIALECT.by_uri(request.uri)
        if command.name in CHANGING:
            answer = await self._change(caller, did, command, request, room)
        else:
            if not caller.may("admin"):
                _check_searches_no_numbers(request.param)
            answer = await self._services.cameras.commands.send(did, request.uri, request.param)
        if command is FILE_READ and not caller.may("admin"):
            await self._check_picture(answer)
        result = await self._shown(caller, did, answer.result)
        return CommandAnswer(answer.code, answer.msg, result, await self._known_as(command, answer))

    async def _shown(self, caller: auth.Caller, did: str, result: Raw | None) -> Raw | None:
        """The result as this caller may see it; notes in the audit log who sees numbers in full.

        Raises DeviceNonsense.
        """
        _check_utf8(result)
        if result is None:
            return None
        data = bytes(result)
        if not caller.may("admin"):
            return await self._threads.run(json_limits.weight(data), lambda: _masked(data))
        if await self._threads.run(json_limits.weight(data), lambda: _names_numbers(data)):
            await self._services.people.register.note_device_numbers_shown(did, caller.actor)
        return result

    async def _check_picture(self, answer: DeviceAnswer) -> None:
        """Other files on a device may have personal numbers. Raises DeviceNonsense."""
        if answer.code in FILE_READ.ok_codes:
            size = 0 if answer.result is None else json_limits.weight(bytes(answer.result))
            await self._threads.run(size, lambda: decode_answer(FILE_READ, answer.result))

    async def _known_as(
        self, command: Command[Any, Any], answer: DeviceAnswer
    ) -> dict[str, KnownAs] | UnsetType:
        """What the register says of the people whom an answer names; UNSET if it says nothing."""
        if command not in _RECOGNISING or answer.code not in command.ok_codes:
            return UNSET
        size = 0 if answer.result is None else json_limits.weight(bytes(answer.result))
        # What cannot be read, or not now, is no reason to keep back the answer.
        with suppress(DeviceNonsense, CannotStoreNow, TooManyRequests):
            found = await self._threads.run(size, lambda: decode_answer(command, answer.result))
            people = await self._services.people.register.names(
                {row.person for row in found.rows} - {""}
            )
            return {uuid: known_as_fields(person) for uuid, person in people.items()} or UNSET
        return UNSET

    async def _change(
        self,
        caller: auth.Caller,
        did: str,
        command: Command[Any, Any],
        request: _CommandBody,
        room: AsyncExitStack,
    ) -> DeviceAnswer:
        """Send a command that changes the device, and audit it, even if there is no answer."""
        if isinstance(caller.who, User):
            auth.check_role(caller.who, _CHANGE_ROLE)

        async def change() -> DeviceAnswer:
            async with room.pop_all():
                try:
                    answer = await self._services.cameras.commands.send(
                        did, request.uri, request.param
                    )
                except Unanswered:
                    await self._audit(caller, f"{did} {command.uri} not answered")
                    raise
                await self._audit(caller, f"{did} {command.uri} {answer.code}")
                return answer

        return await self._services.changes.carry_out(change)

    async def _audit(self, caller: auth.Caller, target: str) -> None:
        await self._services.core.audit.add(caller.actor, "device.command", target)


def _device_of(scope: HTTPScope) -> str | None:
    """The did in the path of a command; None for other requests."""
    path = scope["path"]
    if scope["method"] != "POST" or not (
        path.startswith(_PATH_PREFIX) and path.endswith(_PATH_SUFFIX)
    ):
        return None
    did = path[len(_PATH_PREFIX) : -len(_PATH_SUFFIX)]
    return None if not did or "/" in did else did


def _check_searches_no_numbers(param: Raw) -> None:
    """Nobody searches by what they do not see. Raises NotAllowed, BadParameter."""
    # The limits of the body were checked.
    if names_numbers(json_limits.decode(_PARAM, bytes(param), "param", path="param")):
        raise NotAllowed("only administrators search by personal numbers")


def _masked(result: bytes) -> Raw:
    """The result with personal numbers masked. Raises DeviceNonsense."""
    try:
        return Raw(_ENCODER.encode(without_numbers(msgspec.json.decode(result))))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise DeviceNonsense("the device's answer cannot be read") from None


def _names_numbers(result: bytes) -> bool:
    """Whether personal numbers may be in the result."""
    if b"\\" not in result and not _MAY_BE_NUMBERS.search(result):
        return False
    try:
        return names_numbers(msgspec.json.decode(result))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return True


def _check_utf8(result: Raw | None) -> None:
    """Check that `result`, which is not decoded, is UTF-8. Raises DeviceNonsense."""
    if result is not None:
        try:
            str(memoryview(result), "utf-8")
        except UnicodeDecodeError:
            raise DeviceNonsense("the device's answer is not UTF-8") from None
