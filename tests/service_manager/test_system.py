"""Whose rights are needed, and the command that has them."""

from __future__ import annotations

import sys

import pytest

from hub.service_manager.system import with_rights, with_rights_on_windows


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no sudo")
def test_the_command_can_be_given_as_it_stands() -> None:
    words = ["/home/anna/My Files/sitehub", "service", "install"]
    assert with_rights(words) == "sudo '/home/anna/My Files/sitehub' service install"


def test_on_windows_it_asks_for_consent() -> None:
    words = [r"C:\Users\O'Neill\sitehub.exe", "service", "install"]
    assert with_rights_on_windows(words) == (
        r"Start-Process -Verb RunAs -FilePath 'C:\Users\O''Neill\sitehub.exe' "
        "-ArgumentList 'service','install'"
    )
