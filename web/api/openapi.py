"""openapi.json: the calls of the API as OpenAPI 3.1, generated from their endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from hub.errors import (
    AlreadyExists,
    BadParameter,
    CannotStoreNow,
    HubError,
    InvalidAppId,
    NoSuchResource,
    NotAllowed,
    NotAuthorised,
    TooLarge,
    TooManyRequests,
    WrongSignature,
)
from web.api.answers import Refusal
from web.api.endpoint import Endpoint, Nothing
from web.api.schemas import check_bounds, parameter_schemas
from web.auth import PASSWORD_HEADER
from web.http.http_heads import STATUS_MESSAGES

Json = dict[str, Any]

_REF = "#/components/schemas/{name}"
_ERRORS: tuple[type[HubError], ...] = (
    BadParameter,
    NotAuthorised,
    NotAllowed,
    NoSuchResource,
    AlreadyExists,
    TooLarge,
    InvalidAppId,
    WrongSignature,
    TooManyRequests,
    CannotStoreNow,
)
_NUMBER: Json = {"type": "string", "pattern": "^[0-9]{1,18}$"}
_DECIMAL: Json = {"type": "string", "pattern": "^[0-9]{1,20}$"}
_TEXT: Json = {"type": "string", "maxLength": 64}
_ID = (_NUMBER, "3")
#: The placeholders of paths that are no ids: what they may be, and an example.
_PLACEHOLDERS: dict[str, tuple[Json, str]] = {
    "did": (_DECIMAL, "12"),
    "pid": (_DECIMAL, "1000001"),
    "sn": (_TEXT, "Y3CA12348912346"),
    "job": (_TEXT, "7"),
    "import": (_TEXT, "0123456789abcdef" * 2),
    "report": (_TEXT, "attendance"),
    "target": (_TEXT, "1"),
    "name": (_TEXT, "face"),
    "sha256": (
        {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ),
    "extension": ({"type": "string", "pattern": "^[a-z]{1,8}$"}, "jpg"),
}
_WRITE_ERRORS = (AlreadyExists, TooLarge)

_DESCRIPTION = """\
Devices, records and pictures of one site.

Authenticate with `Authorization: Bearer APPID:SECRET`, or by signing the query: add `appid`, `ts`
(UNIX seconds) and `sign`. `sign` is the upper-case hex MD5 of all other parameters with a value,
sorted by name, each name followed by its value, and then the secret. With a body, sign `body_md5`
as well: the upper-case hex MD5 of the body's bytes. A call other than `GET` also signs `method` and
`path` (`POST`, `/api/hub/v1/devices`: without the query, not URL-encoded), and its signature is
good once: give each a `ts` of its own, in milliseconds. A `GET` may sign them too. An example: the
secret is `secret`, and the body `{}`; the signed text is
`appidA1body_md599914B932BD37A50B983C5E7C90AE93BmethodPOSTpath/api/hub/v1/devicests1790000000123`,
the secret follows, and `sign` is `58E2A5E3C13C1B22C0AADA58F00C5B70`.

An error is `{"code", "msg"}`. Unknown parameters and fields are refused; `msg` names them. All
times are RFC 3339 in UTC with milliseconds; numbers beyond 2^53 are strings. While `next` of a list
is not null, `after=` that value requests the next page.

