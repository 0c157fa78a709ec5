"""What an application derives from the code alone is made once for all tests.

Each test creates an application: its templates, its routes, the description of its API and its
static files are the same each time, and take most of that time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, ClassVar

import pytest
from quart import Quart
from quart.routing import QuartMap
from werkzeug.routing import RuleFactory

import web.api
import web.app
from tests.support.browsing import COMPILED
from web.api.endpoint import Endpoint


@pytest.fixture(scope="session", autouse=True)
def _the_code_is_looked_at_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Quart, "jinja_options", {"bytecode_cache": COMPILED})
        patch.setattr(Quart, "url_map_class", _SharedMap)
        patch.setattr(web.api, "document", _described_once(web.api.document))
        patch.setattr(web.app, "Assets", cache(web.app.Assets))
        yield


class _SharedMap(QuartMap):
    """The routes of an application, which are compiled once for all that have the same."""

    _compiled: ClassVar[dict[Any, QuartMap]] = {}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._added: list[Any] = []

    def add(self, rulefactory: RuleFactory) -> None:
        self._added.append(rulefactory)
        self._remap = True

    def update(self) -> None:
        """Called before routes are looked up."""
        if not self._remap:
            return
        key = tuple((rule.rule, rule.endpoint, frozenset(rule.methods)) for rule in self._added)
        known = self._compiled.get(key)
        if known is None:
            known = self._compiled[key] = QuartMap(host_matching=self.host_matching)
            for rule in self._added:
                rule.map = None
                known.add(rule)
            known.update()
        self._matcher, self._rules_by_endpoint = known._matcher, known._rules_by_endpoint
        self._remap = False


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
