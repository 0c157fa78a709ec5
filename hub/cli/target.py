"""`sitehub target`: other systems that records are forwarded to."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from hub.cli.options import data_option, read_password, read_pem, read_secret
from hub.errors import StartFault

if TYPE_CHECKING:
    from hub.store.targets.target import PictureChoice, TargetKind

F = TypeVar("F", bound=Callable[..., Any])

_MAX_DIGITS = 18
_KINDS = ("face", "event", "vehicle", "access", "hub")
_URL = (
    "The address: https:// or http:// for a webhook, tls:// or nats:// for NATS (servers separated "
    "by commas), mqtts:// or mqtt:// for MQTT, smtps:// or smtp:// (STARTTLS) for mail."
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
        click.option("--user", default="", help="User name for NATS, MQTT or mail."),
    ):
        command = option(command)
    return command


def _mqtt_options(command: F) -> F:
    """Add the options of MQTT targets."""
    for option in (
        click.option(
            "--commands/--no-commands",
            default=None,
            help="Let MQTT restart cameras and acknowledge alarms, or the owner behind NATS erase "
            "people [default: no].",
        ),
        click.option(
            "--home-assistant/--no-home-assistant",
            default=None,
            help="Announce the cameras to Home Assistant over MQTT [default: yes].",
        ),
    ):
        command = option(command)
    return command


def _mail_options(command: F) -> F:
    """Add the options of targets of mail."""
    for option in (
        click.option("--minutes", type=int, help="At most one mail in so many [default: 10]."),
        click.option(
            "--severity",
            type=click.Choice(("critical", "major", "minor")),
            help="Mail alarms of this severity or a worse one [default: major].",
        ),
        click.option("--to", metavar="A,...", help="Mail addresses to tell."),
        click.option("--sender", help="Mail address of the sender."),
    ):
        command = option(command)
    return command


@click.group()
def target() -> None:
    """Other systems that records are forwarded to as they arrive, in order and without a gap."""


@target.command("add")
@click.argument("kind", type=click.Choice(("webhook", "mqtt", "nats", "mail")), required=False)
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path),
    help="Read the connection from the file that `sitehub central enrol` wrote for this hub.",
)
@click.option(
    "--centre",
    default="",
    metavar="HOST[:PORT]",
    help="Ask the centre of many sites for the connection, by a one-time code.",
)
@click.option("--code-stdin", is_flag=True, help="Read that code from standard input.")
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
@_mail_options
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
    centre: str,
    code_stdin: bool,
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
    sender: str | None,
    to: str | None,
    severity: str | None,
    minutes: int | None,
    begin: Literal["now", "beginning"],
) -> None:
    """Add a target and print {"id", "secret"}. The secret cannot be shown again.

    Only a webhook has a secret. Give either KIND with --url, or --file, or --centre.
    """
    from hub.cli.output import print_json
    from hub.cli.requests import call_api

    of_kind = _given(home_assistant=home_assistant, commands=commands)
    of_kind |= _given(mail=_mail(sender, to, severity, minutes))
    body = {
        **_selection(kinds or "", cameras or "", types or ""),
        "name": name,
        "alarms": not no_alarms,
        "pictures": pictures or "none",
        "from": begin,
    }
    if file is not None or centre or code_stdin:
        said = (kind, url, ca, hub_name, partition is not None, user, password_stdin, cert, key)
        if (
            any(said)
            or of_kind.keys() - {"commands"}
            or (file is not None and (centre or code_stdin))
        ):
            raise click.UsageError(
                "--file or --centre says where the target is: leave out what it says"
            )
        body |= _of_centre(centre, code_stdin) if file is None else _of_file(data_dir, file)
        body |= of_kind
    elif kind is None or not url:
        raise click.UsageError("KIND and --url are expected, or --file, or --centre")
    else:
        body |= {"kind": kind, "url": url, "hub": hub_name, "partition": partition} | of_kind
        body |= _identity(data_dir, user, password_stdin, cert, key)
        body["ca"] = _read(data_dir, ca) or ""
    added = call_api(data_dir, "POST", "targets", body=body)
    print_json({name: added[name] for name in ("id", "secret") if name in added})


@target.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@data_option()
def list_(data_dir: Path, as_json: bool) -> None:
    """List the targets with their state and how many records they are behind."""
    from hub.cli.output import print_json, print_table
    from hub.cli.requests import call_api

    found = call_api(data_dir, "GET", "targets")["items"]
    if as_json:
        left_out = ("alarms", "created_at")
        shown = [one | {"gaps": len(one["gaps"])} for one in found]
        print_json([{n: v for n, v in one.items() if n not in left_out} for one in shown])
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
@_mail_options
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
    sender: str | None,
    to: str | None,
    severity: str | None,
    minutes: int | None,
) -> None:
    """Change a target, given by its number or name.

    Giving a user or a certificate replaces the whole identity. An empty list of kinds, cameras or
    types means all.
    """
    body = _given(
        name=name,
        url=url,
        ca=_read(data_dir, ca),
        pictures=pictures,
        home_assistant=home_assistant,
        commands=commands,
    )
    body |= _selection(kinds, cameras, types)
    body |= _identity(data_dir, user, password_stdin, cert, key)
    if mail := _mail(sender, to, severity, minutes):
        body["mail"] = {**(_find(data_dir, which)["mail"] or {}), **mail}
    _call(data_dir, "PATCH", which, body=body)


@target.command("remove")
@click.argument("which", metavar="TARGET")
@data_option()
def remove(data_dir: Path, which: str) -> None:
    """Remove a target. Nothing more is sent to it."""
    _call(data_dir, "DELETE", which)


@target.command("test")
@click.argument("which", metavar="TARGET")
@data_option()
def test(data_dir: Path, which: str) -> None:
    """Send a test message and report the result. Exit status 1 if it failed."""
    from hub.cli.output import print_line

    delivery = _call(data_dir, "POST", which, "test")
    if delivery["reason"]:
        raise StartFault(
            f"it was not delivered: {delivery['reason']}; records are tried again automatically: "
            "sitehub target list shows when"
        )
    answer = "" if delivery["status"] is None else f": it answered {delivery['status']}"
    print_line(f"delivered in {delivery['took_ms']} ms{answer}")


@target.command("retry")
@click.argument("which", metavar="TARGET")
@data_option()
def retry(data_dir: Path, which: str) -> None:
    """Retry at once what is waiting, held or refused."""
    from hub.cli.output import print_line

    now = _call(data_dir, "POST", which, "retry")
    print_line(f"{now['state']}, {now['behind']} records behind, {now['parked']} refused")


@target.command("restored")
@click.argument("gets", type=click.Choice(("everything", "new")))
@data_option()
def restored(data_dir: Path, gets: str) -> None:
    """Forward again after a restore: EVERYTHING once more, or only what is NEW."""
    from hub.cli.output import print_line
    from hub.cli.requests import call_api

    for one in call_api(data_dir, "POST", "targets", "restored", body={"gets": gets})["items"]:
        print_line(f"{one['name']}: {one['state']}, {one['behind']} records behind")


def _call(data_dir: Path, method: str, which: str, *path: str, body: object = None) -> Any:
    from hub.cli.requests import call_api

    return call_api(data_dir, method, "targets", _find(data_dir, which)["id"], *path, body=body)


def _find(data_dir: Path, which: str) -> dict[str, Any]:
    from hub.cli.requests import call_api, find_item

    return find_item(call_api(data_dir, "GET", "targets")["items"], which, "target", "id", "name")


def _of_file(data_dir: Path, path: Path) -> dict[str, object]:
    """Return what a file says of the connection. Raises StartFault."""
    import msgspec

    from hub.cli.outside_files import read_source
    from hub.errors import BadParameter
    from hub.services.forwarding.target_file import read_target_file

    try:
        found = read_target_file(read_source(data_dir, path))
    except BadParameter as error:
        raise StartFault(
            f"{path} cannot be used: {error}; give the file that sitehub central enrol wrote"
        ) from error
    said: dict[str, object] = msgspec.structs.asdict(found)
    said["suggested"] = said.pop("name")
    return said


def _of_centre(centre: str, code_stdin: bool) -> dict[str, object]:
    """Return how a centre is asked for the connection. Raises UsageError."""
    if not centre:
        raise click.UsageError("--code-stdin: --centre is expected, too")
    if not code_stdin and not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask for the code: use --code-stdin")
    return {"kind": "nats", "centre": centre, "code": read_secret("Code", is_new=False)}


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    numbers = (one["behind"], one["parked"], len(one["gaps"]))
    known = (one["id"], one["kind"], one["name"], one["state"], *numbers, one["reason"])
    return tuple(map(str, known))


def _given(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def _mail(
    sender: str | None, to: str | None, severity: str | None, minutes: int | None
) -> dict[str, object] | None:
    """Return what is given of mail, None if nothing is."""
    recipients = None if to is None else [one.strip() for one in to.split(",")]
    given = _given(sender=sender, recipients=recipients, severity=severity, minutes=minutes)
    return given or None


def _selection(kinds: str | None, cameras: str | None, types: str | None) -> dict[str, object]:
    """Return what of the selection is given. Raises UsageError."""
    return _given(
        kinds=None if kinds is None else _kinds(kinds),
        dids=None if cameras is None else _numbers("--cameras", cameras),
        types=None if types is None else tuple(map(int, _numbers("--types", types))),
    )


def _kinds(text: str) -> tuple[str, ...]:
    """Return the kinds of records in a list. Raises UsageError."""
    kinds = tuple(part.strip() for part in text.split(",") if part.strip())
    if wrong := [kind for kind in kinds if kind not in _KINDS]:
        raise click.UsageError(f"--kinds: {wrong[0]!r} is none of {', '.join(_KINDS)}")
    return kinds


def _numbers(option: str, text: str) -> tuple[str, ...]:
    """Return the numbers in a list. Raises UsageError."""
    numbers = tuple(part.strip() for part in text.split(",") if part.strip())
    for one in numbers:
        if not (one.isascii() and one.isdecimal()) or len(one) > _MAX_DIGITS:
            raise click.UsageError(f"{option}: {one!r} is no number")
    return numbers


def _identity(
    data_dir: Path, user: str, password_stdin: bool, cert: Path | None, key: Path | None
) -> dict[str, object]:
    """Return how the hub authenticates to a target; empty if no option says so."""
    password = read_password(password_stdin) if user or password_stdin else ""
    pems = {"cert": _read(data_dir, cert) or "", "key": _read(data_dir, key) or ""}
    identity: dict[str, object] = {"user": user, "password": password, **pems}
    return identity if any(identity.values()) else {}


def _read(data_dir: Path, path: Path | None) -> str | None:
    return None if path is None else read_pem(data_dir, path)
