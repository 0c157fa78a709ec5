"""A double click on the executable: it runs the hub, opens the browser, and explains failures."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from hub.cli.run import browser, double_click
from hub.cli.run.double_click import CommandOutcome


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def executable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process look like the executable, started from a desktop."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setenv("DISPLAY", ":0")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that were opened in the browser."""
    addresses: list[str] = []
    monkeypatch.setattr("webbrowser.open", addresses.append)
    return addresses


def let_it_open() -> None:
    for thread in threading.enumerate():
        if thread.daemon and thread is not threading.current_thread():
            thread.join(0.1)


posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows counts who has the console")


@posix
@pytest.mark.usefixtures("executable")
def test_an_executable_without_arguments_and_terminal_is_a_double_click() -> None:
    assert double_click.is_double_click([])
    assert not double_click.is_double_click(["version"])


@posix
@pytest.mark.usefixtures("executable")
@pytest.mark.parametrize("name", ["stdin", "stdout", "stderr"])
def test_with_a_terminal_it_is_no_double_click(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, name, Terminal())
    assert not double_click.is_double_click([])


def test_the_command_of_a_python_environment_is_no_double_click() -> None:
    assert not double_click.is_double_click([])


@pytest.mark.usefixtures("executable")
def test_it_runs_the_hub_and_opens_the_browser(opened: list[str]) -> None:
    given: list[Sequence[str]] = []

    def carry_out(words: Sequence[str]) -> CommandOutcome:
        given.append(words)
        browser.show("https://hub/setup/link")
        return CommandOutcome(0)

    assert double_click.serve(carry_out) == 0
    assert given == [("run", "--open")]
    let_it_open()
    assert opened == ["https://hub/setup/link"]


def test_without_a_desktop_no_browser_is_opened(
    opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    browser.show("https://hub/")
    let_it_open()
    assert opened == []


@pytest.mark.usefixtures("executable")
def test_a_second_double_click_opens_the_dashboard_of_the_running_hub(
    opened: list[str], data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(double_click, "_BROWSER_SECONDS", 0)
    monkeypatch.setattr("hub.process.data_directory.default_path", lambda: data_dir)
    monkeypatch.setenv("SITEHUB_WEB_PORT", "9443")
    outcome = CommandOutcome(1, "sitehub: a hub is already running", already_running=True)
    assert double_click.serve(lambda words: outcome) == 0
    let_it_open()
    assert opened == ["https://localhost:9443/"]


@posix
@pytest.mark.usefixtures("executable")
def test_a_failure_is_shown_in_a_dialog_in_both_languages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = tmp_path / "said"
    zenity = tmp_path / "zenity"
    zenity.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {said}\n')
    zenity.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert double_click.serve(lambda words: CommandOutcome(1, "sitehub: port 8443 is in use")) == 1
    text = said.read_text("utf-8")
    assert "port 8443 is in use" in text
    assert "sitehub 没有启动" in text
    assert "sitehub did not start" in capsys.readouterr().err
