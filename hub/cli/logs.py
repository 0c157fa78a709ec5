"""`sitehub logs`: prints the log of the hub."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

import click

from hub.cli.options import data_option
from hub.errors import StartFault

if TYPE_CHECKING:
    from hub.process.log_files import LevelFilter, LogFileReader

_POLL_SECONDS = 0.25
_LEVELS = ("debug", "info", "warning", "error")


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Print new lines as they come, until Ctrl-C.")
@click.option(
    "--lines",
    "-n",
    type=click.IntRange(0, 1_000_000),
    default=200,
    show_default=True,
    help="Print at most this many of the newest lines.",
)
@click.option(
    "--level",
    type=click.Choice(_LEVELS),
    default="debug",
    help="Leave out lines below this level.",
)
@data_option()
def logs(data_dir: Path, follow: bool, lines: int, level: str) -> None:
    """Print the log, the oldest line first.

    It reads the files in "logs" of the data directory. If there are none, it reads the journal of
    the service (Linux).
    """
    from hub.process import data_directory
    from hub.process.log_files import Level, LevelFilter, LogFileReader

    assert get_args(Level) == _LEVELS
    filter = LevelFilter(cast(Level, level))
    data_directory.act_for_owner(data_dir)
    reader = LogFileReader(data_dir / data_directory.LOGS)
    with _quiet_end():
        if reader.has_files():
            _print_files(reader, filter, lines, follow=follow)
        elif _has_journal(data_dir):
            _print_journal(filter, lines, follow=follow)
        else:
            raise StartFault(
                f"there is no log in {data_dir / data_directory.LOGS}: a hub that runs in a "
                "terminal writes it there only"
            )


def _print_files(reader: LogFileReader, filter: LevelFilter, lines: int, *, follow: bool) -> None:
    from hub.process.log_files import show_lines

    _print(reader.last(lines, filter))
    while follow:
        time.sleep(_POLL_SECONDS)
        _print(show_lines(reader.read(), filter))


def _print_journal(filter: LevelFilter, lines: int, *, follow: bool) -> None:
    from hub.process.log_files import show_lines
    from hub.service_manager import NAME

    command = ["journalctl", "--unit", NAME, "--output", "cat", "--no-pager", "--lines", str(lines)]
    if follow:
        command.append("--follow")
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace"
    ) as journal:
        assert journal.stdout is not None
        try:
            _print(show_lines((line.rstrip("\r\n") for line in journal.stdout), filter))
        finally:
            journal.terminate()


def _print(lines: Iterator[str] | list[str]) -> None:
    from hub.folding import visible

    for line in lines:
        click.echo(visible(line))
    sys.stdout.flush()


@contextmanager
def _quiet_end() -> Iterator[None]:
    """End quietly on Ctrl-C, and when the reader of the output has closed it."""
    try:
        yield
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        # Python would complain when it flushes the stream at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if sys.platform == "win32":

    def _has_journal(data_dir: Path) -> bool:
        """Return False: Windows has none."""
        return False
else:
    import shutil

    def _has_journal(data_dir: Path) -> bool:
        """Return whether this is the data directory of a service whose log is in the journal."""
        from hub.service_manager.system import system_service

        is_of_service = data_dir.resolve() == system_service().data.resolve()
        return is_of_service and shutil.which("journalctl") is not None
