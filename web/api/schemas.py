"""JSON schemas of the values that a call takes, and their description in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct

from web.api.endpoint import MAX_INTEGER

#: What says of which values a schema consists; an integer's are read by `allowed`.
_BOUNDS = {
    "integer": ({"minimum"}, {"maximum"}),
    "number": ({"minimum"}, {"maximum"}),
    "string": ({"maxLength", "pattern", "contentEncoding"},),
}


def _in_english(text: str) -> str:
    return text


def allowed(schema: Mapping[str, Any], gettext: Callable[[str], str] = _in_english) -> str:
    """Describe the values that `schema` allows, such as "a decimal number".

    Errors are in English; `gettext` translates for a page.
    """
    if choices := schema.get("enum"):
        return gettext("one of %(choices)s") % {"choices": ", ".join(choices)}
    if "$ref" in schema:
        return gettext("an object")
    if schema["type"] == "integer":
        least, most = schema["minimum"], schema["maximum"]
        if most >= MAX_INTEGER:
            return gettext("a whole number")
        return gettext("a whole number from %(least)s to %(most)s") % {"least": least, "most": most}
    if schema["type"] == "boolean":
        return gettext("true or false")
    if schema["type"] == "array":
        most = schema.get("maxItems")
        return (
            gettext("a list of at most %(n)s values") % {"n": most} if most else gettext("a list")
        )
    if schema["type"] == "null":
        return "null"
    if schema.get("contentEncoding") == "base64":
        return gettext("a picture as base64")
    if "pattern" in schema:
        return gettext("a decimal number")
    return gettext("a text of at most %(n)s characters") % {"n": schema["maxLength"]}


def parameter_schemas(query: type[Struct]) -> dict[str, dict[str, Any]]:
    """The JSON schema of each parameter, without null, which a query cannot express."""
    schemas = msgspec.json.schema(query)["$defs"][query.__name__]["properties"]
    return {name: without_null(schema) for name, schema in schemas.items()}


@cache
def list_parameters(query: type[Struct]) -> frozenset[str]:
    """The parameters that are lists. Remembered: many calls take no parameters, or the same."""
    schemas = parameter_schemas(query).items()
    return frozenset(name for name, schema in schemas if schema.get("type") == "array")


def without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """`schema` without the type null, and without null as its default."""
    stripped = {key: value for key, value in schema.items() if key != "anyOf"}
    if stripped.get("default", "") is None:
        del stripped["default"]
    for choice in schema.get("anyOf", ()):
        if choice != {"type": "null"}:
            stripped = choice | stripped
    return stripped


def check_bounds(taken: Any, name: str) -> None:
    """Check that all numbers and texts that a call takes are bounded. Raises TypeError by name."""
    parts = msgspec.json.schema_components([taken])[1]
    waiting = [(f"{name}: {part}", schema) for part, schema in parts.items()]
    while waiting:
        where, schema = waiting.pop()
        inner = (schema.get("items"), schema.get("additionalProperties"), *schema.get("anyOf", ()))
        waiting += [(where, one) for one in inner if isinstance(one, dict)]
        waiting += [(f"{where}.{key}", one) for key, one in schema.get("properties", {}).items()]
        bounds = _BOUNDS.get(schema.get("type", ""), ())
        if "enum" not in schema and any(schema.keys().isdisjoint(some) for some in bounds):
            raise TypeError(f"{where} has no bounds: see the types of web.api.endpoint")
