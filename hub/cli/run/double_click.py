"""The executable started by a double click: it runs the hub, for a user without a terminal."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import click

from hub.cli.run import browser

_COMMAND = ("run", "--open")
#: Programs that show a message in a window, on systems that open no console.
_DIALOGS = (
    ("zenity", "--error", "--no-markup", "--text"),
    ("kdialog", "--error"),
    ("xmessage", "-center"),
)
#: Time for the browser to start before the console closes.
_BROWSER_SECONDS = 2.0

_WHAT_TO_DO = """\
sitehub did not start. The line above says why. Solve the problem, then start it again.
  In use (port, data)        close the other sitehub, or the program that uses the port
  Not permitted, read-only   use another data directory: sitehub run --data FOLDER
  A newer version            use the newer sitehub that wrote the data

sitehub 没有启动。上面一行是原因（英文）。处理后请重新启动。
  端口或数据被占用（in use, already running）：请先关闭另一个 sitehub 或占用端口的程序
  没有权限或磁盘只读（cannot write, not permitted）：请换一个数据目录：sitehub run --data 目录
  数据来自更新的版本（newer sitehub）：请改用写入该数据的新版 sitehub
"""
_CLOSE = "Press Enter to close this window. 按回车键关闭窗口。"


class CommandOutcome(NamedTuple):
    """The result of a command line."""

    status: int
    #: One line; empty if nothing failed.
    fault: str = ""
    already_running: bool = False


def is_double_click(arguments: Sequence[str]) -> bool:
    """Return whether this executable was started without arguments and outside a terminal."""
    return getattr(sys, "frozen", False) and not arguments and not _has_terminal()


def serve(carry_out: Callable[[Sequence[str]], CommandOutcome]) -> int:
    """Run the hub until it is stopped, and return the exit status."""
    outcome = carry_out(_COMMAND)
    if outcome.already_running and browser.has_desktop():
        return _show_running_hub()
    if outcome.fault:
        _keep_open(outcome.fault)
    return outcome.status


def _show_running_hub() -> int:
    """Open the dashboard of the hub that is already running."""
    from hub import config_sources
    from hub.process import data_directory

    web = config_sources.load(data_directory.default_path(), environment=os.environ).web
    browser.show(f"{'https' if web.tls else 'http'}://localhost:{web.port}/")
    time.sleep(_BROWSER_SECONDS)
    return 0


if sys.platform == "win32":

    def _has_terminal() -> bool:
        """Return whether the console has a process besides our two, such as a shell."""
        import ctypes

        processes = (ctypes.c_ulong * 4)()
        return int(ctypes.windll.kernel32.GetConsoleProcessList(processes, 4)) > 2

    def _keep_open(fault: str) -> None:
        click.echo(f"\n{_WHAT_TO_DO}\n{_CLOSE}", err=True)
        sys.stdin.readline()
else:

    def _has_terminal() -> bool:
        return any(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))

    def _keep_open(fault: str) -> None:
        """Show the message in a dialog, if there is a program for that."""
        click.echo(_WHAT_TO_DO, err=True)
        known = [words for words in _DIALOGS if shutil.which(words[0])]
        if browser.has_desktop() and known:
            subprocess.run([*known[0], f"{fault}\n\n{_WHAT_TO_DO}"], check=False)
