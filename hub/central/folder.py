"""The folder of an owner of many sites: who may use the servers, and the authority.

`central.json` is who the centre is to the servers, in the form of a hub's file; `hubs.json` has the
hubs that are enrolled. `accounts.conf` is made of both for the configuration of the servers.
`ca.key`, `central.json`, `hubs.json`, `reader.pgpass` and, with passwords, `accounts.conf` are
secret.

One command at a time changes it. What was interrupted counts once `hubs.json` is written; whoever
changes the folder next writes `accounts.conf` anew if it says something else.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct

from hub.central.accounts import Account, accounts_conf
from hub.central.certificates import CA, issue, issue_server, make_authority, put_file
from hub.decoders import decode_json
from hub.durable_files import PUBLIC, SECRET
from hub.errors import BadParameter, StartFault
from hub.process.data_directory import LOCK, DirectoryInUse, held_after_commands
from hub.services.forwarding.nats.address import (
    CENTRAL_USER,
    HUB_NAME,
    check_servers,
    checked_partition,
    is_encrypted,
    partition_of,
)
from hub.services.forwarding.nats.codes import id_of
from hub.services.forwarding.target_file import TargetFile

T = TypeVar("T")

ACCOUNTS = "accounts.conf"
_CENTRAL, _HUBS = "central.json", "hubs.json"
_REMEDY = 'begin with "sitehub central init"'


class Code(Struct, frozen=True, omit_defaults=True):
    """A one-time code. `secret`: a digest of it, in hexadecimal digits.

    `key`: the digest of the public key that it was used for; "" before.
    """

    secret: str
    ends: datetime
    key: str = ""

    @property
    def id(self) -> str:
        return id_of(bytes.fromhex(self.secret))


class Enrolled(Struct, frozen=True, omit_defaults=True):
    """A hub. `password`: "" with a certificate.

    `serial`: of its last certificate; the servers know no earlier one. "": it was enrolled by a
    version whose certificates had none. `code`: what it gets a certificate for; None: it has a
    file.
    """

    name: str
    partition: int
    password: str = ""
    serial: str = ""
    code: Code | None = None


class _Hubs(Struct):
    """What `hubs.json` has. `identity`: how hubs prove who they are."""

    identity: Literal["certificate", "password"]
    hubs: list[Enrolled]


class Editing(Struct, frozen=True):
    """The folder while nobody else changes it: what is changed of `hubs` is written at the end."""

    hubs: _Hubs
    central: TargetFile

    def find(self, name: str) -> Enrolled | None:
        return next((hub for hub in self.hubs.hubs if hub.name == name), None)

    def put(self, hub: Enrolled) -> None:
        """Add a hub, in place of the one that is called so."""
        self.hubs.hubs = [*(one for one in self.hubs.hubs if one.name != hub.name), hub]

    def target_of(self, hub: Enrolled) -> TargetFile:
        """Return the file of a hub, without its identity."""
        return TargetFile(
            kind="nats",
            url=self.central.url,
            name="central",
            hub=hub.name,
            partition=hub.partition,
            ca=self.central.ca,
        )


def make_folder(folder: Path, url: str, *, with_passwords: bool) -> list[str]:
    """Make the folder for servers at `url`; return the names of its files.

    With tls:// it gets an authority and a certificate for the servers, and hubs prove who they are
    with certificates, unless `with_passwords`. Raises StartFault, BadParameter.
    """
    hosts = list(dict.fromkeys(host for host, _ in check_servers(url)))
    with _held(folder, begin=True):
        if (folder / _HUBS).exists():
            _save(folder, _read(folder / _HUBS, _Hubs), read_central(folder))
            raise StartFault(f"{folder} is in use already")
        has_certificates = is_encrypted(url) and not with_passwords
        central = TargetFile(kind="nats", url=url)
        if is_encrypted(url):
            make_authority(folder)
            issue_server(folder, hosts)
            central = msgspec.structs.replace(central, ca=(folder / CA).read_text("ascii"))
        central = _identified(folder, central, CENTRAL_USER, with_certificate=has_certificates)
        _write(folder / _CENTRAL, central)
        _save(folder, _Hubs("certificate" if has_certificates else "password", []), central)
        return sorted(path.name for path in folder.iterdir() if path.name != LOCK)


def enrol(folder: Path, name: str, partition: int | None = None) -> TargetFile:
    """Add a hub, or give one that is there a new identity; return its credentials.

    A hub that is enrolled again keeps its partition. Raises StartFault, BadParameter.
    """
    check_name(name)
    with editing(folder) as state:
        known = state.find(name)
        if partition is None:
            partition = partition_of(name) if known is None else known.partition
        elif known is not None and known.partition != checked_partition(partition):
            raise BadParameter(f"{name} is in {known.partition} already", field="partition")
        has_certificate = state.hubs.identity == "certificate"
        serial = secrets.token_hex(8) if has_certificate else ""
        hub = Enrolled(name, checked_partition(partition), serial=serial)
        target = _identified(
            folder, state.target_of(hub), name, with_certificate=has_certificate, serial=serial
        )
        state.put(msgspec.structs.replace(hub, password=target.password))
    return target


def check_name(name: str) -> None:
    """Raise BadParameter if no hub can be called so."""
    if not re.fullmatch(HUB_NAME, name, re.ASCII) or name == CENTRAL_USER:
        raise BadParameter("1 to 63 of a to z, 0 to 9 and - are expected", field="name")


def remove(folder: Path, name: str) -> bool:
    """Remove a hub: the servers take nothing of it any more. Raises StartFault.

    Returns False if it was neither enrolled nor in `accounts.conf`.
    """
    with editing(folder) as state:
        had_account = f'"_INBOX.{name}.>"'.encode() in (_contents(folder / ACCOUNTS) or b"")
        was_enrolled = state.find(name) is not None
        state.hubs.hubs = [one for one in state.hubs.hubs if one.name != name]
    return was_enrolled or had_account


def reissue(folder: Path, url: str) -> list[str]:
    """Give the servers a new certificate; return the hosts in it. Raises StartFault, BadParameter.

    `url`: where they are now; "": where they were. Hubs go on with what they have.
    """
    with _held(folder):
        central = read_central(folder)
        url = url or central.url
        hosts = list(dict.fromkeys(host for host, _ in check_servers(url)))
        if not (is_encrypted(url) and is_encrypted(central.url)):
            raise StartFault("only servers at tls:// have a certificate")
        issue_server(folder, hosts)
        _write(folder / _CENTRAL, msgspec.structs.replace(central, url=url))
        return hosts


def enrolled(folder: Path) -> list[str]:
    """Return the names of the hubs that the servers admit. Raises StartFault."""
    return [hub.name for hub in _read(folder / _HUBS, _Hubs).hubs]


def read_central(folder: Path) -> TargetFile:
    """Return who the centre is. Raises StartFault."""
    return _read(folder / _CENTRAL, TargetFile)


def write_credentials(path: Path, credentials: TargetFile) -> None:
    """Write the file that a hub takes. Raises StartFault."""
    _write(path, credentials)


def write_reader(folder: Path, line: str) -> Path:
    """Write how the database is read, a line of .pgpass; return its path. Raises StartFault."""
    path = folder / "reader.pgpass"
    put_file(path, f"{line}\n".encode(), SECRET)
    return path


def _identified(
    folder: Path, credentials: TargetFile, user: str, *, with_certificate: bool, serial: str = ""
) -> TargetFile:
    """Return credentials with a new certificate or password."""
    if with_certificate:
        cert, key = issue(folder, user, serial=serial)
        return msgspec.structs.replace(credentials, cert=cert, key=key)
    return msgspec.structs.replace(credentials, user=user, password=secrets.token_urlsafe(24))


@contextmanager
def _held(folder: Path, *, begin: bool = False) -> Iterator[None]:
    """Let no other command change the folder within the block. Raises StartFault.

    `begin`: make it if it is missing.
    """
    try:
        if begin:
            folder.mkdir(parents=True, exist_ok=True)
        with held_after_commands(folder, "command"):
            yield
    except DirectoryInUse as error:
        raise StartFault(f"another command is changing {folder}: try again") from error
    except OSError as error:
        raise StartFault(f"{folder} cannot be used: {error.strerror}; {_REMEDY}") from error


@contextmanager
def editing(folder: Path) -> Iterator[Editing]:
    """Change who may use the servers. Raises StartFault."""
    with _held(folder):
        state = Editing(_read(folder / _HUBS, _Hubs), read_central(folder))
        yield state
        _save(folder, state.hubs, state.central)


def _save(folder: Path, hubs: _Hubs, central: TargetFile) -> None:
    """Write who may use the servers, as far as it is not there already."""
    hubs.hubs.sort(key=lambda hub: hub.name)
    _write(folder / _HUBS, hubs)
    accounts = [Account(hub.name, hub.partition, hub.password, hub.serial) for hub in hubs.hubs]
    text = accounts_conf(
        Account(CENTRAL_USER, None, central.password),
        accounts,
        with_certificates=hubs.identity == "certificate",
    )
    mode = PUBLIC if hubs.identity == "certificate" else SECRET
    _put(folder / ACCOUNTS, text.encode("ascii"), mode)


def _write(path: Path, value: Struct) -> None:
    _put(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n", SECRET)


def _put(path: Path, data: bytes, mode: int) -> None:
    if _contents(path) != data:
        put_file(path, data, mode)


def _contents(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _read(path: Path, type: type[T]) -> T:
    try:
        return decode_json(path.read_bytes(), type)
    except OSError as error:
        raise StartFault(f"{path} cannot be read: {error.strerror}; {_REMEDY}") from error
    except msgspec.MsgspecError as error:
        raise StartFault(f"{path} is damaged: {error}") from error
