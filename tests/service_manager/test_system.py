"""The command lines that run a command as administrator."""

from __future__ import annotations

import sys

import pytest

from hub.service_manager.system import elevated_command, elevated_command_on_windows


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no sudo")
def test_the_command_can_be_pasted_into_a_shell() -> None:
    words = ["/home/anna/My Files/sitehub", "service", "install"]
    assert elevated_command(words) == "sudo '/home/anna/My Files/sitehub' service install"


def test_on_windows_the_command_asks_for_consent() -> None:
    words = [r"C:\Users\O'Neill\sitehub.exe", "service", "install"]
    assert elevated_command_on_windows(words) == (
        r"Start-Process -Verb RunAs -FilePath 'C:\Users\O''Neill\sitehub.exe' "
        "-ArgumentList 'service','install'"
    )
