"""Routes of Quart for the endpoints: authenticate a request, check it, call the view."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar, cast

import msgspec
from msgspec import Struct
from quart import Blueprint, Response, request
from werkzeug.sansio.request import Request as Head

from hub.decoders import json_decoder
from hub.errors import BadParameter, NoSuchResource, NotAllowed
from hub.services import Services
from hub.wire import json_limits
from web import auth
from web.api.endpoint import SIGNATURE, Endpoint, Nothing
from web.api.schemas import allowed, list_parameters, parameter_schemas
from web.http.bodies import MAX_SHORT_BODY_BYTES
from web.http.streamed_body import StreamedBody
from web.quart_app import name_request, request_body

Q = TypeVar("Q", bound=Struct)
B = TypeVar("B", bound=Struct)


@dataclass(frozen=True)
class Call(Generic[Q, B]):
    """One request, authenticated and checked."""

    caller: auth.Caller
    query: Q
    body: B
    path: Mapping[str, str]


View = Callable[[Call[Any, Any]], Awaitable[object]]


class Routes:
    """Adds endpoints and their views to a blueprint."""

    def __init__(self, blueprint: Blueprint, services: Services) -> None:
        self.endpoints: list[Endpoint] = []
        self._blueprint = blueprint
        self._services = services

    def add(self, endpoint: Endpoint, view: View) -> None:
        """Route `endpoint` to `view`, which returns a Response, or a struct to be sent as JSON."""
        self.endpoints.append(endpoint)
        lists = list_parameters(endpoint.query)
        read_query = _query_reader(endpoint.query)
        body = _body_decoder(endpoint.body)

        async def answer(**path: str) -> Response:
            caller = await auth.require_api(write=endpoint.writes, role=endpoint.role, lists=lists)
            call: Call[Any, Any] = Call(
                caller=caller,
                query=read_query(),
                body=await self._read_body(endpoint, caller, body),
                path=path,
            )
            if endpoint.right == "targets" and not caller.may_change_targets:
                raise NotAllowed("this API key was not given the right to change targets")
            if endpoint.needs_password:
                await auth.confirm(caller)
            name_request(caller.actor.who, msgspec.json.encode(call.query))
            return _response(await view(call))

        for path in filter(None, (endpoint.path, endpoint.alias)):
            self._blueprint.add_url_rule(
                re.sub(r"{(\w+)}", r"<\1>", path),
                endpoint=endpoint.operation_id,
                view_func=answer,
                methods=[endpoint.method],
                role=endpoint.role,
                check="api",
            )

    def describe(self, endpoint: Endpoint) -> None:
        """Add an endpoint that is answered in front of Quart to openapi.json."""
        self.endpoints.append(endpoint)

    async def _read_body(
        self, endpoint: Endpoint, caller: auth.Caller, decoder: msgspec.json.Decoder[Any]
    ) -> object:
        if endpoint.body_file:
            return _file_body(endpoint)
        data = await _read_data(endpoint, caller)
        if not endpoint.writes:
            return None
        if endpoint.body_text and request.mimetype == endpoint.body_text:
            return _text(data)
        if decoder.type is Nothing:
            return Nothing()
        if not data and endpoint.is_body_optional:
            data = b"{}"
        max_depth = self._services.config.devices.max_depth
        json_limits.check_limits(data, max_depth, endpoint.max_fields)
        return json_limits.decode(decoder, data, "body")


class FileBody:
    """A body that is a file: read part by part, and checked against a signed `body_md5`."""

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


def _file_body(endpoint: Endpoint) -> FileBody:
    if request.mimetype not in endpoint.body_file:
        expected = " or ".join(endpoint.body_file)
        raise BadParameter(f"{expected} is expected", field="Content-Type")
    return FileBody(request_body().stream(endpoint.max_body_bytes))


async def _read_data(endpoint: Endpoint, caller: auth.Caller) -> bytes:
    """The whole body. Of a call that only reads, it is needed only to check the signature."""
    data = b""
    if endpoint.max_body_bytes > MAX_SHORT_BODY_BYTES:
        data = await request_body().read(
            caller.sender, max_bytes=endpoint.max_body_bytes, free_bytes=MAX_SHORT_BODY_BYTES
        )
    elif endpoint.writes or auth.is_signed(request):
        data = cast(bytes, await request.get_data())
    if auth.is_signed(request):
        auth.check_signed_body(request, data)
    return data


@cache
def _body_decoder(body: Any) -> msgspec.json.Decoder[Any]:
    """What decodes a body as this type. Made once: it takes longer than the rest of a route."""
    return json_decoder(body)


@cache
def _query_reader(query: type[Struct]) -> Callable[[], object]:
    """Return what decodes the query of a request as `query`. It raises BadParameter.

    Empty values count as not given, as in 三. The values of `lists` are separated by commas, or the
    parameter is given more than once. Unknown names are refused: a misspelt filter would
    return everything.
    """
    decoder = json_decoder(query, strict=False)
    lists = list_parameters(query)
    # A query may have a name of its own that signatures have too, as `path` of a device's picture.
    others = {*SIGNATURE}.difference(query.__struct_fields__)

    def read() -> object:
        if query is Nothing:
            check_no_query(request)
            return Nothing()
        given: dict[str, str | list[str]] = {
            k: v
            for k, v in request.args.items()
            if v.strip() and k not in others and k not in lists
        }
        given |= {k: values for k in lists if (values := _values_of_list(k))}
        try:
            return json_limits.decode(decoder, msgspec.json.encode(given), "query")
        except BadParameter as error:
            name, _, is_in_list = error.field.partition("[")
            schema = parameter_schemas(query).get(name)
            if schema is None:
                raise
            expected = allowed(schema["items"] if is_in_list else schema)
            raise BadParameter(f"{expected} is expected", field=name) from None

    return read


def _values_of_list(name: str) -> list[str]:
    values = (part.strip() for text in request.args.getlist(name) for part in text.split(","))
    return [value for value in values if value]


def check_no_query(head: Head) -> None:
    """Check that a request has no parameters except a signature. Raises BadParameter."""
    auth.refuse_repeated_parameters(head)
    for name, value in head.args.items():
        if value.strip() and name not in SIGNATURE:
            raise BadParameter("unknown parameter", field=name)


def _response(answer: object) -> Response:
    if isinstance(answer, Response):
        return answer
    return Response(msgspec.json.encode(answer), content_type="application/json")


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise BadParameter("body: not UTF-8 text") from None


def seq_of(text: str, field: str = "seq") -> int:
    """The seq in a path or a header. Raises BadParameter."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise BadParameter("expected the seq of a record, a decimal number", field=field)
    return int(text)


def id_of(call: Call[Any, Any], name: str) -> int:
    """The id in the path of a call. Raises NoSuchResource if it is not a number."""
    text = call.path[name]
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise NoSuchResource(f"no such {name}")
    return int(text)
