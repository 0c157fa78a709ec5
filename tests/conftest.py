"""Rules for every test: a frozen clock, no network, no unexpected error in the log."""

from __future__ import annotations

import gc
import importlib
import ipaddress
import logging
import os
import re
import shutil
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, settings
from trio.abc import Clock, Instrument
from trio.testing import MockClock

import hub.log
from tests.support.clock import FrozenClock
from tests.support.new_databases import copied_new_databases
from tests.support.reused_keys import begin_with_first_keys, reused_keys

_TESTS = Path(__file__).resolve().parent

# The same examples in each run, and no deadline: the machine may be busy.
settings.register_profile(
    "same examples",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("same examples")


#: Set, it has each hub and command that a test starts compile its modules again, for seconds, and
#: each process of the tests rewrite all asserts.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "expects_error(pattern): errors in the log that match the pattern are part of the test, "
        "and there must be one",
    )
    config.addinivalue_line(
        "markers",
        "jumping_clock: trio's clock jumps to the next deadline while all wait, or not (False)",
    )
    # Of what is imported and collected nothing ends.
    gc.disable()
    _leave_out_long_tests(config)
    _write_to_memory()


def _leave_out_long_tests(config: pytest.Config) -> None:
    """Run long tests only if the command names files, folders (`pytest tests`) or markers."""
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS and not config.option.markexpr:
        config.option.markexpr = "not long"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Use one more than there are processors: some tests wait for a process or a thread."""
    return (os.cpu_count() or 1) + 1


def pytest_collection(session: pytest.Session) -> None:
    """Share out the compiling of all tests, which takes half a minute, among the processes.

    Each would do it for itself: all begin at once, with the same file.
    """
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if count == 1 or [Path(path).resolve() for path in session.config.args] != [_TESTS]:
        return
    number = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
    for path in sorted(_TESTS.rglob("test_*.py"))[number::count]:
        # What is wrong with it is told where it is collected.
        with suppress(Exception, pytest.skip.Exception):
            importlib.import_module(".".join(path.relative_to(_TESTS.parent).with_suffix("").parts))


#: A whole run needs a tenth of it.
_ROOM_IN_MEMORY = 4_000_000_000


def _write_to_memory() -> None:
    """Put the tests' files on a file system in memory, if there is one with room for them.

    A store waits for the disk some forty times until it is open and closed again, and thousands of
    tests open one. No test needs a disk: what one does wrong is simulated.
    """
    memory = Path("/dev/shm")
    if not (memory.is_dir() and os.access(memory, os.W_OK)):
        return
    may_run_programs = not os.statvfs(memory).f_flag & os.ST_NOEXEC
    if may_run_programs and shutil.disk_usage(memory).free > _ROOM_IN_MEMORY:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        marker = item.get_closest_marker("jumping_clock")
        is_meant = marker is not None and marker.args != (False,)
        if is_meant and iscoroutinefunction(_function_of(item)):
            item.add_marker(pytest.mark.trio(run=_run_in_jumping_time), append=False)


def _function_of(item: pytest.Item) -> Any:
    function = getattr(item, "obj", None)
    return function.hypothesis.inner_test if hasattr(function, "hypothesis") else function


def _run_in_jumping_time(test: Any, clock: Clock | None, instruments: Sequence[Instrument]) -> None:
    trio.run(test, clock=clock or MockClock(autojump_threshold=0), instruments=instruments)


def pytest_collection_finish() -> None:
    """Keep the collector from looking at modules and thousands of tests again in each test."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Escape lone surrogates in captured logs: test processes exchange UTF-8."""
    return _as_utf8((yield))


def _as_utf8(data: Any) -> Any:
    match data:
        case str():
            return data.encode("utf-8", "backslashreplace").decode("utf-8")
        case dict():
            return {key: _as_utf8(value) for key, value in data.items()}
        case list() | tuple():
            return type(data)(_as_utf8(item) for item in data)
    return data


@pytest.fixture(scope="session", autouse=True)
def _databases_and_keys_are_made_once() -> Iterator[None]:
    with copied_new_databases(), reused_keys():
        yield


@pytest.fixture
def clock() -> FrozenClock:
    """A wall clock that moves only when advanced; pass it wherever `now` is needed."""
    return FrozenClock()


@pytest.fixture(autouse=True)
def _begin_anew() -> None:
    # A line of an earlier test must not suppress one that this test looks for.
    hub.log.forget_limited()
    begin_with_first_keys()


@pytest.fixture(autouse=True)
def _no_unexpected_error_in_the_log(
    request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    yield
    expected = [marker.args[0] for marker in request.node.iter_markers("expects_error")]
    errors = [
        record
        for phase in ("setup", "call")
        for record in caplog.get_records(phase)
        if record.levelno >= logging.ERROR
    ]
    messages = [logging.Formatter().format(record) for record in errors]
    missing = [p for p in expected if not any(re.search(p, message) for message in messages)]
    surprises = [m for m in messages if not any(re.search(p, m) for p in expected)]
    if surprises:
        pytest.fail("unexpected error in the log:\n" + "\n".join(surprises), pytrace=False)
    if missing:
        pytest.fail(f"no error in the log matches {missing}", pytrace=False)


def _is_this_machine(host: object) -> bool:
    if not isinstance(host, str) or host in ("", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _refuse_the_network(event: str, args: tuple[object, ...]) -> None:
    """Audit hook: whatever code opens a socket, it may connect to this machine only."""
    if event == "socket.connect":
        address = args[1]
        if isinstance(address, tuple) and not _is_this_machine(address[0]):
            raise RuntimeError(f"a test tried to reach the network: {address}")


sys.addaudithook(_refuse_the_network)
