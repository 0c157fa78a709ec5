"""The docs page: openapi.json rendered for people, with a curl command for each call.

openapi.json is in English. The page is in the language of the request: web/translations has the
descriptions by their English texts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape
from msgspec import Struct

from web.api.schemas import allowed, without_null
from web.language import gettext

Json = Mapping[str, Any]

#: Answers of each call that the page does not list: success, and a query that is too long.
_NOT_SHOWN = ("200", "431")


class Parameter(Struct, frozen=True):
    name: str
    where: str
    allowed: str
    description: Markup


class CallEntry(Struct, frozen=True, kw_only=True):
    """One call of the API."""

    anchor: str
    method: str
    path: str
    summary: str
    description: list[Markup]
    parameters: list[Parameter]
    curl: str
    answer: str
    refusals: list[tuple[str, Markup]]


class Chapter(Struct, frozen=True):
    title: str
    entries: list[CallEntry]


def chapters(document: Json, host_url: str) -> list[Chapter]:
    """The calls grouped by tag, in the order of the document."""
    by_tag: dict[str, list[CallEntry]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            entry = _entry(document, path, method.upper(), operation, host_url)
            by_tag.setdefault(operation["tags"][0], []).append(entry)
    return [Chapter(_translate(tag), entries) for tag, entries in by_tag.items()]


def paragraphs(text: str) -> list[Markup]:
    """Paragraphs of plain text, with `code` in backticks, as HTML."""
    return [_marked_up(_translate(part)) for part in text.strip().split("\n\n") if part.strip()]


def _entry(document: Json, path: str, method: str, operation: Json, host_url: str) -> CallEntry:
    return CallEntry(
        anchor=operation["operationId"],
        method=method,
        path=path,
        summary=_translate(operation["summary"]),
        description=paragraphs(operation["description"]),
        parameters=[
            *(_parameter(p["name"], p["in"], p["schema"], p) for p in operation["parameters"]),
            *_fields(document, operation),
        ],
        curl=_curl(path, method, operation, host_url),
        answer=_answer(operation),
        refusals=[
            (status, _refusal(response["description"]))
            for status, response in operation["responses"].items()
            if status not in _NOT_SHOWN
        ],
    )


def _fields(document: Json, operation: Json) -> list[Parameter]:
    """The fields of the body, described like parameters."""
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" not in content:
        return []
    schema = content["application/json"]["schema"]
    if "$ref" not in schema:
        return [_choice(_resolve(document, choice)) for choice in schema["anyOf"]]
    body = _resolve(document, schema)
    return [
        _parameter(
            name,
            gettext("body, required") if name in body["required"] else gettext("body"),
            schema,
            schema,
        )
        for name, schema in ((n, without_null(s)) for n, s in body["properties"].items())
    ]


def _choice(body: Json) -> Parameter:
    """One of several types of the body, shown by its tag."""
    tag, *rest = body["properties"]
    (value,) = body["properties"][tag]["enum"]
    fields = gettext("with %(fields)s") % {"fields": ", ".join(rest)}
    return Parameter(value, tag, fields, _marked_up(_translate(body["description"])))


def _resolve(document: Json, schema: Json) -> Json:
    """The schema that the `$ref` of `schema` names."""
    found: Json = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def _parameter(name: str, where: str, schema: Json, described: Json) -> Parameter:
    default = ""
    if schema.get("default"):
        default = gettext(", %(value)s unless given") % {"value": schema["default"]}
    return Parameter(
        name=name,
        where=where,
        allowed=allowed(schema, gettext) + default,
        description=_marked_up(_translate(described.get("description", ""))),
    )


def _curl(path: str, method: str, operation: Json, host_url: str) -> str:
    for parameter in operation["parameters"]:
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", parameter["example"])
    if query := operation.get("x-query-example"):
        path = f"{path}?{query}"
    parts = ["curl --cacert ca.crt -H 'Authorization: Bearer APPID:SECRET'"]
    if method != "GET":
        parts.append(f"-X {method}")
    if body := operation.get("requestBody"):
        parts.append(_curl_body(body["content"]))
    parts.append(f"'{host_url.rstrip('/')}{path}'")
    return " \\\n  ".join(parts)


def _curl_body(content: Json) -> str:
    if "application/json" not in content:
        file = next(iter(content))
        return f"-H 'Content-Type: {file}' -T FILE"
    example = json.dumps(_example(content["application/json"]), ensure_ascii=False)
    return f"-H 'Content-Type: application/json' -d '{example}'"


def _example(content: Json) -> object:
    """The example of a body; the shortest one if there are several."""
    examples = [example["value"] for example in content.get("examples", {}).values()]
    return min(examples, key=lambda value: len(str(value)), default=content.get("example"))


def _answer(operation: Json) -> str:
    (content,) = operation["responses"]["200"]["content"].values()
    example = content.get("example", "")
    if isinstance(example, str):
        return example
    return json.dumps(example, indent=2, ensure_ascii=False)


def _translate(text: str) -> str:
    """A text of openapi.json in the language of the request."""
    plain = " ".join(text.split())
    return gettext(plain) if plain else ""


def _refusal(text: str) -> Markup:
    """The codes of a status, each with its meaning: `420` bad parameter · `409` busy."""
    codes = (part.partition(" ") for part in text.split(" · "))
    return _marked_up(" · ".join(f"{code} {_translate(meaning)}" for code, _, meaning in codes))


def _marked_up(text: str) -> Markup:
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
