"""The hub's certificate: the site's own authority's, or the one that the configuration names.

Every connection is accepted with context(), so a new certificate is in use from the next one on
and nobody is cut off.
"""

from __future__ import annotations

import datetime
import ipaddress
import logging
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import ifaddr
import trio
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from msgspec import Struct

from hub.config import Tls
from hub.errors import StartFault
from hub.services.site.certificate_authority import (
    Authority,
    LeafKey,
    certificate_pem,
    is_due,
    key_pem,
    names_in,
    new_ecdsa_key,
    new_rsa_key,
    write_file,
)

log = logging.getLogger(__name__)

_CHECK_SECONDS = 60
#: New browsers take the first that are named; the last serve cameras whose TLS 1.2 knows nothing
#: but RSA. Both ports need them: cameras upload where guards look. OpenSSL's own order of strength
#: and the server's preference see to it that nobody gets less than it could.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:kRSA+AESGCM:kRSA+AES:!AESCCM:!aNULL:!PSK"


class Material(Struct, frozen=True):
    """What is in use: how to accept, what to trust, and until when."""

    context: ssl.SSLContext
    ca_pem: bytes
    #: SHA-256, as openssl and browsers write it.
    fingerprint: str
    starts_at: float
    expires_at: float


class Source(Protocol):
    """Where the certificate comes from."""

    def load(self, now: float) -> Material:
        """Raises StartFault. Takes its time."""

    def is_stale(self, now: float) -> bool:
        """Whether there is, or should be, something newer than what was loaded."""


class Certificates:
    """The current certificate: load() takes or makes one, run() keeps it current."""

    def __init__(
        self,
        data_dir: Path,
        config: Tls,
        *,
        now: Callable[[], float],
        names: Callable[[], frozenset[str]] | None = None,
    ) -> None:
        """Raises StartFault where only half of a pair is set."""
        self._now = now
        self._source = _source(data_dir, config, names or names_of_this_host)
        self._loaded: Material | None = None
        #: Why what should be in use by now is not; "" while all is well.
        self.trouble = ""

    async def load(self) -> None:
        """Take what is there; a first run makes keys, which takes a second or more.

        Raises StartFault where there is nothing that could be used.
        """
        # Abandoned, it leaves no half file: see write_file.
        self._loaded = await trio.to_thread.run_sync(
            self._source.load, self._now(), abandon_on_cancel=True
        )

    def context(self) -> ssl.SSLContext:
        """For one accept: the next one may need another."""
        return self._material.context

    def ca_pem(self) -> bytes:
        """What a camera or browser has to trust, as PEM."""
        return self._material.ca_pem

    def fingerprint(self) -> str:
        """SHA-256 of the authority's certificate, or of one's own."""
        return self._material.fingerprint

    @property
    def starts_at(self) -> float:
        return self._material.starts_at

    @property
    def expires_at(self) -> float:
        return self._material.expires_at

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Renew before the end, when the host's addresses change, when the files change."""
        task_status.started()
        while True:
            await trio.sleep(_CHECK_SECONDS)
            await self.check()

    async def check(self) -> None:
        """Take what is newer. What cannot be taken leaves the old one in use, and is told."""
        try:
            if self._source.is_stale(self._now()):
                await self.load()
                log.info("a new certificate is in use, good until %s", _day(self.expires_at))
        except StartFault as fault:
            self._tell(fault.message)
        except OSError as error:
            # No file is left, perhaps, so that the host's addresses cannot be asked for.
            self._tell(f"it cannot be renewed just now: {error.strerror or error}")
        else:
            self.trouble = ""

    @property
    def _material(self) -> Material:
        if self._loaded is None:
            raise RuntimeError("load() comes first")
        return self._loaded

    def _tell(self, trouble: str) -> None:
        if trouble != self.trouble:
            log.error("the certificate stays as it is: %s", trouble)
        self.trouble = trouble


def names_of_this_host() -> frozenset[str]:
    """By what the hub may be called: the host's names, and the addresses of all its adapters."""
    host = socket.gethostname().lower()
    names = {"localhost", "127.0.0.1", "::1"}
    if _is_host_name(host):
        short = host.partition(".")[0]
        names |= {host, short, f"{short}.local"}
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            address = ipaddress.ip_address(ip.ip if isinstance(ip.ip, str) else ip.ip[0])
            if address.version == 4 or not address.is_link_local:  # That needs an adapter's name.
                names.add(str(address))
    return frozenset(names)


def _is_host_name(name: str) -> bool:
    """Windows lets hosts have names that no certificate can hold."""
    labels = name.split(".")
    return name.isascii() and len(name) < 250 and all(0 < len(label) < 64 for label in labels)


def _source(data_dir: Path, config: Tls, names: Callable[[], frozenset[str]]) -> Source:
    if bool(config.cert) != bool(config.key):
        given, missing = ("tls.cert", "tls.key") if config.cert else ("tls.key", "tls.cert")
        raise StartFault(f"{given} is set and {missing} is not: set both or neither")
    if config.cert:
        return OwnCertificate(data_dir / config.cert, data_dir / config.key)
    return SiteCertificate(data_dir / "tls", names)


