"""`sitehub central`: receives what the hubs of many sites send, and stores it in PostgreSQL."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from hub.cli.options import data_option
from hub.errors import StartFault

if TYPE_CHECKING:
    from hub.central.asking import Request
    from hub.central.database import Database
    from hub.central.hubs import Hub, Limits, Order
    from hub.central.reader import Servers

F = TypeVar("F", bound=Callable[..., Any])

#: Characters of a list of hubs: 10,000 of the longest names have fewer.
_MAX_LIST = 1_000_000

_MISSING = (
    "this needs psycopg, which a hub does without: pip install '.[central]' in the sources "
    "(the executable cannot have it)"
)


def _folder_option(command: F) -> F:
    """Add `--folder`, and what all commands have."""
    command = data_option(expose_value=False)(command)
    return click.option(
        "--folder",
        envvar="SITEHUB_CENTRAL_FOLDER",
        type=click.Path(path_type=Path),
        default=Path("sitehub-central"),
        show_default=True,
        callback=_with_extra,
        help="Accounts, certificates, and who the centre is; also SITEHUB_CENTRAL_FOLDER.",
    )(command)


def _with_extra(context: click.Context, parameter: click.Parameter, folder: Path) -> Path:
    """Raise StartFault where the extra is missing; all commands have this option."""
    if find_spec("psycopg") is None:
        raise StartFault(_MISSING)
    return folder


def _database_option(command: F) -> F:
    return click.option(
        "--database",
        envvar="SITEHUB_CENTRAL_DATABASE",
        default="",
        metavar="ADDRESS",
        help="PostgreSQL, e.g. postgresql://host/name; also SITEHUB_CENTRAL_DATABASE, or PGHOST "
        "and so on.",
    )(command)


def _limit_options(command: F) -> F:
    for option in (
        click.option(
            "--behind-after",
            type=click.FloatRange(min=0.1),
            default=5.0,
            show_default=True,
            metavar="MINUTES",
            help="A hub is behind if its last record was older than this when it was stored.",
        ),
        click.option(
            "--silent-after",
            type=click.FloatRange(min=0.1),
            default=60.0,
            show_default=True,
            metavar="MINUTES",
            help="A hub that does not tell how it is, is silent if nothing of it was stored for so "
            "long.",
        ),
    ):
        command = option(command)
    return command


@click.group()
def central() -> None:
    """The centre of many sites: from NATS JetStream, where hubs send to, into PostgreSQL.

    Needs the extra: pip install '.[central]' in the sources. docs/many-sites.md goes through all
    steps.
    """


@central.command("init")
@click.option("--url", default="", help="The servers, tls:// or nats://, separated by commas.")
@click.option(
    "--passwords",
    is_flag=True,
    help="With tls://: hubs have passwords rather than certificates.",
)
@_database_option
@_folder_option
def init(folder: Path, url: str, passwords: bool, database: str) -> None:
    """Make the folder: the centre's identity, and with tls:// an authority of your own.

    It is written to nowhere else. Copy accounts.conf, ca.pem, server.pem and server.key to each
    server. Keep a copy of the folder: it is what lets hubs in.

    With --database, also later without --url: makes the role sitehub_reader, which reads the views
    for people and Grafana, or gives it a new password; reader.pgpass has it.
    """
    from hub.central import folder as folders
    from hub.cli.output import print_line

    if not url and not database:
        raise click.UsageError("--url or --database is expected")
    if url:
        names = folders.make_folder(folder, url, with_passwords=passwords)
        print_line(f"{folder}: {', '.join(names)}")
    if database:
        from hub.central.read_role import make_read_role

        with _open_database(database) as store:
            line = make_read_role(store.connection)
        print_line(f"{folders.write_reader(folder, line)}: sitehub_reader may read the views")


@central.command("prepare")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@_folder_option
def prepare(folder: Path, as_json: bool) -> None:
    """Make the streams SITEHUB_0 to SITEHUB_15 and their consumers, as far as they are missing."""
    from functools import partial

    from hub.central import prepare as preparing
    from hub.cli.output import print_json, print_table

    found = _run(partial(preparing.prepare, _servers(folder)))
    if as_json:
        print_json(found)
    else:
        print_table(
            ("STREAM", "SERVERS", "DAYS", "IN BATCHES", "PENDING"),
            [
                (
                    *(one.stream, str(one.replicas), f"{one.days:g}"),
                    *("yes" if one.batches else "no", str(one.pending)),
                )
                for one in found
            ],
        )


@central.command("enrol")
@click.argument("name")
@click.option(
    "--partition",
    type=click.IntRange(0, 15),
    help="The stream; by default the name decides.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The file for the hub [default: NAME.json].",
)
@_database_option
@_folder_option
def enrol(folder: Path, name: str, partition: int | None, out: Path | None, database: str) -> None:
    """Admit a hub, and write the file for "sitehub target add --file".

    The file holds the hub's password or key. Enrolling a hub again gives it a new one. Then copy
    accounts.conf to the servers, and run "nats-server --signal reload" there.
    """
    from hub.central import folder as folders
    from hub.cli.output import print_line

    hub = folders.enrol(folder, name, partition)
    path = out or Path(f"{name}.json")
    folders.write_credentials(path, hub)
    if database:
        from hub.central.hubs import note_enrolled

        assert hub.partition is not None
        with _open_database(database) as store:
            note_enrolled(store.connection, name, hub.partition)
    print_line(f"{path}: {name}, SITEHUB_{hub.partition}")
    print_line(f"now copy {folder / folders.ACCOUNTS} to each server, and reload it")


@central.command("codes")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--list",
    "file",
    type=click.File(encoding="utf-8"),
    help="A file with a name in each line; - is standard input.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 365),
    default=14,
    show_default=True,
    help="How long the codes are valid.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@_database_option
@_folder_option
def codes(
    folder: Path,
    names: tuple[str, ...],
    file: TextIO | None,
    days: int,
    as_json: bool,
    database: str,
) -> None:
    """Admit hubs, each with a one-time code that is entered on its page in place of a file.

    Copy accounts.conf to the servers, and reload them there, before codes are used. "sitehub
    central admit" has to run while they are. A hub that has an identity already gets no code; one
    that has not used its code gets another one in its place.
    """
    from hub.central import codes as giving
    from hub.central import folder as folders
    from hub.central.hubs import note_enrolled, some, utc_now
    from hub.cli.output import print_json, print_table

    listed = [*names, *([] if file is None else _lines(file))]
    if not listed:
        raise click.UsageError("a NAME or --list is expected")
    given = giving.give_codes(folder, listed, utc_now() + timedelta(days=days))
    if left_out := {*listed} - {one.name for one in given}:
        click.echo(f"{some(left_out)}: enrolled already, so without a code", err=True)
    if not given:
        raise StartFault('no code was given: "sitehub central remove" a hub that is to get another')
    if database:
        with _open_database(database) as store:
            for one in given:
                note_enrolled(store.connection, one.name, one.partition)
    if as_json:
        print_json(given)
    else:
        print_table(
            ("HUB", "CODE", "VALID UNTIL (UTC)"),
            [(one.name, one.code, f"{one.ends:%Y-%m-%d %H:%M}") for one in given],
        )
    click.echo(f"now copy {folder / folders.ACCOUNTS} to each server, and reload it", err=True)


def _lines(file: TextIO) -> list[str]:
    """Return what is in the lines of a file. Raises UsageError."""
    text = file.read(_MAX_LIST + 1)
    if len(text) > _MAX_LIST:
        raise click.UsageError(f"--list: at most {_MAX_LIST} characters are expected")
    return [line.strip() for line in text.splitlines() if line.strip()]


@central.command("admit")
@click.option(
    "--listen",
    default="0.0.0.0:8461",
    show_default=True,
    metavar="HOST:PORT",
    help="Where hubs ask.",
)
@_folder_option
def admit(folder: Path, listen: str) -> None:
    """Give hubs that have a code their certificate, until Ctrl-C.

    It needs ca.key. Let it run while hubs are being installed, on a computer that they reach, and
    end it then.
    """
    from hub import log
    from hub.config import LogConfig

    address = _address(listen)
    stop_log = log.start(LogConfig(), None, sys.stderr)
    try:
        _run(lambda: _admit(folder, address))
    finally:
        stop_log()


async def _admit(folder: Path, address: tuple[str, int]) -> None:
    from hub.central.admission import Admissions

    await _until_signal(Admissions(folder, address).run)


@central.command("remove")
@click.argument("name")
@_folder_option
def remove(folder: Path, name: str) -> None:
    """Stop admitting a hub, from the next reload of the servers on. What it sent stays."""
    from hub.central import folder as folders
    from hub.cli.output import print_line

    if not folders.remove(folder, name):
        raise StartFault(f"there is no hub {name}")
    print_line(f"now copy {folder / folders.ACCOUNTS} to each server, and reload it")


@central.command("reissue")
@click.option("--url", default="", help="The servers, if there are others or more now.")
@_folder_option
def reissue(folder: Path, url: str) -> None:
    """Give the servers a new certificate, for the hosts of --url.

    Hubs accept it; those that are enrolled keep the addresses that they were given.
    """
    from hub.central import folder as folders
    from hub.cli.output import print_line

    print_line(f"a certificate for {', '.join(folders.reissue(folder, url))}")
    print_line(f"now copy server.pem and server.key of {folder} to each server, and reload it")


def _pictures_option(command: F) -> F:
    return click.option(
        "--pictures", type=click.Path(path_type=Path), help="The folder of pictures."
    )(command)


@central.command("forget")
@click.argument("name")
@click.option("--records", is_flag=True, help="Delete all that it has sent, too.")
@_pictures_option
@_database_option
@_folder_option
def forget(folder: Path, name: str, records: bool, pictures: Path | None, database: str) -> None:
    """Stop admitting a hub, and show it no more: a site that is closed.

    Its records stay, unless --records.
    """
    from functools import partial

    from hub.central import folder as folders
    from hub.central import prepare as preparing
    from hub.central.retention import forget_hub
    from hub.cli.output import print_line

    was_enrolled = folders.remove(folder, name)
    with _open_database(database) as store:
        rows = forget_hub(store.connection, name, pictures, with_records=records)
    if not rows and not was_enrolled:
        raise StartFault(f"there is no hub {name}")
    _run(partial(preparing.forget_state, _servers(folder), name))
    print_line(f"{name} is forgotten, with {rows} rows")
    if was_enrolled:
        print_line(f"now copy {folder / folders.ACCOUNTS} to each server, and reload it")


@central.command("prune")
@click.option("--days", type=click.IntRange(1), help="Keep records, alarms, gaps so long.")
@click.option("--picture-days", type=click.IntRange(1), help="Keep pictures so long.")
@_pictures_option
@_database_option
@_folder_option
def prune(
    folder: Path, days: int | None, picture_days: int | None, pictures: Path | None, database: str
) -> None:
    """Delete what is older: run it each night.

    Records go by whole months, or by days where the tables are of days.
    """
    from hub.central import retention
    from hub.central.hubs import utc_now
    from hub.cli.output import print_line

    if days is None and picture_days is None:
        raise click.UsageError("--days or --picture-days is expected")
    if picture_days is not None and pictures is None:
        raise click.UsageError("--picture-days: --pictures is expected, too")
    if days is not None:
        with _open_database(database) as store:
            found = retention.prune(store.connection, timedelta(days=days), utc_now())
        print_line(", ".join(f"{count} {name}" for name, count in found.items()) + " deleted")
    if picture_days is not None and pictures is not None:
        try:
            count = retention.prune_pictures(pictures, timedelta(days=picture_days), utc_now())
        except OSError as error:
            raise StartFault(f"the folder of pictures: {error}") from error
        print_line(f"{count} pictures deleted")


@central.command("erase")
@click.option("--number", default="", help="The number of the person: the uuid of the records.")
@click.option("--name", default="", help="The name; case is ignored.")
@click.option("--site", "sites", multiple=True, help="Of this hub only; may be repeated.")
@click.option("--log", default="", help="Of this log only.")
@click.option("--confirm", metavar="TEXT", help="The number or name again, in place of asking.")
@click.option("--ask", is_flag=True, help="Ask these hubs to erase the number too.")
@click.option(
    "--wait",
    type=click.FloatRange(0, 3600),
    default=200.0,
    show_default=True,
    metavar="SECONDS",
    help="With --ask: how long to wait for their answers; they look once a minute.",
)
@_pictures_option
@_database_option
@_folder_option
def erase(
    folder: Path,
    number: str,
    name: str,
    sites: tuple[str, ...],
    log: str,
    confirm: str | None,
    ask: bool,
    wait: float,
    pictures: Path | None,
    database: str,
) -> None:
    """Erase a person at the centre, from the records and alarms of all sites.

    Shows what each site has. A number may be of another person there, or in a log of an earlier
    installation: then choose with --site and --log. Streams and backups keep what they have, and
    hubs unless they are asked and allow it; it says which.
    """
    from functools import partial

    from hub.central.asking import ask_to_erase
    from hub.central.hubs import some
    from hub.central.person_erasure import erase_person, find_person
    from hub.cli.erase import check_confirmation
    from hub.cli.output import print_line
    from hub.folding import visible
    from hub.services.forwarding.nats.stream import MAX_AGE_SECONDS

    if bool(number) == bool(name):
        raise click.UsageError("give one of --number and --name")
    if ask and name:
        raise click.UsageError("--ask: hubs are asked by --number")
    if ask and not _servers(folder).cert:
        raise StartFault("--ask is in the name of a certificate: servers at tls://, no --passwords")
    with _open_database(database, pictures) as store:
        found = find_person(store.connection, number=number, name=name, sites=sites, log=log)
        if not found:
            raise StartFault("there are no such records at the centre")
        for one in found:
            days = f"{one.first_at:%Y-%m-%d} to {one.last_at:%Y-%m-%d}"
            names = visible(some(one.names or ["no name"]))
            where = f"{one.site}, log {one.log}"
            click.echo(f"{where}: {len(one.seqs)} records, {days}: {names}", err=True)
        check_confirmation(confirm, number or name)
        deleted = sum(erase_person(store.connection, one, store.pictures) for one in found)
    print_line(f"{sum(len(one.seqs) for one in found)} records, {deleted} pictures erased")
    if pictures is None:
        print_line("their pictures are not, without --pictures")
    left = sorted({one.site for one in found})
    if ask:
        logs = {site: [one.log for one in found if one.site == site][-50:] for site in left}
        asked = _run(partial(ask_to_erase, _servers(folder), number, logs, datetime.now(UTC), wait))
        _print_requests(asked)
        left = [one.hub for one in asked if one.outcome != "erased"]
    if left:
        print_line(f"erase it at these hubs too: {', '.join(left)}")
    print_line(
        f"streams keep it for {MAX_AGE_SECONDS // 86_400} days; backups of PostgreSQL keep it, and "
        "what could not be read was not looked through"
    )


_OUTCOMES = {
    "": "not answered yet: it is asked again for {days} days",
    "begun": "begun",
    "waiting": "it can store nothing now, and tries again",
    "erased": "erased",
    "kept": "erased, but for records that are held",
    "refused": "refused: it has another log, or the number is nobody's",
    "forbidden": "not allowed there: its administrator erases it, or allows it",
}


def _print_requests(asked: list[Request]) -> None:
    from hub.cli.output import print_table
    from hub.services.forwarding.nats.asked import DAYS

    rows = [
        (one.hub, f"{one.at:%Y-%m-%d %H:%M}", _OUTCOMES.get(one.outcome, "").format(days=DAYS))
        for one in asked
    ]
    print_table(("HUB", "ASKED (UTC)", "RESULT"), rows)


@central.command("asked")
@_folder_option
def asked(folder: Path) -> None:
    """Show whom hubs are asked to erase, without saying who it is, and what they have answered.

    What is answered is forgotten after this.
    """
    from functools import partial

    from hub.central import asking
    from hub.central import folder as folders

    names = folders.enrolled(folder)
    _print_requests(_run(partial(asking.list_asked, _servers(folder), names)))


@central.command("run")
@click.option(
    "--pictures",
    type=click.Path(path_type=Path),
    help="The folder of pictures; without it they are not kept.",
)
@click.option(
    "--listen",
    default="127.0.0.1:8460",
    show_default=True,
    metavar="HOST:PORT",
    help="Where /healthz and /metrics are.",
)
@_limit_options
@_database_option
@_folder_option
def run(
    folder: Path,
    database: str,
    pictures: Path | None,
    listen: str,
    silent_after: float,
    behind_after: float,
) -> None:
    """Store what hubs send, until Ctrl-C. Several may run, also on several computers."""
    from hub import log
    from hub.config import LogConfig

    address, limits = _address(listen), _limits(silent_after, behind_after)
    # Before the client of NATS is imported, which makes a logger of its own quieter.
    stop_log = log.start(LogConfig(), None, sys.stderr)
    try:
        _serve(folder, database, pictures, address, limits)
    finally:
        stop_log()


def _serve(
    folder: Path, database: str, pictures: Path | None, address: tuple[str, int], limits: Limits
) -> None:
    """Run a centre until the process is told to stop."""
    from functools import partial

    from hub.central.centre import Centre
    from hub.central.database import open_database
    from hub.central.health_server import health_server
    from hub.central.pictures import PictureFolder

    kept = None if pictures is None else PictureFolder(pictures)
    centre = Centre(_servers(folder), partial(open_database, database, kept), limits)
    with health_server(address, centre.health, centre.fleet):
        _run(partial(_until_signal, centre.run))


@central.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@click.option("--problems", is_flag=True, help="Only hubs that are not well.")
@click.option(
    "--sort",
    "order",
    type=click.Choice(["name", "told", "version", "backup", "disk"]),
    default="name",
    help="First those that told nothing for the longest time, have the oldest version, the oldest "
    "backup, or the disk that is full first.",
)
@_limit_options
@_database_option
@_folder_option
def status(
    folder: Path,
    database: str,
    as_json: bool,
    problems: bool,
    order: Order,
    silent_after: float,
    behind_after: float,
) -> None:
    """Show how each hub is, and what is not stored yet.

    A hub tells each minute how it is; TOLD says how long ago, so that one that is off, and silent,
    is told from one that nobody has walked by, whose LAST RECORD is old.
    """
    from functools import partial

    from hub.central.fleet import Fleet
    from hub.central.hubs import count_states, in_order, utc_now
    from hub.central.prepare import read_streams
    from hub.cli.output import print_json, print_line, print_table
    from hub.services.forwarding.nats.address import stream_of

    limits, now = _limits(silent_after, behind_after), utc_now()
    fleet = Fleet()
    streams = _run(partial(read_streams, _servers(folder), fleet.take))
    with _open_database(database) as store:
        hubs, lost = fleet.joined(store.hubs()), store.note_streams(streams)
    missing = sorted({stream_of(hub.partition) for hub in hubs} - streams.keys())
    counts = count_states(hubs, now, limits)
    hubs = [
        hub
        for hub in in_order(hubs, order)
        if not problems or hub.note(now) or hub.state(now, limits) != "current"
    ]
    if as_json:
        print_json(
            {
                "hubs": [_listed(hub, hub.state(now, limits), now) for hub in hubs],
                "streams": [
                    {
                        "stream": name,
                        "pending": one.num_pending,
                        "unacknowledged": one.num_ack_pending,
                    }
                    for name, one in streams.items()
                ],
                "missing": missing,
                "lost": lost,
            }
        )
        return
    print_table(
        (
            *("HUB", "STATE", "TOLD", "VERSION", "CAMERAS", "DISK", "BACKUP"),
            *("ALARMS", "LAST RECORD", "LAG", "NOTE"),
        ),
        [_row(hub, hub.state(now, limits), now) for hub in hubs],
    )
    of_each = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    print_line(f"{sum(counts.values())} hubs: {of_each or 'none'}")
    for name in missing:
        print_line(f'{name} is missing, and hubs send to it: run "sitehub central prepare"')
    for one in lost:
        print_line(str(one))
    waiting = {name: one for name, one in streams.items() if one.num_pending or one.num_ack_pending}
    for name, one in waiting.items():
        print_line(
            f"{name}: {one.num_pending} messages wait, {one.num_ack_pending} are being stored"
        )
    if not waiting:
        print_line(f"nothing waits in {len(streams)} streams")


@central.command("read-again")
@click.argument("streams", nargs=-1, metavar="[STREAM]...")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="What the servers got at this time (UTC) or later [default: all that they have].",
)
@_folder_option
def read_again(folder: Path, streams: tuple[str, ...], since: datetime | None) -> None:
    """Store again what the streams still have: SITEHUB_3 and so on, or all sixteen.

    For a database that was put back to an earlier state. What is there stays as it is.
    """
    from functools import partial

    from hub.central import prepare as preparing
    from hub.cli.output import print_line
    from hub.services.forwarding.nats.address import PARTITIONS, stream_of

    known = [stream_of(number) for number in range(PARTITIONS)]
    if wrong := [stream for stream in streams if stream not in known]:
        raise click.UsageError(f"{wrong[0]}: {known[0]} to {known[-1]} are expected")
    moment = None if since is None else since.replace(tzinfo=UTC)
    _run(partial(preparing.read_again, _servers(folder), streams or known, moment))
    print_line(f"{', '.join(streams) or 'all streams'}: centres read them again")


def _row(hub: Hub, state: str, now: datetime) -> tuple[str, ...]:
    from hub.folding import visible

    lag = "" if hub.lag is None else f"{hub.lag.total_seconds():.1f} s"
    told, cells = hub.told, ("",) * 5
    if told is not None:
        counts = {
            "off": told.cameras_offline - told.cameras_refused,
            "refused": told.cameras_refused,
            "waiting": told.cameras_waiting,
        }
        others = "".join(f", {count} {name}" for name, count in counts.items() if count > 0)
        days = "" if told.days_left is None else f", full in {told.days_left:.0f} d"
        free = "" if told.disk_free is None else f"{told.disk_free / 1e9:.0f} GB"
        cells = (
            visible(told.version),
            f"{told.cameras_online} on{others}",
            f"{free}{days}",
            "none" if told.last_backup is None else _age(now - told.last_backup),
            str(told.alarms_new or ""),
        )
    ages = (_age(now - hub.told_at) if hub.told_at else "", *cells)
    last = _age(now - hub.received_at) if hub.received_at else ""
    return (hub.name, state, *ages, last, lag, hub.note(now))


def _age(age: timedelta) -> str:
    """Return how old something is, in the largest unit of which it has two."""
    seconds = max(0, round(age.total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _listed(hub: Hub, state: str, now: datetime) -> dict[str, object]:
    from msgspec.structs import asdict

    def seconds(span: timedelta | None) -> float | None:
        return None if span is None else round(span.total_seconds(), 3)

    found = {name: value for name, value in asdict(hub).items() if name != "ahead_by"}
    del found["listened_at"]
    return {
        **found,
        "state": state,
        "told_seconds": seconds(None if hub.told_at is None else now - hub.told_at),
        "ahead_seconds": seconds(hub.ahead_by),
        "lag_seconds": seconds(hub.lag),
    }


def _limits(silent_after: float, behind_after: float) -> Limits:
    from hub.central.hubs import Limits

    return Limits(silent=timedelta(minutes=silent_after), behind=timedelta(minutes=behind_after))


def _servers(folder: Path) -> Servers:
    from hub.central.folder import read_central
    from hub.central.reader import Servers

    central = read_central(folder)
    return Servers(
        central.url, central.user, central.password, central.cert, central.key, central.ca
    )


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise click.UsageError("--listen: HOST:PORT is expected")
    return host.strip("[]"), int(port)


@contextmanager
def _open_database(address: str, pictures: Path | None = None) -> Iterator[Database]:
    """Yield the database. Raises StartFault if it cannot be used, also within the block."""
    import psycopg

    from hub.central.database import open_database
    from hub.central.pictures import PictureFolder
    from hub.services.forwarding.sender import TryLater

    folder = None if pictures is None else PictureFolder(pictures)
    try:
        with closing(open_database(address, folder)) as store:
            yield store
    except TryLater as failure:
        raise StartFault(str(failure)) from failure
    except psycopg.Error as error:
        raise StartFault(f"PostgreSQL: {error}") from error
    except OSError as error:
        raise StartFault(f"the folder of pictures: {error}") from error


def _run(work: Callable[[], Any]) -> Any:
    """Run some work in trio; return its result. Raises StartFault."""
    import trio

    from hub.services.forwarding.sender import TryLater

    found: Any = None
    try:
        found = trio.run(work)
    except* (TryLater, trio.TooSlowError) as failures:
        from hub.central.centre import first_error

        raise StartFault(f"NATS: {first_error(failures)}") from failures
    return found


async def _until_signal(work: Callable[[], Any]) -> None:
    """Do some work until the process is told to stop."""
    import trio

    from hub.process.signals import STOP_SIGNALS

    with trio.open_signal_receiver(*STOP_SIGNALS) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)
            async for _ in signals:
                nursery.cancel_scope.cancel()
                break
