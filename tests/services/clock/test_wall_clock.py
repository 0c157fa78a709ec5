"""Who reads the wall clock, which may be wrong, and why that does no harm.

Everybody else is given a `Reading`, a `LikelyTime` or the expiry clock. Whoever is missing here
is new: ask for one of these, or say why not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import hub
import web

_COMPOSITION = ("hub/app.py", "hub/services/core.py")
_ROOTS = (Path(hub.__file__).parent, Path(web.__file__).parent)
#: Programs of their own, on which no rule of a site depends.
_OTHER_PROGRAMS = ("cli", "central", "simulator", "service_manager", "update")

#: What parts call the wall clock that they are given, and its time in milliseconds.
_READINGS = {"_now", "_now_ms", "now_ms", "_ms"}

DATES = "it dates what is stored or shown, and nothing is decided by it"
#: Who reads the wall clock of the core, or is given it where a hub is put together.
GIVEN = {
    "Admission": "it dates connects; its delays bear a clock that is set back",
    "AddressMoves": "how long a camera is waited for is only shown",
    "AlarmWatch": "it dates alarms; two such times are compared by is_past",
    "RaisedAlarms": DATES,
    "ApiKeys": "it dates uses; used signatures are kept while the clock is doubted",
    "Audit": DATES,
    "CameraCapabilities": DATES,
    "CameraReadings": "in doubt the camera is asked again",
    "Campaigns": DATES,
    "Commands": DATES,
    "ConnectChecks": "what is signed by it is judged by SignedTimes as well",
    "Core": "it hands it on",
    "DeviceAvailability": "it knows of steps, and its memory goes once the clock is trusted",
    "DeviceCheck": "it dates checks, which are due by is_past",
    "DeviceFiles": DATES,
    "Devices": "it dates reports; an earlier key ends by it, see docs/operations.md, Time",
    "Downloads": "it dates them; links end by the expiry clock",
    "Erasures": DATES,
    "FrameTraces": DATES,
    "Forwarders": "it dates tries, as Targets does",
    "Health": "it tells what the clock shows",
    "HealthChecks": DATES,
    "Holds": "it dates them; they end once the clock is trusted",
    "Imports": "old files are removed only while the clock is not doubted",
    "Ingest": DATES,
    "Jobs": "it dates them; old ones are removed only while the clock is not doubted",
    "Maintenance": "old days and pictures go once the clock is trusted",
    "ManyDevices": DATES,
    "OldTls": "it is only shown",
    "PendingDevices": "it forgets what is only shown, and cameras come again",
    "PeopleRegister": "what an API key saw is noted again",
    "PeopleSync": "it dates comparisons and absences, which are compared by is_past",
    "Registry": DATES,
    "RetentionPolicy": "by it the day is known that is being written, and stays",
    "Reviews": "a line between new and seen moves, which a person sees",
    "SavedSearches": DATES,
    "Senders": "it dates messages, as Targets does",
    "SignedTimes": "the likely time stands beside it",
    "SiteClock": "it is what judges the clock",
    "SiteFigures": DATES,
    "SiteView": "what is recent is only told again",
    "Targets": "it dates tries and messages, as their receivers compare them with their clocks",
    "UnsignedConnects": "it dates connects; nobody is let in by it",
    "Updates": DATES,
    "Users": DATES,
    "open_store": "it dates records and days, which are dated again by the known steps",
}
#: Who asks the operating system.
ASKED = {
    "hub/outside.py": "it is given on from here",
    "hub/process/executable.py": "how old files are that another process left",
    "hub/store/backup/making.py": "how old files are that another process left",
    "hub/store/backup/restore.py": "it names a folder",
    "hub/store/recovery/held.py": "it dates a hold, while no hub runs",
    "web/http/connection.py": "the date of an HTTP answer",
}


def test_the_wall_clock_is_given_to_those_alone_who_do_no_harm_with_it() -> None:
    readers = {name for path, tree in _trees() for name in _readers(path, tree)}
    assert readers == set(GIVEN)


def test_who_only_dates_with_it_compares_nothing_with_it() -> None:
    dating = {name for name, reason in GIVEN.items() if reason == DATES}
    classes = [
        node
        for _, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name in dating
    ]
    assert {found.name for found in classes} == dating
    assert {found.name for found in classes if any(map(_compares, _functions(found)))} == set()


def test_nobody_else_asks_the_operating_system_for_the_time() -> None:
    assert {name for name, tree in _trees() if _asks(tree)} == set(ASKED)


def _readers(path: str, tree: ast.AST) -> Iterator[str]:
    """The names of classes that read the core's clock, and of what is called with it."""
    is_composition = path in _COMPOSITION or path.startswith("hub/services/areas/")
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and _uses(node):
            yield node.name
        if isinstance(node, ast.Call) and is_composition:
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            if any(map(_is_now, given)):
                yield ast.unparse(node.func)


def _functions(tree: ast.AST) -> Iterator[ast.AST]:
    return (
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def _compares(function: ast.AST) -> bool:
    """Whether a time that is read here, or a difference to it, is compared with anything."""
    nodes = list(ast.walk(function))
    times: set[str] = set()
    for node in (node for node in nodes if isinstance(node, ast.Assign) and _reads(node, times)):
        times |= {
            one.id
            for one in ast.walk(node)
            if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
        }
    return any(
        _reads(node, times)
        for node in nodes
        if isinstance(node, ast.Compare)
        or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub))
    )


def _reads(tree: ast.AST, times: set[str]) -> bool:
    """Whether it is a time of the wall clock, one of `times`, or worked out from these."""
    if isinstance(tree, ast.Call):
        is_asked = isinstance(tree.func, ast.Attribute) and tree.func.attr in _READINGS
        return is_asked or (
            ast.unparse(tree.func) in ("int", "round", "min", "max", "abs")
            and any(_reads(one, times) for one in tree.args)
        )
    if isinstance(tree, ast.Name):
        return tree.id in times
    return any(_reads(one, times) for one in ast.iter_child_nodes(tree))


def _uses(tree: ast.AST) -> bool:
    return any(_is_now(node) for node in ast.walk(tree))


def _is_now(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr == "now"
        and ast.unparse(node.value) in ("core", "self._core", "outside")
    )


def _trees() -> Iterator[tuple[str, ast.AST]]:
    for root in _ROOTS:
        for path in root.rglob("*.py"):
            name = path.relative_to(root.parent).as_posix()
            if name.split("/")[1] not in _OTHER_PROGRAMS:
                yield name, ast.parse(path.read_text("utf-8"))


def _asks(tree: ast.AST) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and (ast.unparse(node.value), node.attr)
        in {("time", "time"), ("datetime", "now"), ("datetime", "today"), ("date", "today")}
        for node in ast.walk(tree)
    )
