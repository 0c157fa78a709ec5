"""`sitehub firmware give` and the commands about campaigns and downloads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.cli.firmware.output import versions_text, with_times
from hub.cli.options import data_option

if TYPE_CHECKING:
    from hub.services.firmware.campaign_views import Campaign, CampaignDevice
    from hub.store.tables.downloads import Download


@click.command("give")
@click.argument("release", type=int)
@click.argument("dids", metavar="[DID]...", nargs=-1)
@click.option("--all", "to_all", is_flag=True, help="All enabled cameras.")
@data_option()
def give(data_dir: Path, release: int, dids: tuple[str, ...], to_all: bool) -> None:
    """Start a campaign for RELEASE, first on the first DID; print its number."""
    from hub.cli.requests import call_api, list_api

    if to_all == bool(dids):
        raise click.UsageError("give either the cameras or --all")
    if to_all:
        dids = tuple(one["did"] for one in list_api(data_dir, "devices") if one["enabled"])
    body = {"release": release, "dids": dids}
    click.echo(call_api(data_dir, "POST", "firmware", "campaigns", body=body)["id"])


@click.command("campaigns")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@data_option()
def campaigns(data_dir: Path, as_json: bool) -> None:
    """List the campaigns."""
    from hub.cli.output import print_list
    from hub.cli.requests import execute
    from hub.process.control.firmware import ListCampaigns

    found = execute(data_dir, ListCampaigns())
    head = ("CAMPAIGN", "RELEASE", "VERSION", "STATE", "DONE")
    print_list(found, head, _summary, as_json=as_json, shown=with_times)


@click.command("campaign")
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
        print_json(with_times(found))
    else:
        print_table(("DID", "NAME", "STATE", "REPORTS", "BYTES"), map(_device_cells, found.devices))


@click.command("pause")
@click.argument("campaign", type=int)
@data_option()
def pause(data_dir: Path, campaign: int) -> None:
    """Stop offering the release of a campaign until it is resumed."""
    _change(data_dir, campaign, "pause")


@click.command("resume")
@click.argument("campaign", type=int)
@data_option()
def resume(data_dir: Path, campaign: int) -> None:
    """Resume a paused campaign."""
    _change(data_dir, campaign, "resume")


@click.command("stop")
@click.argument("campaign", type=int)
@data_option()
def stop(data_dir: Path, campaign: int) -> None:
    """End a campaign permanently."""
    _change(data_dir, campaign, "stop")


@click.command("downloads")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@data_option()
def downloads(data_dir: Path, as_json: bool) -> None:
    """List the downloads of firmware files, newest first."""
    from hub.cli.output import print_list
    from hub.cli.requests import execute
    from hub.process.control.firmware import ListDownloads

    found = execute(data_dir, ListDownloads())
    head = ("DID", "FILE", "STARTED", "ENDED", "BYTES", "OF")
    print_list(found, head, _download_cells, as_json=as_json, shown=with_times)


COMMANDS: tuple[click.Command, ...] = (give, campaigns, campaign, pause, resume, stop, downloads)


def _change(data_dir: Path, campaign: int, step: str) -> None:
    from hub.cli.requests import call_api

    call_api(data_dir, "POST", "firmware", "campaigns", campaign, step)


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
        versions_text(device.reported),
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
