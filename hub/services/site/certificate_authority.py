"""The site's own certificate authority: made at the first run, it signs the hub's certificates.

Its key is RSA, so that a camera that knows nothing newer can check what it signs. The certificates
are short-lived and for the host's names and addresses; the authority lives ten years, and whoever
was told to trust it need not be told again.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub.errors import StartFault

_AUTHORITY_LIFE = datetime.timedelta(days=3652)
#: Browsers take no server certificate that lives longer than 398 days.
_LEAF_LIFE = datetime.timedelta(days=397)
#: So much before its end a certificate is replaced.
_RENEWAL_MARGIN = datetime.timedelta(days=30)
#: Cameras with slow clocks must not find it "not yet valid".
_BACKDATED = datetime.timedelta(days=1)
_NOTHING = datetime.timedelta(0)
#: A clock that stands before this has lost its battery.
EARLIEST_PLAUSIBLE = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC).timestamp()
_AUTHORITY_KEY_BITS = 3072
_LEAF_KEY_BITS = 2048

LeafKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def new_rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=_LEAF_KEY_BITS)


def new_ecdsa_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


class Authority:
    """A certificate in `ca.crt`, and the key to it in `ca.key`, which is read only to sign."""

    def __init__(self, directory: Path, certificate: x509.Certificate) -> None:
        self._directory = directory
        self.certificate = certificate

    @classmethod
    def open(cls, directory: Path, now: float) -> Authority:
        """The authority in `directory`; made, or renewed with the same key, where need be.

        Raises StartFault where the files do not fit together, or cannot be read or written.
        """
        cert_file, key_file = directory / "ca.crt", directory / "ca.key"
        try:
            certificate = _read_certificate(cert_file) if cert_file.exists() else None
            if certificate is None and not key_file.exists():
                key = rsa.generate_private_key(public_exponent=65537, key_size=_AUTHORITY_KEY_BITS)
                write_file(key_file, key_pem(key), secret=True)
            if certificate is None or is_due(certificate, now, outlive=_LEAF_LIFE):
                certificate = _self_signed(_read_key(directory, certificate), certificate, now)
                write_file(cert_file, certificate_pem(certificate))
        except OSError as error:
            raise StartFault(f"cannot use {error.filename}: {error.strerror}") from error
        if not key_file.exists():
            raise StartFault(f"{key_file} is missing; {_REMEDY.format(directory)}")
        return cls(directory, certificate)

    def issue(self, key: LeafKey, names: Iterable[str], now: float) -> x509.Certificate:
        """A server's certificate for `names`: names of hosts and addresses. Raises StartFault."""
        issuer = self.certificate
        # Where the host's clock went back, it still has to lie within the authority's life.
        start = max(_utc(now) - _BACKDATED, issuer.not_valid_before_utc)
        identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        return (
            x509.CertificateBuilder()
            .subject_name(_name("sitehub"))
            .issuer_name(issuer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(min(start + _LEAF_LIFE, issuer.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_leaf_usage(key), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(_alternative_names(names), critical=False)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
                critical=False,
            )
            .sign(_read_key(self._directory, issuer), hashes.SHA256())
        )

    def signed(self, certificate: x509.Certificate) -> bool:
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True


_REMEDY = (
    "restore it from a backup, or remove the folder {} to have a new authority made "
    "(browsers and cameras have to be told to trust that one)"
)


def certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: LeafKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def names_in(certificate: x509.Certificate) -> frozenset[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return frozenset()
    hosts = extension.value.get_values_for_type(x509.DNSName)
    addresses = extension.value.get_values_for_type(x509.IPAddress)
    return frozenset([*hosts, *(str(address) for address in addresses)])


def is_due(
    certificate: x509.Certificate, now: float, *, outlive: datetime.timedelta = _NOTHING
) -> bool:
    """Whether to make another in its place: it ends soon, or does not hold yet.

    `outlive`: what it signs today lives so long. While the clock is plainly wrong nothing is due:
    what is there is better than anything that could be made now.
    """
    if now < EARLIEST_PLAUSIBLE:
        return False
    last_day = certificate.not_valid_after_utc - _RENEWAL_MARGIN - outlive
    return not certificate.not_valid_before_utc <= _utc(now) < last_day


def write_file(path: Path, data: bytes, *, secret: bool = False) -> None:
    """Write a file whole or not at all; a secret one can be read by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(
            draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if secret else 0o644
        )
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _read_key(directory: Path, certificate: x509.Certificate | None) -> rsa.RSAPrivateKey:
    path = directory / "ca.key"
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise StartFault(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise StartFault(f"{path} holds no RSA key; {_REMEDY.format(directory)}")
    if certificate and certificate.public_key() != key.public_key():
        raise StartFault(f"{path} is not the key of ca.crt beside it; {_REMEDY.format(directory)}")
    return key


def _read_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError:
        raise StartFault(f"{path} holds no certificate; {_REMEDY.format(path.parent)}") from None


def _self_signed(
    key: rsa.RSAPrivateKey, before: x509.Certificate | None, now: float
) -> x509.Certificate:
    """With the same name and key as `before`, what either of the two signed holds under both."""
    start = _utc(now) - _BACKDATED
    name = before.subject if before else _name(f"sitehub authority {secrets.token_hex(3)}")
    public_key = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .sign(key, hashes.SHA256())
    )


def _leaf_usage(key: LeafKey) -> x509.KeyUsage:
    # An old camera may know no other exchange than one that encrypts with the RSA key.
    return _usage(digital_signature=True, key_encipherment=isinstance(key, rsa.RSAPrivateKey))


def _usage(
    *,
    digital_signature: bool = False,
    key_encipherment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(names: Iterable[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([_alternative_name(name) for name in sorted(names)])


def _alternative_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _utc(now: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(int(now), datetime.UTC)
