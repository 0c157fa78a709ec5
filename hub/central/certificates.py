"""The authority of the owner of many sites: it signs the servers' certificate and the hubs'."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub.durable_files import SECRET, write_file
from hub.errors import StartFault

_AUTHORITY_DAYS, _LEAF_DAYS = 7305, 3652
#: For clocks that are slow.
_BACKDATED = timedelta(days=1)
CA, CA_KEY = "ca.pem", "ca.key"


def make_authority(folder: Path) -> None:
    """Make `ca.pem` and `ca.key` in a folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("sitehub central authority")
    now = datetime.now(UTC)
    certificate = (
        _builder(name, key, now, _AUTHORITY_DAYS)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(is_authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    write_file(folder / CA_KEY, _key_pem(key), SECRET)
    write_file(folder / CA, certificate.public_bytes(serialization.Encoding.PEM))


def issue(
    folder: Path, name: str, hosts: Iterable[str] = (), *, serial: str = ""
) -> tuple[str, str]:
    """Return a certificate with the common name, and its key, both as PEM.

    `serial`: tells its subject from those of earlier certificates of the name. `hosts`: names and
    addresses, of a server. Raises StartFault if the authority in the folder cannot be read.
    """
    issuer, issuer_key = _read_authority(folder)
    key = ec.generate_private_key(ec.SECP256R1())
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
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")
    return pem, _key_pem(key).decode("ascii")


def _read_authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        certificate = x509.load_pem_x509_certificate((folder / CA).read_bytes())
        key = serialization.load_pem_private_key((folder / CA_KEY).read_bytes(), password=None)
    except OSError as error:
        raise StartFault(f"{error.filename} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise StartFault(f"{folder}: {CA} or {CA_KEY} is damaged") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise StartFault(f"{folder / CA_KEY} is no key of this program")
    return certificate, key


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
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
