"""Typed descriptions of the calls of the API: the source of routes, checks and openapi.json."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from msgspec.structs import force_setattr

from hub.errors import HubError
from hub.services.access.rights import Right
from hub.wire.json_limits import MAX_FIELDS
from web.http.bodies import MAX_SHORT_BODY_BYTES

PREFIX = "/api/hub/v1"
#: The parameters of a signed request (三), which every call accepts.
SIGNATURE = ("appid", "ts", "sign", "method", "path", "body_md5")

#: The largest integer of SQLite, and so the largest seq.
MAX_INTEGER = 2**63 - 1
Seq = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
Integer = Annotated[int, Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]
Did = Annotated[str, Meta(pattern="^[0-9]{1,20}$")]
Text = Annotated[str, Meta(max_length=200)]


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """No query parameters, or no body."""


class Endpoint(Struct, frozen=True, kw_only=True):
    """One call. `path` is absolute, as in OpenAPI: "/api/hub/v1/devices/{did}"."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    #: A second path with the same answer.
    alias: str = ""
    tag: str
    summary: str
    description: str = ""
    query: type[Struct] = Nothing
    #: A struct; by default that of `body_example`. Or a union of structs with one example for each
    #: in `body_examples`, by name.
    body: Any = Nothing
    body_example: Struct | None = None
    body_examples: Mapping[str, Struct] = {}
    #: Whether the body may be left out, which is the same as {}.
    is_body_optional: bool = False
    #: Another media type that the body may have; the view gets its text as a str.
    body_text: str = ""
    #: The media types of a body that is a file; the view gets a FileBody, which it reads itself.
    body_file: tuple[str, ...] = ()
    #: With a limit above MAX_SHORT_BODY_BYTES, bodies count in the budget of uploads.
    max_body_bytes: int = MAX_SHORT_BODY_BYTES
    max_fields: int = MAX_FIELDS
    #: A struct; by default that of `answer_example`. None where the answer is not JSON.
    answer: Any = None
    answer_example: object = None
    media_type: str = "application/json"
    #: Errors in addition to those that every call may answer.
    refusals: tuple[type[HubError], ...] = ()
    #: The role that a signed-in user needs. Calls that write refuse read-only keys.
    role: Right = "admin"
    #: Whether a signed-in user sends the own password with it, as the page that does the same asks.
    needs_password: bool = False
    #: What a key must have been given the right to.
    right: Literal["", "targets"] = ""
    #: Examples of the query, and of placeholders that differ from those of `openapi`.
    path_example: Mapping[str, str] = {}
    query_example: str = ""

    def __post_init__(self) -> None:
        if self.body is Nothing and self.body_example is not None:
            force_setattr(self, "body", type(self.body_example))
        if self.answer is None and isinstance(self.answer_example, Struct):
            force_setattr(self, "answer", type(self.answer_example))

    @property
    def writes(self) -> bool:
        return self.method != "GET"

    @property
    def operation_id(self) -> str:
        """An id that depends on method and path only, such as "get_devices_did"."""
        words = self.path.removeprefix(PREFIX).replace(".", "/").split("/")
        return "_".join([self.method.lower(), *(w.strip("{}") for w in words if w)])

    @property
    def placeholders(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)
