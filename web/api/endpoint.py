"""The API's calls as typed descriptions: routes, checks and openapi.json all follow from them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar, cast

import msgspec
from msgspec import Meta, Struct
from quart import Blueprint, Response, request
from werkzeug.sansio.request import Request as Head

from hub.errors import BadParameter, HubError
from hub.services import Services
from hub.services.access.users import Role
from hub.wire import json_limits
from web import auth
from web.http.streamed_body import StreamedBody
from web.quart_app import request_body

Q = TypeVar("Q", bound=Struct)
B = TypeVar("B", bound=Struct)

PREFIX = "/api/hub/v1"
#: The parameters of a signed request (三); they belong to no call in particular.
SIGNATURE = ("appid", "ts", "sign", "body_md5")
#: No body but an upload is longer, and the longest is a key in PEM: thousands of visitors who are
#: not signed in may send one at once.
MOST_BODY_BYTES = 64 * 1024

#: SQLite's integers end there, and so does every seq.
_MOST = 2**63 - 1
Seq = Annotated[int, Meta(ge=0, le=_MOST)]
Whole = Annotated[int, Meta(ge=-_MOST, le=_MOST)]
Did = Annotated[str, Meta(pattern="^[0-9]{1,20}$")]
Text = Annotated[str, Meta(max_length=200)]


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """No query parameters, or no body."""


class Endpoint(Struct, frozen=True, kw_only=True):
    """One call. `path` is as OpenAPI writes it, absolute: "/api/hub/v1/devices/{did}"."""

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    #: A second path that answers the same.
    alias: str = ""
    tag: str
    summary: str
    description: str = ""
    query: type[Struct] = Nothing
    #: A struct, or a union of structs of which `body_examples` has one each, by its name.
    body: Any = Nothing
    body_example: Struct | None = None
    body_examples: Mapping[str, Struct] = {}
    #: Another type that the body may have; the view gets its text as it is then.
    body_text: str = ""
    #: What the body is where it is a file: the view gets it as FileBody, and reads it itself.
    body_file: str = ""
    #: A body that may be longer than most counts in the budget of uploads.
    max_body_bytes: int = MOST_BODY_BYTES
    #: A struct, or None where the answer is no JSON.
    answer: Any = None
    answer_example: object = None
    media_type: str = "application/json"
    #: What it may be refused with besides what any call may.
    refusals: tuple[type[HubError], ...] = ()
    #: What a signed-in user needs; a key needs to be no read-only one where this writes.
    role: Role = "viewer"
    #: Values for the placeholders of `path` and the query in the examples of the docs.
    path_example: Mapping[str, str] = {}
    query_example: str = ""

    @property
    def writes(self) -> bool:
        return self.method != "GET"

    @property
    def placeholders(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)


@dataclass(frozen=True)
class Call(Generic[Q, B]):
    """One request, authenticated and checked."""

    caller: auth.Caller
    query: Q
    body: B
    path: Mapping[str, str]


View = Callable[[Call[Any, Any]], Awaitable[object]]


class Routes:
    """Operations and the views that answer them, as routes of a blueprint."""

    def __init__(self, blueprint: Blueprint, services: Services) -> None:
        self.operations: list[Endpoint] = []
        self._blueprint = blueprint
        self._services = services

    def add(self, operation: Endpoint, view: View) -> None:
        """Answer `operation` by `view`: a struct becomes JSON, a Response goes out as it is."""
        self.operations.append(operation)
        query = msgspec.json.Decoder(operation.query, strict=False)
        body = msgspec.json.Decoder(operation.body)

        async def answer(**path: str) -> Response:
            caller = await auth.require_api(write=operation.writes, role=operation.role)
            call: Call[Any, Any] = Call(
                caller=caller,
                query=_read_query(query),
                body=await self._read_body(operation, caller, body),
                path=path,
            )
            return _response(await view(call))

        for path in filter(None, (operation.path, operation.alias)):
            self._blueprint.add_url_rule(
                re.sub(r"{(\w+)}", r"<\1>", path),
                endpoint=view.__name__,
                view_func=answer,
                methods=[operation.method],
            )

    def describe(self, operation: Endpoint) -> None:
        """An operation that is answered in front of Quart."""
        self.operations.append(operation)

    async def _read_body(
        self, operation: Endpoint, caller: auth.Caller, decoder: msgspec.json.Decoder[Any]
    ) -> object:
        if operation.body_file:
            return _file_body(operation)
        data = await _read_data(operation, caller)
        if not operation.writes:
            return None
        if operation.body_text and request.mimetype == operation.body_text:
            return _text(data)
        if decoder.type is Nothing:
            return Nothing()
        json_limits.check_depth(data, self._services.config.devices.max_depth)
        return json_limits.decode(decoder, data, "body")


class FileBody:
    """A body that is a file: read part by part, and bound to the signature of a signed request."""

    def __init__(self, body: StreamedBody) -> None:
        self._body = body
        self._md5 = None
        if auth.is_signed(request):
            auth.signed_body_md5(request)
            self._md5 = hashlib.md5(usedforsecurity=False)

    @property
    def bytes_left(self) -> int:
        return self._body.bytes_left

    async def next(self) -> bytes:
        """The next bytes, b"" at the end. Raises TooLarge, TooSlow, WrongSignature."""
        part = await self._body.next()
        if self._md5 is not None:
            self._md5.update(part)
            if not part:
                auth.check_body_md5(request, self._md5.hexdigest().upper())
        return part


def _file_body(operation: Endpoint) -> FileBody:
    if request.mimetype != operation.body_file:
        raise BadParameter(f"{operation.body_file} is expected", field="Content-Type")
    return FileBody(request_body().stream(operation.max_body_bytes))


async def _read_data(operation: Endpoint, caller: auth.Caller) -> bytes:
    """The whole body. Of a call that only reads it is wanted for the signature alone."""
    data = b""
    if operation.max_body_bytes > MOST_BODY_BYTES:
        data = await request_body().read(
            caller.sender, max_bytes=operation.max_body_bytes, free_bytes=MOST_BODY_BYTES
        )
    elif operation.writes or auth.is_signed(request):
        data = cast(bytes, await request.get_data())
    if auth.is_signed(request):
        auth.check_signed_body(request, data)
    return data


def _read_query(decoder: msgspec.json.Decoder[Any]) -> object:
    """The query as `decoder`'s struct. Empty values count as not given, as in 三; names that are
    not known are refused, since a misspelt filter would quietly answer with everything."""
    if decoder.type is Nothing:
        check_no_query(request)
        return Nothing()
    given = {k: v for k, v in request.args.items() if v.strip() and k not in SIGNATURE}
    try:
        return json_limits.decode(decoder, msgspec.json.encode(given), "query")
    except BadParameter as error:
        schema = parameter_schemas(decoder.type).get(error.field)
        if schema is None:
            raise
        raise BadParameter(f"{allowed(schema)} is expected", field=error.field) from None


def check_no_query(head: Head) -> None:
    """Raises BadParameter where a request that takes no parameters has any but a signature's."""
    auth.refuse_repeated_parameters(head)
    for name, value in head.args.items():
        if value.strip() and name not in SIGNATURE:
            raise BadParameter("is not known", field=name)


