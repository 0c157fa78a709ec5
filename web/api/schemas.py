"""JSON schemas of the values that a call takes, and their description in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from web.api.endpoint import MAX_INTEGER


def allowed(schema: Mapping[str, Any]) -> str:
    """Describe the values that `schema` allows, such as "a decimal number"."""
    if choices := schema.get("enum"):
        return f"one of {', '.join(choices)}"
    if "$ref" in schema:
        return "an object"
    if schema["type"] == "integer":
        least, most = schema["minimum"], schema["maximum"]
        return f"a whole number from {least} to {most}" if most < MAX_INTEGER else "a whole number"
    if schema["type"] == "boolean":
        return "true or false"
    if schema["type"] == "array":
        most = schema.get("maxItems")
        return f"a list of at most {most} values" if most else "a list"
    if schema["type"] == "null":
        return "null"
    if schema.get("contentEncoding") == "base64":
        return "a picture as base64"
    if "pattern" in schema:
        return "a decimal number"
    return f"a text of at most {schema['maxLength']} characters"


def parameter_schemas(query: type[Struct]) -> dict[str, dict[str, Any]]:
    """The JSON schema of each parameter, without null, which a query cannot express."""
    schemas = msgspec.json.schema(query)["$defs"][query.__name__]["properties"]
    return {name: without_null(schema) for name, schema in schemas.items()}


def list_parameters(query: type[Struct]) -> frozenset[str]:
    """The parameters that are lists."""
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
