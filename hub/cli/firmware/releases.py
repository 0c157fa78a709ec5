"""`sitehub firmware add`, `list` and `remove`: releases."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub.cli.firmware.output import versions_text, with_times
from hub.cli.options import data_option
from hub.errors import BadParameter

if TYPE_CHECKING:
    from hub.store.tables.firmware import NewRelease, Release
    from hub.wire.uploads.firmware import Versions

#: Option -> file type (2.3).
_FILE_TYPES = {"description_file": 1, "firmware": 2, "app": 3, "model": 4, "license": 5}

#: A path and its file type.
TypedFile = tuple[Path, int]


def _file_option(name: str, help: str) -> Callable[[Any], Any]:
    return click.option(
        f"--{name}",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        multiple=True,
        metavar="FILE",
        help=help,
    )


@click.command("add")
@click.option("--ver-code", type=int, required=True, help="The version that cameras compare.")
@click.option("--ver-name", required=True, help="The version for people, such as v1.2.3.")
@click.option("--description", default="", help="What is new.")
@click.option("--date", help="yyyy-MM-dd HH:mm:ss [default: now].")
@_file_option("description-file", "A description file (type 1).")
@_file_option("firmware", "A firmware file (type 2).")
@_file_option("app", "An app (type 3).")
@_file_option("model", "A model file (type 4).")
@_file_option("license", "A license (type 5).")
@click.option(
    "--reports",
    multiple=True,
    metavar="NAME=VERSION",
    help="What a camera reports after the upgrade: fwVer=V1.2; also swVer, osVer, hwVer.",
)
@click.option(
    "--least",
    multiple=True,
    metavar="NAME=VERSION",
    help="The minimum version that it can replace: fwVer=V1.0 ...",
)
@data_option()
def add(
    data_dir: Path,
    ver_code: int,
    ver_name: str,
    description: str,
    date: str | None,
    reports: Sequence[str],
    least: Sequence[str],
    **files: Sequence[Path],
) -> None:
    """Create a release of 1 to 5 files and print its number."""
    from hub.cli.requests import execute
    from hub.process.control.firmware import AddRelease
    from hub.services.firmware.release_validation import check_release
    from hub.store.tables.firmware import NewComponent, NewRelease

    given = [(path, _FILE_TYPES[option]) for option, paths in files.items() for path in paths]
    release = NewRelease(
        ver_code=ver_code,
        ver_name=ver_name,
        description=description,
        release_date=date,
        components=tuple(NewComponent(path.name, type, "") for path, type in given),
        reports=_versions(reports, "--reports"),
        least=_versions(least, "--least"),
    )
    check_release(release)
    click.echo(execute(data_dir, AddRelease(_with_files(data_dir, release, given))))


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@data_option()
def list_(data_dir: Path, as_json: bool) -> None:
    """List the releases."""
    from hub.cli.output import print_list
    from hub.cli.requests import execute
    from hub.process.control.firmware import ListReleases

    releases = execute(data_dir, ListReleases())
    head = ("RELEASE", "CODE", "VERSION", "DATE", "FILES", "REPORTS")
    print_list(releases, head, _cells, as_json=as_json, shown=with_times)


@click.command("remove")
@click.argument("release", type=int)
@data_option()
def remove(data_dir: Path, release: int) -> None:
    """Remove a release with its files and its ended campaigns."""
    from hub.cli.requests import call_api

    call_api(data_dir, "DELETE", "firmware", "releases", release)


COMMANDS: tuple[click.Command, ...] = (add, list_, remove)


def _with_files(data_dir: Path, release: NewRelease, files: Sequence[TypedFile]) -> NewRelease:
    """Hand the files over to the hub, and return the release with their checksums."""
    from msgspec.structs import replace

    from hub.cli.outside_files import open_source, staged
    from hub.cli.requests import execute
    from hub.process.control.firmware import CheckFirmwareRoom, TakeFirmwareFile
    from hub.services.firmware.releases import staging_path
    from hub.store.firmware_files import MAX_FILE_BYTES

    components = []
    with ExitStack() as stack:
        # All are opened first: the account of the hub, which asks it, may not be able to.
        opened = [stack.enter_context(open_source(data_dir, path)) for path, _ in files]
        # The copies alone could use up the space that is kept free for records.
        size = sum(os.fstat(file.fileno()).st_size for file in opened)
        execute(data_dir, CheckFirmwareRoom(size))
        for component, file in zip(release.components, opened, strict=True):
            with staged(data_dir, file, staging_path(data_dir), MAX_FILE_BYTES) as name:
                sha256 = execute(data_dir, TakeFirmwareFile(name))
            components.append(replace(component, sha256=sha256))
    return replace(release, components=tuple(components))


def _versions(given: Sequence[str], option: str) -> Versions:
    from hub.wire.uploads.firmware import VERSION_NAMES, Versions

    fields = {wire_name: name for name, wire_name in VERSION_NAMES.items()}
    found: dict[str, str] = {}
    for text in given:
        name, _, version = text.partition("=")
        if name not in fields or not version:
            raise BadParameter(f"allowed are {', '.join(fields)}, such as fwVer=V1.2", field=option)
        found[fields[name]] = version
    return Versions(**found)


def _cells(release: Release) -> Sequence[str]:
    return (
        str(release.id),
        str(release.ver_code),
        release.ver_name,
        release.release_date,
        ", ".join(component.name for component in release.components),
        versions_text(release.reports),
    )