class SiteCertificate:
    """Certificates of the site's own authority: ECDSA for whoever can, RSA for old cameras."""

    def __init__(self, directory: Path, names: Callable[[], frozenset[str]]) -> None:
        self._directory = directory
        self._names = names
        self._files = [directory / "hub-ecdsa.pem", directory / "hub-rsa.pem"]
        self._leaf: x509.Certificate | None = None

    def is_stale(self, now: float) -> bool:
        return self._leaf is None or not _serves(self._leaf, self._names(), now)

    def load(self, now: float) -> Material:
        authority = Authority.open(self._directory, now)
        names = self._names()
        found = self._read()
        if found and all(authority.signed(leaf) and _serves(leaf, names, now) for leaf in found):
            leaves = found
        else:
            leaves = self._issue(authority, names, now)
        self._leaf = leaves[0]
        pem = certificate_pem(authority.certificate)
        return _material(server_context(self._files), leaves[0], authority.certificate, pem)

    def _read(self) -> list[x509.Certificate]:
        """The certificates that are there; none unless all can be used as they are."""
        try:
            server_context(self._files)
            return [x509.load_pem_x509_certificate(path.read_bytes()) for path in self._files]
        except (OSError, ValueError):  # ssl.SSLError is an OSError.
            return []

    def _issue(
        self, authority: Authority, names: frozenset[str], now: float
    ) -> list[x509.Certificate]:
        keys: tuple[LeafKey, ...] = (new_ecdsa_key(), new_rsa_key())
        leaves = [authority.issue(key, names, now) for key in keys]
        for path, key, leaf in zip(self._files, keys, leaves, strict=True):
            try:
                write_file(path, key_pem(key) + certificate_pem(leaf), secret=True)
            except OSError as error:
                raise StartFault(f"cannot write {path}: {error.strerror}") from error
        log.info("issued a certificate for %s", ", ".join(sorted(names)))
        return leaves


def _serves(leaf: x509.Certificate, names: frozenset[str], now: float) -> bool:
    # A name that is no longer ours does no harm in it, and may be back tomorrow.
    return names <= names_in(leaf) and not is_due(leaf, now)


class OwnCertificate:
    """The certificate and key that tls.cert and tls.key name; read again when they change."""

    def __init__(self, cert_file: Path, key_file: Path) -> None:
        self._cert_file = cert_file
        self._key_file = key_file
        self._seen: object = None

    def is_stale(self, now: float) -> bool:
        return self._look() != self._seen

    def load(self, now: float) -> Material:
        seen = self._look()
        chain = self._read_chain()
        self._check(chain[0], now)
        context = self._context()
        self._seen = seen
        return _material(context, chain[0], chain[0], certificate_pem(chain[-1]))

    def _look(self) -> object:
        """Something that is another after either file was written."""
        return [_stamp(path) for path in (self._cert_file, self._key_file)]

    def _read_chain(self) -> list[x509.Certificate]:
        try:
            return x509.load_pem_x509_certificates(_read("tls.cert", self._cert_file))
        except ValueError:
            raise StartFault(f"tls.cert: {self._cert_file} holds no certificate in PEM") from None

    def _check(self, leaf: x509.Certificate, now: float) -> None:
        if leaf.public_key() != self._public_key():
            raise StartFault(
                f"tls.key: {self._key_file} is not the key of the first certificate in "
                f"{self._cert_file}"
            )
        if now >= leaf.not_valid_after_utc.timestamp():
            ended = _day(leaf.not_valid_after_utc.timestamp())
            raise StartFault(f"tls.cert: {self._cert_file} ended on {ended}; put a new one there")

    def _public_key(self) -> object:
        data = _read("tls.key", self._key_file)
        try:
            return serialization.load_pem_private_key(data, password=None).public_key()
        except TypeError:
            why = "is sealed with a passphrase; the hub needs it without one"
        except (ValueError, UnsupportedAlgorithm):
            why = "holds no private key in PEM"
        raise StartFault(f"tls.key: {self._key_file} {why}")

    def _context(self) -> ssl.SSLContext:
        try:
            return server_context([self._cert_file], self._key_file)
        except ssl.SSLError as error:
            reason = str(error.reason or error).replace("_", " ").lower()
            raise StartFault(f"tls.cert: {self._cert_file} cannot be used: {reason}") from error


def server_context(cert_files: list[Path], key_file: Path | None = None) -> ssl.SSLContext:
    """What a port of the hub accepts with; several certificates must have keys of several kinds."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    # OpenSSL makes two for each connection of TLS 1.3, for clients that open several at once.
    context.num_tickets = 1
    for path in cert_files:
        context.load_cert_chain(path, key_file)
    return context


def _material(
    context: ssl.SSLContext, leaf: x509.Certificate, shown: x509.Certificate, ca_pem: bytes
) -> Material:
    return Material(
        context=context,
        ca_pem=ca_pem,
        fingerprint=shown.fingerprint(hashes.SHA256()).hex(":").upper(),
        starts_at=leaf.not_valid_before_utc.timestamp(),
        expires_at=leaf.not_valid_after_utc.timestamp(),
    )


def _read(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StartFault(f"{setting}: cannot read {path}: {error.strerror}") from error


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError as error:
        return error.errno
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def _day(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%Y-%m-%d")