def allowed(schema: Mapping[str, Any]) -> str:
    """What a value may be, in few words."""
    if choices := schema.get("enum"):
        return f"one of {', '.join(choices)}"
    if "$ref" in schema:
        return "an object"
    if schema["type"] == "integer":
        least, most = schema["minimum"], schema["maximum"]
        return f"a whole number from {least} to {most}" if most < _MOST else "a whole number"
    if schema["type"] == "boolean":
        return "true or false"
    if schema["type"] == "array":
        return "a list"
    if schema["type"] == "null":
        return "null"
    if "pattern" in schema:
        return "a decimal number"
    return f"a text of at most {schema['maxLength']} characters"


def parameter_schemas(query: type[Struct]) -> dict[str, dict[str, Any]]:
    """The JSON schema of each parameter. None of them may be null, for null cannot be sent."""
    schemas = msgspec.json.schema(query)["$defs"][query.__name__]["properties"]
    return {name: without_null(schema) for name, schema in schemas.items()}


def without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a value that is there."""
    there = {key: value for key, value in schema.items() if key != "anyOf"}
    if there.get("default", "") is None:
        del there["default"]
    for choice in schema.get("anyOf", ()):
        if choice != {"type": "null"}:
            there = choice | there
    return there


def _response(answer: object) -> Response:
    if isinstance(answer, Response):
        return answer
    return Response(msgspec.json.encode(answer), content_type="application/json")


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise BadParameter("the body is not UTF-8 text") from None


def seq_of(text: str, field: str = "seq") -> int:
    """A seq that is no query parameter. Raises BadParameter."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise BadParameter("the seq of a record is expected, a decimal number", field=field)
    return int(text)
