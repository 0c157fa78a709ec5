"""`sitehub person sync`: the state of the people on the cameras."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub.cli.options import data_option

if TYPE_CHECKING:
    from hub.process.control.people_sync import DeviceSync

DECISIONS = ("compare", "take-over", "remove-unknown", "leave-alone", "manage")


@click.command("sync")
@click.argument("pid", required=False)
@click.option("--device", "did", help="Only this camera (its did): for --retry and --decide.")
@click.option("--retry", is_flag=True, help="Try again what cameras refused.")
@click.option(
    "--decide",
    "decision",
    type=click.Choice(DECISIONS),
    help=(
        "About the people on --device: compare them with the register; take the unknown ones over "
        "into it, or remove them; leave the camera alone; manage it again."
    ),
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@data_option()
def sync(
    data_dir: Path,
    pid: str | None,
    did: str | None,
    retry: bool,
    decision: Any,
    as_json: bool,
) -> None:
    """Show the sync state of each camera, or of the person PID on each camera."""
    from hub.cli.requests import call_api, execute
    from hub.process.control.people_sync import RetrySync

    if decision is not None and (did is None or pid is not None or retry):
        raise click.UsageError("--decide needs --device, without PID and --retry")
    if did is not None and decision is None and not retry:
        raise click.UsageError("--device needs --retry or --decide")
    if decision is not None and did is not None:
        answer = call_api(data_dir, "POST", "devices", did, "people", decision)
        if "id" in answer:
            click.echo(f"job {answer['id']}")
    elif retry:
        execute(data_dir, RetrySync(did, pid))
    elif pid is not None:
        _show_person(data_dir, pid, as_json=as_json)
    else:
        _show_devices(data_dir, as_json=as_json)


def _show_person(data_dir: Path, pid: str, *, as_json: bool) -> None:
    from hub.cli.output import print_list
    from hub.cli.requests import call_api

    found = call_api(data_dir, "GET", "people", pid, "sync")["items"]
    print_list(found, ("DID", "STATE", "CODE", "ANSWER"), _person_cells, as_json=as_json)


def _show_devices(data_dir: Path, *, as_json: bool) -> None:
    from hub.cli.output import print_list
    from hub.cli.requests import execute
    from hub.process.control.people_sync import ListSync

    found = execute(data_dir, ListSync())
    head = ("DID", "NAME", "STATE", "SHOULD", "IS", "PENDING", "FAILED", "UNKNOWN")
    print_list(found, head, _device_cells, as_json=as_json, shown=lambda one: one.people)


def _person_cells(one: dict[str, Any]) -> tuple[str, ...]:
    return one["did"], one["state"], "" if one["code"] is None else str(one["code"]), one["msg"]


def _device_cells(one: DeviceSync) -> tuple[str, ...]:
    people = one.people
    counts = (people.should, people.is_, people.pending, people.failed, people.unknown)
    return (people.did, one.name, people.state, *map(str, counts))
