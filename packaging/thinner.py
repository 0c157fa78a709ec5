"""Modules and data that the executable leaves out because they would only use memory.

pyinstaller.spec uses this. Each entry was measured in a running hub, and saves at least half a
megabyte.
"""

from __future__ import annotations

import ast
import pickle
from collections.abc import Mapping
from pathlib import Path
from types import CodeType
from typing import Any

#: Nobody asks the functions of these packages for their annotations, which take 1.4 MB. Those of
#: classes are kept: msgspec reads them.
WITHOUT_ANNOTATIONS = {
    *("hub", "web", "trio", "cryptography"),
    *("quart", "flask", "werkzeug", "jinja2", "hypercorn"),
}

STAND_IN = Path(__file__).parent / "standin" / "__init__.py"

STOOD_IN_FOR = (
    # For a mode of trio_asyncio that is not used; it loads the C++ library: 1.6 MB.
    "greenlet",
    # HTTP/2 in hypercorn, which the web port does not offer: 1.2 MB.
    *("h2", "h2.config", "h2.connection", "h2.events", "h2.exceptions", "h2.settings", "priority"),
    # The servers of hypercorn, which web/http replaces, and what starts their processes: 0.8 MB.
    *("hypercorn.asyncio", "hypercorn.trio.run", "multiprocessing", "multiprocessing.synchronize"),
    # Test clients, which import a debugger: 0.5 MB.
    *("quart.testing", "quart_trio.testing"),
    # For the servers in prometheus_client and werkzeug; it imports the tables of HTML: 0.5 MB.
    "http.server",
    # DTLS in trio, keys of SSH in cryptography, and a test client: 0.5 MB.
    *("trio._dtls", "cryptography.hazmat.primitives.serialization.ssh", "werkzeug.test"),
)
#: Where the documentation describes functions by their docstrings; elsewhere, these take 0.4 MB.
#: Those of classes are kept: the description of the API shows them.
WITH_FUNCTION_DOCSTRINGS = ("hub.cli", "web.api")

#: The languages of babel's data that are kept; root is common to all.
LANGUAGES = {"root", "en", "zh", "zh_Hans", "zh_Hans_CN"}

#: The keys that format dates and times. The rest, mostly names of countries, currencies, units and
#: languages, takes 5 MB (together with global.dat) as soon as a page is shown.
_CALENDAR_KEYS = {
    *("days", "months", "quarters", "eras", "day_periods", "day_period_rules", "week_data"),
    *("date_formats", "time_formats", "datetime_formats", "locale_id"),
}
#: A table by language.
_LIKELY = "likely_subtags"
#: The tables that are kept of the data that all languages share. The rest is by country, currency
#: or time zone.
_SHARED_KEYS = {"cldr", _LIKELY, "parent_exceptions", "windows_zone_mapping"}


def thin_locale(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of one of babel's locale-data files that is kept."""
    return {name: value for name, value in data.items() if name in _CALENDAR_KEYS}


def thin_global(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of babel's global.dat that is kept."""
    thin = {name: value for name, value in data.items() if name in _SHARED_KEYS}
    ours = {tag.partition("_")[0] for tag in LANGUAGES}
    thin[_LIKELY] = {
        tag: full for tag, full in data[_LIKELY].items() if tag.partition("_")[0] in ours
    }
    return thin


def is_thinned(name: str) -> bool:
    """Return whether the file with this name in the executable is thinned."""
    path = Path(name)
    return path.parts[0] == "babel" and path.suffix == ".dat"


def thin_file(source: Path, folder: Path) -> Path:
    """Write a thinned copy of one of babel's data files to `folder`, and return its path."""
    thin = thin_global if source.name == "global.dat" else thin_locale
    copy = folder / source.name
    copy.write_bytes(pickle.dumps(thin(pickle.loads(source.read_bytes())), protocol=2))
    return copy


class _WithoutAnnotations(ast.NodeTransformer):
    """Removes the annotations of all functions."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node


class _WithoutDocstrings(ast.NodeTransformer):
    """Removes the docstrings of all functions."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._strip(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._strip(node)

    def _strip(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        if ast.get_docstring(node, clean=False) is not None:
            node.body[0] = ast.copy_location(ast.Pass(), node.body[0])
        return self.generic_visit(node)


def is_described(module: str) -> bool:
    """Return whether the docstrings of a module's functions are shown to people."""
    package = module.partition(".")[0]
    is_shown = any(f"{module}.".startswith(f"{name}.") for name in WITH_FUNCTION_DOCSTRINGS)
    return is_shown or package not in ("hub", "web")


def compile_thin(source: bytes, file: str, *, optimize: int, with_docstrings: bool) -> CodeType:
    """Compile a module without the annotations of its functions; lines keep their numbers.

    `with_docstrings`: also those of functions.
    """
    tree = _WithoutAnnotations().visit(ast.parse(source))
    if not with_docstrings:
        tree = _WithoutDocstrings().visit(tree)
    return compile(tree, file, "exec", dont_inherit=True, optimize=optimize)
