"""The authority of the owner of many sites: it signs the servers' certificate and the hubs'."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub.durable_files import PUBLIC, SECRET, write_file
from hub.errors import StartFault

_AUTHORITY_DAYS, _LEAF_DAYS = 7305, 3652
#: For clocks that are slow.
_BACKDATED = timedelta(days=1)
CA, CA_KEY = "ca.pem", "ca.key"
SERVER, SERVER_KEY = "server.pem", "server.key"
#: Whose certificate is that of servers: no hub, nor the centre, can be called so.
_SERVERS = "sitehub servers"


def make_authority(folder: Path) -> None:
    """Make `ca.pem` and `ca.key` in a folder. Raises StartFault."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("sitehub central authority")
    now = datetime.now(UTC)
    certificate = (
        _builder(name, key.public_key(), now, _AUTHORITY_DAYS)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(is_authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    put_file(folder / CA_KEY, _key_pem(key), SECRET)
    put_file(folder / CA, certificate.public_bytes(serialization.Encoding.PEM))


def issue(folder: Path, name: str, *, serial: str = "") -> tuple[str, str]:
    """Return a new key with its certificate: the certificate and the key, both as PEM.

    Raises StartFault, as the others, if the authority in the folder cannot be read.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    return sign(folder, name, key.public_key(), serial=serial), _key_pem(key).decode("ascii")


def issue_server(folder: Path, hosts: Sequence[str]) -> None:
    """Write `server.pem`, for some hosts, and `server.key` before it if there is none.

    A key that is there stays: two files cannot be replaced in one go.
    """
    key = _read_key(folder / SERVER_KEY) if (folder / SERVER_KEY).exists() else None
    if key is None:
        key = ec.generate_private_key(ec.SECP256R1())
        put_file(folder / SERVER_KEY, _key_pem(key), SECRET)
    cert = sign(folder, _SERVERS, key.public_key(), hosts)
    put_file(folder / SERVER, cert.encode("ascii"))


def sign(
    folder: Path,
    name: str,
    key: ec.EllipticCurvePublicKey,
    hosts: Iterable[str] = (),
    *,
    serial: str = "",
) -> str:
    """Return a certificate of a key with the common name, as PEM.

    `serial`: tells its subject from those of earlier certificates of the name. `hosts`: names and
    addresses, of a server.
    """
    issuer, issuer_key = _read_authority(folder)
    uses = [ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = (
        _builder(_name(name, serial), key, datetime.now(UTC), _LEAF_DAYS)
        .issuer_name(issuer.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(is_authority=False), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    if names := [_host(host) for host in hosts]:
        uses.append(ExtendedKeyUsageOID.SERVER_AUTH)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False).sign(
        issuer_key, hashes.SHA256()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def put_file(path: Path, data: bytes, mode: int = PUBLIC) -> None:
    """Write a file of the folder. Raises StartFault."""
    try:
        write_file(path, data, mode)
    except OSError as error:
        raise StartFault(f"{path} cannot be written: {error.strerror}") from error


def _read_authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        certificate = x509.load_pem_x509_certificate((folder / CA).read_bytes())
    except OSError as error:
        raise StartFault(f"{error.filename} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise StartFault(f"{folder / CA} is damaged") from error
    return certificate, _read_key(folder / CA_KEY)


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise StartFault(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise StartFault(f"{path} is damaged") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise StartFault(f"{path} is no key of this program")
    return key


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str, serial: str = "") -> x509.Name:
    parts = [(NameOID.COMMON_NAME, common_name), (NameOID.ORGANIZATIONAL_UNIT_NAME, serial)]
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts if text])


def _host(host: str) -> x509.GeneralName:
    with suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(host))
    return x509.DNSName(host)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
