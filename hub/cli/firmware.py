"""`sitehub firmware`: releases for cameras, and the campaigns that roll them out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub.cli.options import data_option
from hub.errors import BadParameter, StartFault

if TYPE_CHECKING:
    from hub.services.firmware.campaign_views import Campaign, CampaignDevice
    from hub.services.firmware.downloads import Download
    from hub.services.firmware.releases import NewRelease, Release
    from hub.wire.uploads.firmware import Versions

_CHUNK_BYTES = 1024 * 1024
#: Option -> file type (2.3).
_FILE_TYPES = {"description_file": 1, "firmware": 2, "app": 3, "model": 4, "license": 5}

#: A path and its file type.
TypedFile = tuple[Path, int]


@click.group()
def firmware() -> None:
    """Firmware for cameras: releases, and the campaigns that roll them out.

    A campaign offers a release to chosen cameras: first to one, and when that one reports the new
    version, to the others.
    """


def _file_option(name: str, help: str) -> Callable[[Any], Any]:
    return click.option(
        f"--{name}",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        multiple=True,
        metavar="FILE",
        help=help,
    )


@firmware.command("add")
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
    """Make a release of 1 to 5 files and print its number."""
    from hub.cli.requests import execute
    from hub.process.control.firmware import AddRelease
    from hub.services.firmware.release_validation import check_release
    from hub.services.firmware.releases import NewComponent, NewRelease

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


@firmware.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@data_option()
def list_(data_dir: Path, as_json: bool) -> None:
    """List the releases."""
    from hub.cli.output import print_json, print_table
    from hub.cli.requests import execute
    from hub.process.control.firmware import ListReleases

    releases = execute(data_dir, ListReleases())
    if as_json:
        print_json(_with_times(releases))
    else:
        print_table(
            ("RELEASE", "CODE", "VERSION", "DATE", "FILES", "REPORTS"), map(_cells, releases)
        )


@firmware.command("remove")
@click.argument("release", type=int)
@data_option()
def remove(data_dir: Path, release: int) -> None:
    """Remove a release with its files and its ended campaigns."""
    from hub.cli.requests import execute
    from hub.process.control.firmware import RemoveRelease

    execute(data_dir, RemoveRelease(release))


@firmware.command("give")
@click.argument("release", type=int)
@click.argument("dids", metavar="[DID]...", nargs=-1)
@click.option("--all", "to_all", is_flag=True, help="All enabled cameras.")
@data_option()
def give(data_dir: Path, release: int, dids: tuple[str, ...], to_all: bool) -> None:
    """Start a campaign for RELEASE, first on the first DID; print its number."""
    from hub.cli.requests import execute
    from hub.process.control.firmware import StartCampaign

    if to_all == bool(dids):
        raise click.UsageError("give either the cameras or --all")
    click.echo(execute(data_dir, StartCampaign(release, None if to_all else dids)))


@firmware.command("campaigns")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@data_option()
def campaigns(data_dir: Path, as_json: bool) -> None:
    """List the campaigns."""
    from hub.cli.output import print_json, print_table
    from hub.cli.requests import execute
    from hub.process.control.firmware import ListCampaigns

    found = execute(data_dir, ListCampaigns())
    if as_json:
        print_json(_with_times(found))
    else:
        print_table(("CAMPAIGN", "RELEASE", "VERSION", "STATE", "DONE"), map(_summary, found))


@firmware.command("campaign")
@click.argument("campaign", type=int)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@data_option()
def campaign(data_dir: Path, campaign: int, as_json: bool) -> None:
    """Show the progress of a campaign by camera."""
    from hub.cli.output import print_json, print_table
    from hub.cli.requests import execute
    from hub.process.control.firmware import ListCampaigns

    (found,) = execute(data_dir, ListCampaigns(campaign))
    if as_json:
        print_json(_with_times(found))
    else:
        print_table(("DID", "NAME", "STATE", "REPORTS", "BYTES"), map(_device_cells, found.devices))


@firmware.command("pause")
@click.argument("campaign", type=int)
@data_option()
def pause(data_dir: Path, campaign: int) -> None:
    """Stop offering the release of a campaign until it is resumed."""
    _change(data_dir, campaign, "pause")


@firmware.command("resume")
@click.argument("campaign", type=int)
@data_option()
def resume(data_dir: Path, campaign: int) -> None:
    """Resume a paused campaign."""
    _change(data_dir, campaign, "resume")


@firmware.command("stop")
@click.argument("campaign", type=int)
@data_option()
def stop(data_dir: Path, campaign: int) -> None:
    """End a campaign permanently."""
    _change(data_dir, campaign, "stop")


@firmware.command("downloads")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@data_option()
def downloads(data_dir: Path, as_json: bool) -> None:
    """List the downloads of firmware files, newest first."""
    from hub.cli.output import print_json, print_table
    from hub.cli.requests import execute
    from hub.process.control.firmware import ListDownloads

    found = execute(data_dir, ListDownloads())
    if as_json:
        print_json(_with_times(found))
    else:
        print_table(("DID", "FILE", "STARTED", "ENDED", "BYTES", "OF"), map(_download_cells, found))


def _with_times(value: Any) -> Any:
    """Return `value` with its times as RFC 3339, for JSON."""
    import msgspec

    from hub.wire.times import format_rfc3339

    if isinstance(value, dict):
        return {
            name: format_rfc3339(one)
            if name.endswith("_at") and one is not None
            else _with_times(one)
            for name, one in value.items()
        }
    if isinstance(value, list):
        return [_with_times(one) for one in value]
    if isinstance(value, msgspec.Struct):
        return _with_times(msgspec.to_builtins(value))
    return value


def _change(data_dir: Path, campaign: int, step: Any) -> None:
    from hub.cli.requests import execute
    from hub.process.control.firmware import ChangeCampaign

    execute(data_dir, ChangeCampaign(campaign, step))


def _with_files(data_dir: Path, release: NewRelease, files: Sequence[TypedFile]) -> NewRelease:
    """Hand the files over to the hub, and return the release with their checksums."""
    from msgspec.structs import replace

    from hub.cli.requests import execute
    from hub.process.control.firmware import CheckFirmwareRoom, TakeFirmwareFile

    # Before copying, which alone could use the space that is kept free for records.
    execute(data_dir, CheckFirmwareRoom(sum(path.stat().st_size for path, _ in files)))
    components = []
    for component, (path, _) in zip(release.components, files, strict=True):
        with _staged(data_dir, path) as name:
            sha256 = execute(data_dir, TakeFirmwareFile(name))
        components.append(replace(component, sha256=sha256))
    return replace(release, components=tuple(components))


@contextmanager
def _staged(data_dir: Path, source: Path) -> Iterator[str]:
    """Copy a file into the data directory; yields its name there, and removes it afterwards.

    The hub's user may not be able to read `source`. The hub moves the copy, which is on the same
    file system, without copying it again.
    """
    from hub.process import data_directory
    from hub.services.firmware.releases import MAX_FILE_BYTES, staging_path
    from hub.store.disk import DIRECTORY_MODE

    data_directory.prepare(data_dir)
    path = staging_path(data_dir)
    try:
        if source.stat().st_size > MAX_FILE_BYTES:
            raise StartFault(f"{source} is too large: at most {MAX_FILE_BYTES // 1024**2} MB")
        path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        _copy(source, path, data_dir)
        yield path.name
    except OSError as error:
        raise StartFault(f"cannot copy {source} for the hub: {error.strerror}") from None
    finally:
        path.unlink(missing_ok=True)


def _copy(source: Path, target: Path, data_dir: Path) -> None:
    handle = os.open(
        target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600
    )
    with source.open("rb") as reading, os.fdopen(handle, "wb") as writing:
        _give_to_owner(writing.fileno(), target, data_dir)
        while chunk := reading.read(_CHUNK_BYTES):
            writing.write(chunk)
        writing.flush()
        os.fsync(writing.fileno())


if sys.platform == "win32":

    def _give_to_owner(file: int, path: Path, data_dir: Path) -> None:
        """Do nothing: on Windows the file inherits the permissions of the directory."""
else:

    def _give_to_owner(file: int, path: Path, data_dir: Path) -> None:
        """As root, give the file to the hub's user, without following any link of theirs."""
        if os.geteuid() == 0:
            owner = data_dir.stat()
            for directory in (path.parent.parent, path.parent):
                os.lchown(directory, owner.st_uid, owner.st_gid)
            os.fchown(file, owner.st_uid, owner.st_gid)


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


def _versions_text(versions: Versions) -> str:
    return " ".join(f"{name}={version}" for name, version in versions.told()) or "-"


def _cells(release: Release) -> Sequence[str]:
    return (
        str(release.id),
        str(release.ver_code),
        release.ver_name,
        release.release_date,
        ", ".join(component.name for component in release.components),
        _versions_text(release.reports),
    )


def _summary(campaign: Campaign) -> Sequence[str]:
    return (
        str(campaign.id),
        str(campaign.release.id),
        campaign.release.ver_name,
        campaign.state,
        f"{campaign.done} of {len(campaign.devices)}",
    )


def _device_cells(device: CampaignDevice) -> Sequence[str]:
    state = device.state.replace("_", " ")
    return (
        device.did,
        device.name,
        f"{state}, goes first" if device.is_next else state,
        _versions_text(device.reported),
        str(device.received),
    )


def _download_cells(download: Download) -> Sequence[str]:
    from hub.wire.times import format_rfc3339

    return (
        download.did,
        download.sha256[:12],
        format_rfc3339(download.started_at),
        format_rfc3339(download.ended_at),
        str(download.covered),
        str(download.size),
    )
