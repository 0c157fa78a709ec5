"""What an application derives from the code alone is made once for all tests.

Each test creates an application: its templates, the builders of its addresses, the description of
its API and its static files are the same each time, and take most of that time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import pytest
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from quart import Quart
from werkzeug.routing import Rule

import web.api
import web.app
from web.api.endpoint import Endpoint


class _Compiled(BytecodeCache):
    """Keeps templates as they were first compiled."""

    def __init__(self) -> None:
        self._codes: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if code := self._codes.get(bucket.key):
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._codes[bucket.key] = bucket.bytecode_to_string()


@pytest.fixture(scope="session", autouse=True)
def _the_code_is_looked_at_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Quart, "jinja_options", {"bytecode_cache": _Compiled()})
        patch.setattr(Rule, "_parse_rule", _parsed_once(Rule._parse_rule))
        patch.setattr(Rule, "_compile_builder", _compiled_once(Rule._compile_builder))
        patch.setattr(web.api, "document", _described_once(web.api.document))
        patch.setattr(web.app, "Assets", cache(web.app.Assets))
        yield


def _parsed_once(parse: Callable[[Rule, str], Iterable[Any]]) -> Callable[..., Iterable[Any]]:
    """What a rule is parsed to depends on its text, and so does what it notes of itself."""
    known: dict[str, tuple[list[Any], list[Any], dict[str, Any]]] = {}

    def parse_once(self: Rule, text: str) -> Iterable[Any]:
        if text in known:
            parts, trace, converters = known[text]
            self._trace += trace
            self._converters |= converters
            self.arguments |= converters.keys()
        else:
            before = len(self._trace)
            parts = list(parse(self, text))
            known[text] = (parts, self._trace[before:], dict(self._converters))
        return parts

    return parse_once


def _compiled_once(compile_builder: Callable[[Rule, bool], Any]) -> Callable[[Rule, bool], Any]:
    """A builder is a function of the rule's parts; what differs is passed to it as `self`."""
    builders: dict[tuple[Any, ...], Any] = {}

    def compile_once(rule: Rule, append_unknown: bool = True) -> Any:
        if rule.defaults:
            return compile_builder(rule, append_unknown)
        key = (*rule._trace, append_unknown)
        if key not in builders:
            builders[key] = compile_builder(rule, append_unknown)
        return builders[key]

    return compile_once


def _described_once(describe: Callable[[Sequence[Endpoint], str, str], Any]) -> Callable[..., Any]:
    known: list[tuple[list[Endpoint], tuple[str, str], Any]] = []

    def describe_once(endpoints: Sequence[Endpoint], version: str, prefix: str) -> Any:
        for described, of_hub, document in known:
            if described == endpoints and of_hub == (version, prefix):
                return document
        document = describe(endpoints, version, prefix)
        known.append((list(endpoints), (version, prefix), document))
        return document

    return describe_once
