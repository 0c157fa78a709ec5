"""openapi.json: OpenAPI 3.1 of exactly the calls that exist, from their descriptions."""

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
from web.api.endpoint import PREFIX, Endpoint, Nothing, parameter_schemas

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
_OF_WRITES = (AlreadyExists, TooLarge)

_DESCRIPTION = """\
Devices, records and pictures of one site.

Authenticate by `Authorization: Bearer APPID:SECRET`, or by signing the query: parameters `appid`,
`ts` (UNIX seconds) and `sign`, the upper-case hex MD5 of all other parameters, those with an empty
value left out, sorted by name, each name followed by its value, and the secret at the end. A
request with a body signs `body_md5` along, the upper-case hex MD5 of the body's bytes.

A refusal is `{"code", "msg"}`. Unknown parameters and fields are refused by name. All times are
RFC 3339 in UTC with milliseconds; numbers beyond 2^53 are strings. A list whose `next` is not null
goes on with `after=` that value.
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
        "description": "The signature over all query parameters, with `appid` and `ts` among them.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-sitehub_session",
        "description": "A signed-in user; to change something, with the header `X-CSRF-Token`.",
    },
}


def document(operations: Sequence[Endpoint], version: str) -> Json:
    """The whole document, ready to be encoded."""
    schemas = _Schemas(operations)
    paths: dict[str, Json] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = schemas.describe(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "sitehub", "version": version, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "security": [{name: []} for name in _SECURITY_SCHEMES],
        "paths": paths,
        "components": {"schemas": schemas.components, "securitySchemes": _SECURITY_SCHEMES},
    }


class _Schemas:
    """The structs of the operations, as JSON schemas that refer to each other by name."""

    def __init__(self, operations: Sequence[Endpoint]) -> None:
        types: list[Any] = [Refusal]
        types += [op.answer for op in operations if op.answer is not None]
        types += [op.body for op in operations if op.body is not Nothing]
        types = list(dict.fromkeys(types))
        schemas, self.components = msgspec.json.schema_components(types, ref_template=_REF)
        self._of = dict(zip(types, schemas, strict=True))

    def describe(self, operation: Endpoint) -> Json:
        described: Json = {
            "operationId": operation_id(operation),
            "tags": [operation.tag],
            "summary": operation.summary,
            "description": operation.description,
            "parameters": _path_parameters(operation) + _query_parameters(operation.query),
            "responses": {"200": self._answer(operation)} | self._refusals(operation),
        }
        if operation.query_example:
            described["x-query-example"] = operation.query_example
        if operation.body is not Nothing:
            described["requestBody"] = {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": self._of[operation.body],
                        **_examples(operation),
                    }
                },
            }
            if operation.body_text:
                text = {operation.body_text: {"schema": {"type": "string"}}}
                described["requestBody"]["content"] |= text
        if operation.body_file:
            file = {operation.body_file: {"schema": {"type": "string", "format": "binary"}}}
            described["requestBody"] = {"required": True, "content": file}
        return described

    def _answer(self, operation: Endpoint) -> Json:
        content: Json = {"schema": {"type": "string"}}
        if operation.answer is not None:
            content["schema"] = self._of[operation.answer]
        if operation.answer_example is not None:
            content["example"] = _builtins(operation.answer_example)
        return {"description": "OK", "content": {operation.media_type: content}}

    def _refusals(self, operation: Endpoint) -> Json:
        texts: dict[str, list[str]] = {}
        for error in (*_ERRORS, *operation.refusals):
            if error not in _OF_WRITES or operation.writes:
                text = f"`{error.code}` {error().message}"
                texts.setdefault(str(error.status), []).append(text)
        content = {"application/json": {"schema": self._of[Refusal]}}
        return {
            status: {"description": " · ".join(dict.fromkeys(lines)), "content": content}
            for status, lines in texts.items()
        }


def operation_id(operation: Endpoint) -> str:
    """The same for as long as method and path are: "get_devices_did"."""
    words = operation.path.removeprefix(PREFIX).replace(".", "/").split("/")
    return "_".join([operation.method.lower(), *(w.strip("{}") for w in words if w)])


def _path_parameters(operation: Endpoint) -> list[Json]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "maxLength": 64},
            "example": operation.path_example[name],
        }
        for name in operation.placeholders
    ]


def _query_parameters(query: type[Struct]) -> list[Json]:
    return [
        {
            "name": name,
            "in": "query",
            "description": schema.get("description", ""),
            "schema": {key: value for key, value in schema.items() if key != "description"},
        }
        for name, schema in parameter_schemas(query).items()
    ]


def _examples(operation: Endpoint) -> Json:
    if not operation.body_examples:
        return {"example": _builtins(operation.body_example)}
    return {
        "examples": {
            name: {"summary": type(body).__doc__, "value": _given(_builtins(body))}
            for name, body in operation.body_examples.items()
        }
    }


def _given(value: object) -> object:
    """Without the fields that need not be there."""
    if not isinstance(value, dict):
        return value
    return {name: _given(inner) for name, inner in value.items() if inner is not None}


def _builtins(example: object) -> object:
    return msgspec.json.decode(msgspec.json.encode(example))
