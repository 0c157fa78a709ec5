"""`sitehub target`: other systems that records are forwarded to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from hub.cli.options import data_option, read_password, read_pem
from hub.errors import StartFault

if TYPE_CHECKING:
    from hub.process.control.targets import AddTarget, ListedTarget
    from hub.services.forwarding.nats.identity import Identity
    from hub.services.forwarding.targets import PictureChoice, Selection, TargetKind

F = TypeVar("F", bound=Callable[..., Any])

_MAX_DIGITS = 18
_KINDS = ("face", "event", "vehicle", "access", "hub")
_URL = (
    "The address: https:// or http:// for a webhook, tls:// or nats:// for NATS (servers separated "
    "by commas), mqtts:// or mqtt:// for MQTT."
)
_NAME = "The name of the target [default: the host of its address, with a number if it is taken]."
_CA = "PEM file of the authority that signed the server's certificate."
_CHOICE = click.option(
    "--pictures",
    type=click.Choice(("none", "alarms", "all")),
    help="Pictures to send: none, only with alarms, or all.",
)
_CHOSEN_KINDS = click.option(
    "--kinds", metavar="K,...", help=f"Send only records of these kinds: {', '.join(_KINDS)}."
)


_CAMERAS = click.option("--cameras", metavar="ID,...", help="Send only records of these cameras.")
_TYPES = click.option(
    "--types", metavar="N,...", help="Send only events of these types, e.g. 3; see the code tables."
)


def _identity_options(command: F) -> F:
    """Add the options by which the hub authenticates to NATS or MQTT."""
    path = click.Path(path_type=Path)
    for option in (
        click.option("--key", type=path, help="PEM file with the key of that certificate."),
        click.option(
            "--cert", type=path, help="PEM file with the client certificate for NATS or MQTT."
        ),
        click.option(
            "--password-stdin", is_flag=True, help="Read the password from standard input."
        ),
        click.option("--user", default="", help="User name for NATS or MQTT."),
    ):
        command = option(command)
    return command


def _mqtt_options(command: F) -> F:
    """Add the options of MQTT targets."""
    for option in (
        click.option(
            "--commands/--no-commands",
            default=None,
            help="Let MQTT restart cameras and acknowledge alarms [default: no].",
        ),
        click.option(
            "--home-assistant/--no-home-assistant",
            default=None,
            help="Announce the cameras to Home Assistant over MQTT [default: yes].",
        ),
    ):
        command = option(command)
    return command


@click.group()
def target() -> None:
    """Other systems that records are forwarded to as they arrive, in order and without a gap."""


@target.command("add")
@click.argument("kind", type=click.Choice(("webhook", "mqtt", "nats")), required=False)
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path),
    help="Read the connection from the file that `sitehub central enrol` wrote for this hub.",
)
@click.option("--url", default="", help=_URL)
@click.option("--name", default="", help=_NAME)
@_CHOSEN_KINDS
@_CAMERAS
@_TYPES
@_CHOICE
@click.option("--no-alarms", is_flag=True, help="Do not send alarms.")
@click.option("--ca", type=click.Path(path_type=Path), help=_CA)
@click.option("--hub", "hub_name", default="", help="The name of this hub at the target.")
@click.option(
    "--partition",
    type=click.IntRange(0, 15),
    help="The NATS stream, SITEHUB_0 to SITEHUB_15 [default: chosen by the name of the hub].",
)
@_identity_options
@_mqtt_options
@click.option(
    "--from",
    "begin",
    type=click.Choice(("now", "beginning")),
    default="now",
    show_default=True,
    help="Begin with the next record, or with the first one of the log.",
)
@data_option()
def add(
    data_dir: Path,
    kind: TargetKind | None,
    file: Path | None,
    url: str,
    name: str,
    kinds: str | None,
    cameras: str | None,
    types: str | None,
    pictures: PictureChoice | None,
    no_alarms: bool,
    ca: Path | None,
    hub_name: str,
    partition: int | None,
    user: str,
    password_stdin: bool,
    cert: Path | None,
    key: Path | None,
    home_assistant: bool | None,
    commands: bool | None,
    begin: Literal["now", "beginning"],
) -> None:
    """Add a target and print {"id", "secret"}. The secret cannot be shown again.

    Only a webhook has a secret. Give either KIND with --url, or --file.
    """
    from hub.cli.output import print_json
    from hub.cli.requests import execute
    from hub.process.control.targets import AddTarget
    from hub.services.forwarding.mqtt.options import MqttOptions
    from hub.services.forwarding.targets import Selection

    mqtt = MqttOptions(home_assistant=home_assistant, commands=commands)
    selection = Selection(
        kinds=_kinds(kinds),  # type: ignore[arg-type]
        dids=_numbers("--cameras", cameras),
        types=tuple(map(int, _numbers("--types", types))),
        alarms=not no_alarms,
        pictures=pictures or "none",
    )
    if file is not None:
        said = (kind, url, ca, hub_name, partition is not None, user, password_stdin, cert, key)
        if any(said) or mqtt != MqttOptions():
            raise click.UsageError("--file says where the target is: leave out what it says")
        request = _of_file(data_dir, file, name, selection, begin)
    elif kind is None or not url:
        raise click.UsageError("KIND and --url are expected, or --file")
    else:
        identity = _identity(data_dir, user, password_stdin, cert, key)
        authority = _read(data_dir, ca) or ""
        request = AddTarget(
            kind, url, name, authority, selection, hub_name, begin, identity, partition, mqtt
        )
    print_json(execute(data_dir, request))


@target.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@data_option()
def list_(data_dir: Path, as_json: bool) -> None:
    """List the targets with their state and how many records they are behind."""
    from hub.cli.output import print_json, print_table
    from hub.cli.requests import execute
    from hub.process.control.targets import ListTargets

    found = execute(data_dir, ListTargets())
    if as_json:
        print_json(found)
    else:
        print_table(
            ("TARGET", "KIND", "NAME", "STATE", "BEHIND", "PARKED", "GAPS", "WHY"),
            [_row(one) for one in found],
        )


@target.command("set")
@click.argument("which", metavar="TARGET")
@click.option("--name", help=_NAME)
@click.option("--url", help=_URL)
@click.option("--ca", type=click.Path(path_type=Path), help=_CA)
@_CHOSEN_KINDS
@_CAMERAS
@_TYPES
@_CHOICE
@_identity_options
@_mqtt_options
@data_option()
def set_(
    data_dir: Path,
    which: str,
    name: str | None,
    url: str | None,
    ca: Path | None,
    kinds: str | None,
    cameras: str | None,
    types: str | None,
    pictures: str | None,
    user: str,
    password_stdin: bool,
    cert: Path | None,
    key: Path | None,
    home_assistant: bool | None,
    commands: bool | None,
) -> None:
    """Change a target, given by its number or name.

    Giving a user or a certificate replaces the whole identity. An empty list of kinds, cameras or
    types means all.
    """
    from hub.cli.requests import execute
    from hub.process.control.targets import ChangeTarget
    from hub.services.forwarding.mqtt.options import MqttOptions

    chosen = None if kinds is None else _kinds(kinds)
    identity = _identity(data_dir, user, password_stdin, cert, key)
    mqtt = MqttOptions(home_assistant=home_assistant, commands=commands)
    dids = None if cameras is None else _numbers("--cameras", cameras)
    numbers = None if types is None else tuple(map(int, _numbers("--types", types)))
    authority = _read(data_dir, ca)
    execute(
        data_dir,
        ChangeTarget(which, name, url, authority, chosen, pictures, identity, mqtt, dids, numbers),
    )


@target.command("remove")
@click.argument("which", metavar="TARGET")
@data_option()
def remove(data_dir: Path, which: str) -> None:
    """Remove a target. Nothing more is sent to it."""
    from hub.cli.requests import execute
    from hub.process.control.targets import RemoveTarget

    execute(data_dir, RemoveTarget(which))


@target.command("test")
@click.argument("which", metavar="TARGET")
@data_option()
def test(data_dir: Path, which: str) -> None:
    """Send a test message and report the result. Exit status 1 if it failed."""
    from hub.cli.output import print_line
    from hub.cli.requests import execute
    from hub.process.control.targets import TestTarget

    delivery = execute(data_dir, TestTarget(which))
    if delivery.reason:
        raise StartFault(f"it was not delivered: {delivery.reason}")
    answer = "" if delivery.status is None else f": it answered {delivery.status}"
    print_line(f"delivered in {delivery.took_ms} ms{answer}")


@target.command("retry")
@click.argument("which", metavar="TARGET")
@data_option()
def retry(data_dir: Path, which: str) -> None:
    """Retry at once what is waiting, held or refused."""
    from hub.cli.output import print_line
    from hub.cli.requests import execute
    from hub.process.control.targets import RetryTarget

    now = execute(data_dir, RetryTarget(which))
    print_line(f"{now.state}, {now.behind} records behind, {now.parked} refused")


def _of_file(
    data_dir: Path,
    path: Path,
    name: str,
    selection: Selection,
    begin: Literal["now", "beginning"],
) -> AddTarget:
    """Return a request whose connection is read from a file. Raises StartFault."""
    from hub.cli.outside_files import read_source
    from hub.errors import BadParameter
    from hub.process.control.targets import AddTarget
    from hub.services.forwarding.target_file import read_target_file

    try:
        found = read_target_file(read_source(data_dir, path))
    except BadParameter as error:
        raise StartFault(f"{path} cannot be used: {error}") from error
    return AddTarget(
        found.kind,
        found.url,
        name,
        found.ca,
        selection,
        found.hub,
        begin,
        found.identity,
        found.partition,
        suggested=found.name,
    )


def _row(one: ListedTarget) -> tuple[str, ...]:
    numbers = (one.behind, one.parked, one.gaps)
    return (str(one.id), one.kind, one.name, one.state, *map(str, numbers), one.reason)


def _kinds(text: str | None) -> tuple[str, ...]:
    """Return the kinds of records in a list. Raises UsageError."""
    kinds = tuple(part.strip() for part in (text or "").split(",") if part.strip())
    if wrong := [kind for kind in kinds if kind not in _KINDS]:
        raise click.UsageError(f"--kinds: {wrong[0]!r} is none of {', '.join(_KINDS)}")
    return kinds


def _numbers(option: str, text: str | None) -> tuple[str, ...]:
    """Return the numbers in a list. Raises UsageError."""
    numbers = tuple(part.strip() for part in (text or "").split(",") if part.strip())
    for one in numbers:
        if not (one.isascii() and one.isdecimal()) or len(one) > _MAX_DIGITS:
            raise click.UsageError(f"{option}: {one!r} is no number")
    return numbers


def _identity(
    data_dir: Path, user: str, password_stdin: bool, cert: Path | None, key: Path | None
) -> Identity | None:
    """Return how the hub authenticates to a target; None if no option says so."""
    from hub.services.forwarding.nats.identity import Identity

    password = read_password(password_stdin) if user or password_stdin else ""
    identity = Identity(user, password, _read(data_dir, cert) or "", _read(data_dir, key) or "")
    return None if identity == Identity() else identity


def _read(data_dir: Path, path: Path | None) -> str | None:
    return None if path is None else read_pem(data_dir, path)
