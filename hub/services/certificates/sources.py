"""Sources of the hub's certificate: the site's own authority, or the administrator's files."""

from __future__ import annotations

import datetime
import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from msgspec import Struct

from hub.config import TlsConfig
from hub.durable_files import SECRET, write_file
from hub.errors import StartFault
from hub.services.certificates.authority import (
    Authority,
    LeafKey,
    certificate_pem,
    is_due,
    key_pem,
    key_problem,
    names_in,
    new_ecdsa_key,
    new_rsa_key,
)
from hub.services.certificates.tls_contexts import TlsContexts
from hub.services.certificates.upload import FILE as UPLOADED

log = logging.getLogger(__name__)


class LoadedCertificate(Struct, frozen=True):
    """A certificate in use. Clients have to trust `ca_pem`. Times are UNIX seconds."""

    contexts: TlsContexts
    ca_pem: bytes
    #: SHA-256 in hexadecimal with colons, as openssl and browsers show it.
    fingerprint: str
    starts_at: float
    expires_at: float
    #: The host names and addresses that it is valid for.
    names: frozenset[str]
    #: Who signed it, as text.
    issuer: str
    #: SHA-256 of the certificate itself.
    leaf_fingerprint: str


#: Who made the certificate in use: the site's own authority, or somebody else, and then where from.
CertificateKind = Literal["site", "uploaded", "configured"]


class CertificateSource(Protocol):
    """A source of the hub's certificate."""

    kind: CertificateKind

    def load(self, now: float) -> LoadedCertificate:
        """Read the certificate, or issue one. Blocks. Raises StartFault."""

    def is_stale(self, now: float) -> bool:
        """Whether load() would read or issue a newer certificate. May raise OSError."""

    def problem(self) -> str:
        """Return why load() could not issue the next certificate; "" if it could. Blocks."""


def source_of(
    data_dir: Path, config: TlsConfig, names: Callable[[], frozenset[str]]
) -> CertificateSource:
    """Return the source to use: the settings win over an uploaded file, and that over the site's.

    Raises StartFault if only half of a pair is set.
    """
    if bool(config.cert) != bool(config.key):
        given, missing = ("tls.cert", "tls.key") if config.cert else ("tls.key", "tls.cert")
        raise StartFault(f"{given} is set and {missing} is not: set both or neither")
    if config.cert:
        return OwnCertificate(data_dir / config.cert, data_dir / config.key)
    if (data_dir / UPLOADED).exists():
        return uploaded_source(data_dir)
    return site_source(data_dir, names)


def uploaded_source(data_dir: Path) -> OwnCertificate:
    """Return the certificate that an administrator uploaded."""
    path = data_dir / UPLOADED
    return OwnCertificate(path, path, kind="uploaded")


def site_source(data_dir: Path, names: Callable[[], frozenset[str]]) -> SiteCertificate:
    """Return the certificate of the site's own authority."""
    return SiteCertificate(data_dir / "tls", names)


class SiteCertificate:
    """Certificates issued by the site's own authority: ECDSA, and RSA for old cameras."""

    kind: CertificateKind = "site"

    def __init__(self, directory: Path, names: Callable[[], frozenset[str]]) -> None:
        self._directory = directory
        self._names = names
        self._files = [directory / "hub-ecdsa.pem", directory / "hub-rsa.pem"]
        self._leaf: x509.Certificate | None = None

    def is_stale(self, now: float) -> bool:
        return self._leaf is None or not _is_usable(self._leaf, self._names(), now)

    def problem(self) -> str:
        return key_problem(self._directory)

    def load(self, now: float) -> LoadedCertificate:
        authority = Authority.open(self._directory, now)
        names = self._names()
        found = self._read()
        if found and all(authority.signed(leaf) and _is_usable(leaf, names, now) for leaf in found):
            leaves = found
        else:
            leaves = self._issue(authority, names, now)
        self._leaf = leaves[0]
        pem = certificate_pem(authority.certificate)
        return _loaded(TlsContexts.load(self._files), leaves[0], authority.certificate, pem)

    def _read(self) -> list[x509.Certificate]:
        """Return the certificates in the files; none unless all are usable."""
        try:
            TlsContexts.load(self._files)
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
                write_file(path, key_pem(key) + certificate_pem(leaf), SECRET)
            except OSError as error:
                raise StartFault(f"cannot write {path}: {error.strerror}") from error
        log.info("issued a certificate for %s", ", ".join(sorted(names)))
        return leaves


