"""`sitehub simulate`: simulated cameras against any hub, for tests without cameras."""

from __future__ import annotations

import re
from contextlib import suppress
from ipaddress import IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.cli.options import data_option
from hub.errors import BadParameter

if TYPE_CHECKING:
    from hub.simulator.faults import Quirks


def _host(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Accept a host name or an address, without a port."""
    with suppress(ValueError):
        return str(IPv6Address(value.removeprefix("[").removesuffix("]")))
    if not re.fullmatch(r"[\w.-]+", value):
        raise click.BadParameter("a name or an address is expected, such as 192.168.1.5")
    return value


def _quirks(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[Quirks, ...]:
    """Return the quirks that the cameras have in turn."""
    from hub.simulator.faults import FAULTLESS, quirks_of

    try:
        return tuple(quirks_of(value.split(",")) for value in values) or (FAULTLESS,)
    except BadParameter as error:
        raise click.BadParameter(error.message) from None


def _list_faults(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    from hub.simulator.faults import FAULTS

    width = max(len(fault.name) for fault in FAULTS)
    for fault in FAULTS:
        click.echo(f"{fault.name:{width}}  {fault.description}")
    context.exit()


@click.command()
@click.option(
    "--hub",
    "host",
    required=True,
    callback=_host,
    metavar="HOST",
    help="The address or name of the hub.",
)
@click.option(
    "--cameras",
    "count",
    type=click.IntRange(1, 1000),
    default=6,
    show_default=True,
    help="How many cameras.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0, 1000, min_open=True),
    default=0.6,
    show_default=True,
    help="Captures per second of all cameras together, at the busiest hour.",
)
@click.option(
    "--apikey-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help='Output of "sitehub apikey add", with which the cameras are enrolled and, at the end, '
    "removed. Without it they connect and wait to be accepted.",
)
@click.option(
    "--write-csv",
    "csv_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help='Write a CSV file for "sitehub device import", and the public keys beside it.',
)
@click.option(
    "--seed",
    type=int,
    help="The same seed gives the same cameras and captures [default: random].",
)
@click.option(
    "--web-port",
    type=click.IntRange(1, 65535),
    default=8443,
    show_default=True,
    help="The hub's web.port, for uploads and the API.",
)
@click.option(
    "--device-port",
    type=click.IntRange(1, 65535),
    default=8444,
    show_default=True,
    help="The hub's devices.port, for the WebSocket.",
)
@click.option("--no-tls", is_flag=True, help="Connect to both ports without TLS.")
@click.option(
    "--fault",
    "quirks",
    multiple=True,
    callback=_quirks,
    metavar="NAME[,NAME...]",
    help="The faults of a camera. Repeat it to give the cameras different faults in turn: with "
    '"--fault slow,no-ip --fault none" every other camera is slow and sends no address, and the '
    "others have no faults [default: none].",
)
@click.option(
    "--edition",
    type=click.Choice(["1", "2", "3", "mixed"]),
    default="1",
    show_default=True,
    help="The edition of the protocol that the cameras speak. With mixed they have all three in "
    "turn. Cameras of edition 3 connect without a signature.",
)
@click.option(
    "--faults",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_faults,
    help="List the available faults and exit.",
)
@data_option(expose_value=False)
def simulate(
    host: str,
    count: int,
    rate: float,
    apikey_file: Path | None,
    csv_file: Path | None,
    seed: int | None,
    web_port: int,
    device_port: int,
    no_tls: bool,
    quirks: tuple[Quirks, ...],
    edition: str,
) -> None:
    """Run simulated cameras against a hub, until Ctrl-C.

    They connect with keys of their own, send heartbeats, upload faces, events and vehicles, respond
    to every command, and install upgrades. They follow the protocol unless they are given faults.
    Like most cameras, they do not check the hub's certificate.
    """
    import secrets

    from hub.cli.simulate.fleet_run import FleetRun, read_api_key, simulate_cameras
    from hub.simulator.endpoint import HubEndpoint
    from hub.simulator.faults import with_editions

    endpoint = HubEndpoint(
        host, ws_port=device_port, http_port=web_port, ws_tls=not no_tls, http_tls=not no_tls
    )
    simulation = FleetRun(
        endpoint=endpoint,
        web_url=f"{'http' if no_tls else 'https'}://{endpoint.authority}",
        count=count,
        rate=rate,
        seed=secrets.randbits(32) if seed is None else seed,
        api_key=None if apikey_file is None else read_api_key(apikey_file),
        csv_file=csv_file,
        quirks=with_editions(quirks, edition),
    )
    simulate_cameras(simulation)
