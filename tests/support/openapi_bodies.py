"""Bodies made from the API's description, each with a text in one of its fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

#: One of these fits each pattern of a required field.
_FITTING = ("1", "a", "a" * 64, "2026-11-25", "2026-11-25 00:00:00", "00:00", "192.168.1.2")


class Bodies:
    """`components`: the schemas that others refer to."""

    def __init__(self, components: dict[str, Any], text: str) -> None:
        self._components = components
        self._text = text

    def with_text(self, schema: dict[str, Any]) -> Iterator[Any]:
        """Yield values for each place of a text, with the text, and with as much as is allowed.

        All else is the least that is valid. A text with a pattern is none of these places.
        """
        schema = self._resolved(schema)
        for choice in schema.get("anyOf", ()):
            yield from self.with_text(choice)
        if schema.get("type") == "string" and "pattern" not in schema:
            yield self._text
            if (most := schema.get("maxLength", len(self._text))) < len(self._text):
                yield self._text[:most]
        elif schema.get("type") == "array":
            for item in self.with_text(schema.get("items", {})):
                yield [item, *self._least(schema)[1:]]
        elif schema.get("type") == "object":
            least = self._least(schema)
            for name, field in schema.get("properties", {}).items():
                for value in self.with_text(field):
                    yield {**least, name: value}
            if isinstance(others := schema.get("additionalProperties"), dict):
                yield from ({**least, "a": value} for value in self.with_text(others))

    def _least(self, schema: dict[str, Any]) -> Any:
        schema = self._resolved(schema)
        if choices := schema.get("anyOf"):
            return self._least(choices[0])
        if choices := schema.get("enum"):
            return choices[0]
        match schema.get("type"):
            case "object":
                fields = schema.get("properties", {})
                return {name: self._least(fields[name]) for name in schema.get("required", ())}
            case "array":
                return [self._least(schema["items"])] * schema.get("minItems", 0)
            case "string":
                pattern = schema.get("pattern", "")
                fitting = (one for one in _FITTING if re.search(pattern, one))
                return next(fitting, "a" * schema.get("minLength", 0))
            case "integer" | "number":
                return max(0, schema.get("minimum", 0))
            case "boolean":
                return False
        return schema.get("const")

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        name = schema.get("$ref", "").removeprefix("#/components/schemas/")
        return self._components[name] if name else schema