Repeat a call that is answered 503, exactly as it was: nothing is changed twice. If the disk does
not respond for 30 s, a call that changes something is answered 503, but goes on, and is completed
when the disk responds. The first repeat of it by the same caller after that, within ten minutes, is
answered as the first call would have been. Commands to devices, and calls that switch something,
are carried out again; bodies that are files too.
"""

_SECURITY_SCHEMES: Json = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "APPID:SECRET",
        "description": "An API key, as `sitehub apikey add` prints it.",
    },
    "signature": {
        "type": "apiKey",
        "in": "query",
        "name": "sign",
        "description": "The signature of all query parameters, including `appid` and `ts`; of a "
        "change also `method`, `path` and `body_md5`.",
    },
}


#: Not required: keys do without.
_PASSWORD: Json = {
    "name": PASSWORD_HEADER,
    "in": "header",
    "description": "the own password of a signed-in user, in Base64; keys do without",
    "schema": {"type": "string", "contentEncoding": "base64"},
}


def document(endpoints: Sequence[Endpoint], version: str, prefix: str = "") -> Json:
    """The OpenAPI document of a hub below `prefix`, ready to be encoded as JSON."""
    schemas = _Schemas(endpoints)
    security_schemes = _SECURITY_SCHEMES | {"session": _session(prefix)}
    paths: dict[str, Json] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = schemas.describe(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": "sitehub", "version": version, "description": _DESCRIPTION},
        "servers": [{"url": prefix or "/"}],
        "security": [{name: []} for name in security_schemes],
        "paths": paths,
        "components": {"schemas": schemas.components, "securitySchemes": security_schemes},
    }


def _session(prefix: str) -> Json:
    return {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Secure-sitehub_session" if prefix else "__Host-sitehub_session",
        "description": "A signed-in user; calls that write need the header `X-CSRF-Token`.",
    }


class _Schemas:
    """The structs of the endpoints as JSON schemas, which refer to each other by name."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        types: list[Any] = [Refusal]
        types += [one.answer for one in endpoints if one.answer is not None]
        types += [one.body for one in endpoints if one.body is not Nothing]
        types = list(dict.fromkeys(types))
        schemas, self.components = msgspec.json.schema_components(types, ref_template=_REF)
        self._of = dict(zip(types, schemas, strict=True))
        self._close_bodies([one.body for one in endpoints if one.body is not Nothing])

    def _close_bodies(self, bodies: Sequence[Any]) -> None:
        """Say that unknown fields are refused, also within the params of commands."""
        _, parts = msgspec.json.schema_components(bodies, ref_template=_REF)
        for name in parts:
            if "properties" in self.components[name]:
                self.components[name]["additionalProperties"] = False

    def describe(self, endpoint: Endpoint) -> Json:
        for taken in (endpoint.query, endpoint.body):
            check_bounds(taken, f"{endpoint.method} {endpoint.path}")
        described: Json = {
            "operationId": endpoint.operation_id,
            "tags": [endpoint.tag],
            "summary": endpoint.summary,
            "description": "\n\n".join(filter(None, [endpoint.description, _rights(endpoint)])),
            "parameters": [
                *_path_parameters(endpoint),
                *_query_parameters(endpoint.query),
                *([_PASSWORD] if endpoint.needs_password else []),
            ],
            "responses": {"200": self._answer(endpoint)} | self._refusals(endpoint),
        }
        if endpoint.query_example:
            described["x-query-example"] = endpoint.query_example
        if endpoint.body is not Nothing:
            described["requestBody"] = {
                "required": not endpoint.is_body_optional,
                "content": {
                    "application/json": {
                        "schema": self._of[endpoint.body],
                        **_examples(endpoint),
                    }
                },
            }
            if endpoint.body_text:
                text = {endpoint.body_text: {"schema": {"type": "string"}}}
                described["requestBody"]["content"] |= text
        if endpoint.body_file:
            schema = {"schema": {"type": "string", "format": "binary"}}
            files = dict.fromkeys(endpoint.body_file, schema)
            described["requestBody"] = {"required": True, "content": files}
        return described

    def _answer(self, endpoint: Endpoint) -> Json:
        is_json = endpoint.media_type == "application/json"
        content: Json = {"schema": {"type": "object" if is_json else "string"}}
        if endpoint.answer is not None:
            content["schema"] = self._of[endpoint.answer]
        if endpoint.answer_example is not None:
            content["example"] = _to_builtins(endpoint.answer_example)
        return {"description": "OK", "content": {endpoint.media_type: content}}

    def _refusals(self, endpoint: Endpoint) -> Json:
        texts: dict[str, list[str]] = {}
        for error in (*_ERRORS, *endpoint.refusals):
            if error not in _WRITE_ERRORS or endpoint.writes:
                text = f"`{error.code}` {error().message}"
                texts.setdefault(str(error.status), []).append(text)
        if endpoint.query is not Nothing:
            # Of the connection, before anything of the request is looked at.
            texts["431"] = [f"`{BadParameter.code}` {STATUS_MESSAGES[431]}"]
        content: Json = {"application/json": {"schema": self._of[Refusal]}}
        if endpoint.media_type == "text/html":
            # For people, and in JSON below the path of the API.
            content["text/html"] = {"schema": {"type": "string"}}
        return {
            status: {"description": " · ".join(dict.fromkeys(lines)), "content": content}
            for status, lines in texts.items()
        }


def _rights(endpoint: Endpoint) -> str:
    return "A key needs the right to change targets." if endpoint.right else ""


def _path_parameters(endpoint: Endpoint) -> list[Json]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": schema,
            "example": endpoint.path_example.get(name, example),
        }
        for name in endpoint.placeholders
        for schema, example in (_PLACEHOLDERS.get(name, _ID),)
    ]


def _query_parameters(query: type[Struct]) -> list[Json]:
    return [
        {
            "name": name,
            "in": "query",
            "description": schema.get("description", ""),
            # An empty value counts as not given.
            "allowEmptyValue": True,
            "schema": {key: value for key, value in schema.items() if key != "description"},
        }
        for name, schema in parameter_schemas(query).items()
    ]


def _examples(endpoint: Endpoint) -> Json:
    if not endpoint.body_examples:
        return {"example": _to_builtins(endpoint.body_example)}
    return {
        "examples": {
            name: {"summary": type(body).__doc__, "value": _without_nulls(_to_builtins(body))}
            for name, body in endpoint.body_examples.items()
        }
    }


def _without_nulls(value: object) -> object:
    """`value` without the optional fields that are null."""
    if not isinstance(value, dict):
        return value
    return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}


def _to_builtins(example: object) -> object:
    return msgspec.json.decode(msgspec.json.encode(example))