def _is_usable(leaf: x509.Certificate, names: frozenset[str], now: float) -> bool:
    # A name that the host no longer has does no harm, and may return.
    return names <= names_in(leaf) and not is_due(leaf, now)


class OwnCertificate:
    """The files that tls.cert and tls.key name, or an uploaded one.

    They are read again when they change. An uploaded certificate that has expired stays in use,
    because nobody may be there to replace it; the health says so.
    """

    def __init__(
        self, cert_file: Path, key_file: Path, kind: CertificateKind = "configured"
    ) -> None:
        self.kind = kind
        self._cert_file = cert_file
        self._key_file = key_file
        self._loaded_stamps: object = None

    def is_stale(self, now: float) -> bool:
        return self._stamps() != self._loaded_stamps

    def problem(self) -> str:
        return ""

    def load(self, now: float) -> LoadedCertificate:
        stamps = self._stamps()
        chain = self._read_chain()
        try:
            self._check(chain[0], now)
            contexts = self._contexts()
            loaded = _loaded(contexts, chain[0], chain[0], certificate_pem(chain[-1]))
        except (ValueError, UnsupportedAlgorithm) as error:
            raise StartFault(f"tls.cert: {self._cert_file} cannot be used: {error}") from error
        self._loaded_stamps = stamps
        return loaded

    def _stamps(self) -> object:
        """Return a value that changes when either file is written."""
        return [_stamp(path) for path in (self._cert_file, self._key_file)]

    def _read_chain(self) -> list[x509.Certificate]:
        try:
            return x509.load_pem_x509_certificates(_read("tls.cert", self._cert_file))
        except ValueError:
            raise StartFault(
                f"tls.cert: {self._cert_file} contains no certificate in PEM"
            ) from None

    def _check(self, leaf: x509.Certificate, now: float) -> None:
        if leaf.public_key() != self._public_key():
            raise StartFault(
                f"tls.key: {self._key_file} is not the key of the first certificate in "
                f"{self._cert_file}"
            )
        if self.kind == "configured" and now >= leaf.not_valid_after_utc.timestamp():
            expired = day_of(leaf.not_valid_after_utc.timestamp())
            raise StartFault(f"tls.cert: {self._cert_file} expired on {expired}; replace it")

    def _public_key(self) -> object:
        data = _read("tls.key", self._key_file)
        try:
            return serialization.load_pem_private_key(data, password=None).public_key()
        except TypeError:
            problem = "is protected by a passphrase; remove the passphrase"
        except (ValueError, UnsupportedAlgorithm):
            problem = "contains no private key in PEM"
        raise StartFault(f"tls.key: {self._key_file} {problem}")

    def _contexts(self) -> TlsContexts:
        try:
            return TlsContexts.load([self._cert_file], self._key_file)
        except ssl.SSLError as error:
            reason = str(error.reason or error).replace("_", " ").lower()
            raise StartFault(f"tls.cert: {self._cert_file} cannot be used: {reason}") from error


def _loaded(
    contexts: TlsContexts, leaf: x509.Certificate, shown: x509.Certificate, ca_pem: bytes
) -> LoadedCertificate:
    return LoadedCertificate(
        contexts=contexts,
        ca_pem=ca_pem,
        fingerprint=shown.fingerprint(hashes.SHA256()).hex(":").upper(),
        starts_at=leaf.not_valid_before_utc.timestamp(),
        expires_at=leaf.not_valid_after_utc.timestamp(),
        names=names_in(leaf),
        issuer=leaf.issuer.rfc4514_string(),
        leaf_fingerprint=leaf.fingerprint(hashes.SHA256()).hex(":").upper(),
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


def day_of(moment: float) -> str:
    """Return the UTC date of a UNIX time, for messages."""
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%Y-%m-%d")
