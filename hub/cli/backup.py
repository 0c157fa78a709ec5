"""`sitehub backup` and `sitehub restore`."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.cli.options import F, data_option, read_secret
from hub.errors import BackupFault, DamagedBackup

if TYPE_CHECKING:
    from hub.process.control.backups import NewAddresses
    from hub.store.backup.making import FileBackup
    from hub.store.backup.pace import Pace
    from hub.store.backup.restore import RestoreReport
    from hub.store.backup.sealed_file import Sink
    from hub.store.backup.unread import UnreadPack

#: Bytes per second, so that captures do not wait for the disk.
_COPY_SPEED = 80e6
_SHOW_SECONDS = 1.0


def _passphrase_option(help: str, *, is_new: bool = False) -> Callable[[F], F]:
    return click.option(
        "--passphrase-stdin",
        "passphrase",
        is_flag=True,
        callback=lambda context, parameter, given: (
            read_secret("Passphrase", is_new=is_new) if given else None
        ),
        help=help,
    )


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--without-pictures", is_flag=True, help="Leave out the pictures of the records.")
@_passphrase_option(
    "Seal the backup with a passphrase that is read from standard input.", is_new=True
)
@data_option()
def backup(data_dir: Path, file: Path, without_pictures: bool, passphrase: str | None) -> None:
    """Write everything into one FILE: database, pictures, settings, keys and certificates.

    The hub may run meanwhile. The file holds all secrets of the site: protect it, or seal it with
    a passphrase.
    """
    from hub.cli.output import print_line
    from hub.store.backup.sealed_file import check_passphrase

    if passphrase is not None:
        check_passphrase(passphrase)
    with _new_file(data_dir, file) as sink:
        made = _write(data_dir, file, sink, not without_pictures, passphrase)
    for pack in made.omitted.lost:
        print_line(f"without {pack.name}, which was deleted as too old meanwhile", err=True)
    for line in _incomplete(made.omitted.unread):
        print_line(line, err=True)
    if made.omitted.unread:
        print_line("the backup is incomplete: have the disk of the hub replaced", err=True)
    what = "" if made.head.has_pictures else ", without pictures"
    size = file.stat().st_size
    print_line(f"{file}: {made.head.records} records{what}, {size / 1e6:.1f} MB")


def _incomplete(unread: Iterable[UnreadPack]) -> Iterator[str]:
    for pack in unread:
        yield (
            f"{pack.bytes} bytes of {pack.name} could not be read; records whose pictures are "
            f"missing or damaged: {pack.records}"
        )


def _write(
    data_dir: Path, file: Path, sink: Sink, pictures: bool, passphrase: str | None
) -> FileBackup:
    from hub.cli.requests import execute
    from hub.process.control.backups import BeginBackup
    from hub.store.backup.making import (
        SiteDescription,
        take_working_copy,
        working_folder,
        write_backup,
    )
    from hub.store.backup.pace import Pace

    begun = execute(data_dir, BeginBackup(str(file.absolute())))
    site = SiteDescription(begun.site, begun.addresses, time.time())
    pace = Pace(_COPY_SPEED)
    with _shown(pace), working_folder(data_dir) as folder:
        copy = take_working_copy(data_dir, folder, pace, begun.min_free)
        return write_backup(
            sink, data_dir, copy, site, pictures=pictures, passphrase=passphrase, pace=pace
        )


@contextmanager
def _new_file(data_dir: Path, path: Path) -> Iterator[Sink]:
    """Write a file that appears only once it is complete and durable. Raises BackupFault."""
    from hub.cli.outside_files import new_file_outside

    try:
        if path.is_dir():
            raise BackupFault(f"{path} is a folder: name a file in it")
        with new_file_outside(data_dir, path) as file:
            yield file
    except OSError as error:
        raise BackupFault(f"{path} cannot be written: {error.strerror or error}") from error


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--force", is_flag=True, help="Move existing data aside, within the data directory, first."
)
@click.option(
    "--hold-targets",
    is_flag=True,
    help="Forward nothing before `target restored` says what targets get; else all of it again.",
)
@_passphrase_option("Open the backup with a passphrase that is read from standard input.")
@data_option(makes_hub=True)
def restore(
    data_dir: Path, file: Path, force: bool, hold_targets: bool, passphrase: str | None
) -> None:
    """Restore a backup: one FILE, or a generation in the backup folder. No hub may run.

    Nothing is changed before the whole backup has been read and verified.
    """
    from hub.cli.outside_files import open_source
    from hub.cli.requests import execute
    from hub.process import data_directory
    from hub.process.control.backups import CheckAddresses
    from hub.services.backups.views import restored_setting
    from hub.store.backup.pace import Pace
    from hub.store.backup.restore import restore as restore_from

    pace = Pace()
    with (
        open_source(data_dir, file) as opened,
        data_directory.unchanged_if_refused(data_dir),
    ):
        data_directory.act_for_owner(data_dir)
        data_directory.prepare(data_dir)
        with data_directory.held(data_dir, "command"), _shown(pace), _advised():
            report = restore_from(
                opened,
                file.absolute(),
                data_dir.absolute(),
                passphrase=passphrase,
                force=force,
                pace=pace,
                new_settings=lambda head: restored_setting(head.created_at, head.addresses),
                hold_targets=hold_targets,
            )
    _print_report(report, data_dir)
    # This opens the restored database once, before somebody relies on it.
    _print_addresses(execute(data_dir, CheckAddresses()))


@contextmanager
def _advised() -> Iterator[None]:
    try:
        yield
    except DamagedBackup as error:
        raise BackupFault(
            f"{error}; copy it again from where it was made, or restore another one"
        ) from error


def _print_report(report: RestoreReport, data_dir: Path) -> None:
    from hub.cli.output import print_line

    head = report.head
    print_line(f"restored {head.records} records of {head.site}, as of {head.created_at}")
    if not head.has_pictures:
        print_line("the backup is without pictures: the records have none now")
    for day in report.restored.forgotten_days:
        print_line(f"the records of {day} are not in it: the hub had deleted them already")
    if report.erased:
        print_line(f"{report.erased} records were erased after it was made, and stay erased")
    for line in _incomplete(report.unread):
        print_line(line, err=True)
    if count := report.restored.waiting_targets:
        print_line(f"targets that wait for `sitehub target restored`: {count}")
    if report.set_aside:
        print_line(f"the data before is in {data_dir / report.set_aside}: delete it when sure")


def _print_addresses(addresses: NewAddresses | None) -> None:
    from hub.cli.output import print_line

    if addresses is None:
        return
    print_line(f"cameras reached the hub at {', '.join(addresses.before)}; this computer has")
    print_line(f"{', '.join(addresses.now)}: give it the old address, or enter in each camera")
    for url in addresses.urls:
        print_line(f"  {url}")


@contextmanager
def _shown(pace: Pace) -> Iterator[None]:
    """Show the progress of copying if stderr is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    ended = threading.Event()

    def show() -> None:
        while not ended.wait(_SHOW_SECONDS):
            total = f" of {pace.total_bytes / 1e6:.0f}" if pace.total_bytes else ""
            sys.stderr.write(f"\r{pace.done_bytes / 1e6:.0f}{total} MB ")
            sys.stderr.flush()

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        sys.stderr.write("\r\x1b[K")
