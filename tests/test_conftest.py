"""The checks that apply to every test."""

from __future__ import annotations

import logging
import socket

import pytest

from tests.support.clock import FrozenClock

pytest_plugins = ["pytester"]


def test_the_clock_moves_only_when_advanced(clock: FrozenClock) -> None:
    before = clock()
    assert clock() == before
    clock.advance(2.5)
    assert clock() == before + 2.5
    assert clock.ms == round((before + 2.5) * 1000)


def test_a_test_cannot_reach_the_network() -> None:
    with socket.socket() as sock, pytest.raises(RuntimeError, match="reach the network"):
        sock.connect(("192.0.2.1", 80))


@pytest.mark.expects_error("the cellar is flooded")
def test_a_test_can_expect_an_error_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("hub.cellar").error("the cellar is flooded")
    assert caplog.messages == ["the cellar is flooded"]


def test_an_unexpected_error_in_the_log_fails_a_test(
    pytester: pytest.Pytester, caplog: pytest.LogCaptureFixture
) -> None:
    pytester.makeconftest(
        "from tests.conftest import *\nfrom tests.conftest import "
        "_begin_anew, _no_unexpected_error_in_the_log"
    )
    pytester.makepyfile(
        """
        import logging, pytest

        def test_surprise():
            logging.getLogger("hub").error("what is this")

        @pytest.mark.expects_error("the flood")
        def test_nothing_came():
            pass

        @pytest.mark.expects_error("the flood")
        def test_it_came():
            logging.getLogger("hub").error("the flood")
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    caplog.clear()
    assert result.parseoutcomes() == {"passed": 3, "errors": 2}
    result.stdout.fnmatch_lines(["*unexpected error in the log*", "*what is this*"])


def test_long_tests_run_if_they_are_named(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("from tests.conftest import pytest_configure")
    pytester.makeini("[pytest]\ntestpaths = .\nmarkers = long")
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.long
        def test_long():
            pass

        def test_short():
            pass
        """
    )
    for arguments, passed in (([], 1), (["."], 2), (["-m", "long"], 1)):
        result = pytester.runpytest_inprocess("-p", "no:cacheprovider", *arguments)
        assert result.parseoutcomes().get("passed", 0) == passed


def test_logs_with_lone_surrogates_are_passed_between_test_processes(
    request: pytest.FixtureRequest,
) -> None:
    sections = [("Captured log call", "half a character: \ud800")]
    report = pytest.TestReport("a", ("a", 1, "a"), {}, "passed", None, "call", sections)
    hook = request.config.hook
    data = hook.pytest_report_to_serializable(config=request.config, report=report)
    assert data["sections"] == [("Captured log call", r"half a character: \ud800")]
    again = hook.pytest_report_from_serializable(config=request.config, data=data)
    assert again.passed
