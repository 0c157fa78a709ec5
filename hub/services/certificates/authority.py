"""The site's own certificate authority, which signs the hub's certificates.

It is created on the first run. Its key is RSA, which old cameras can verify. The hub's certificates
are short-lived and contain the host's names and addresses; the authority is valid for ten years, so
that browsers and cameras need to be told only once to trust it.
"""

from __future__ import annotations

import datetime
import ipaddress
import secrets
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub.durable_files import SECRET, write_file
from hub.errors import StartFault
from hub.services.clock.plausibility import EARLIEST_PLAUSIBLE

_AUTHORITY_LIFETIME = datetime.timedelta(days=3652)
#: Browsers reject server certificates that are valid for more than 398 days.
_LEAF_LIFETIME = datetime.timedelta(days=397)
#: A certificate is replaced this long before it expires.
_RENEWAL_MARGIN = datetime.timedelta(days=30)
#: A certificate becomes valid this long before its issue, for cameras whose clocks are slow.
_BACKDATED = datetime.timedelta(days=1)
_ZERO = datetime.timedelta(0)
_AUTHORITY_KEY_BITS = 3072
_LEAF_KEY_BITS = 2048

LeafKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def new_rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=_LEAF_KEY_BITS)


def new_ecdsa_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


class Authority:
    """The certificate in `ca.crt`. Its key, `ca.key`, is read only when signing."""

    def __init__(self, directory: Path, certificate: x509.Certificate) -> None:
        self._directory = directory
        self.certificate = certificate

    @classmethod
    def open(cls, directory: Path, now: float) -> Authority:
        """Read the authority in `directory`; create it, or renew it with the same key, if needed.

        Raises StartFault if the files do not match each other, or cannot be read or written.
        """
        cert_file, key_file = directory / "ca.crt", directory / "ca.key"
        try:
            certificate = _read_certificate(cert_file) if cert_file.exists() else None
            if certificate is None and not key_file.exists():
                key = rsa.generate_private_key(public_exponent=65537, key_size=_AUTHORITY_KEY_BITS)
                write_file(key_file, key_pem(key), SECRET)
            if certificate is None or is_due(certificate, now, outlive=_LEAF_LIFETIME):
                certificate = _self_signed(_read_key(directory, certificate), certificate, now)
                write_file(cert_file, certificate_pem(certificate))
        except OSError as error:
            raise StartFault(
                f"cannot use {error.filename}: {error.strerror}; the account of the hub "
                "must be able to read and write it"
            ) from error
        if not key_file.exists():
            raise StartFault(f"{key_file} is missing; {_REMEDY.format(directory)}")
        return cls(directory, certificate)

    def issue(self, key: LeafKey, names: Iterable[str], now: float) -> x509.Certificate:
        """Sign a server certificate for these host names and IP addresses. Raises StartFault."""
        issuer = self.certificate
        # Even if the clock was set back, it must not start before the authority's certificate.
        start = max(_utc(now) - _BACKDATED, issuer.not_valid_before_utc)
        identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        return (
            x509.CertificateBuilder()
            .subject_name(_name("sitehub"))
            .issuer_name(issuer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(min(start + _LEAF_LIFETIME, issuer.not_valid_after_utc))
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
        """Whether the certificate was issued by this authority."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True


def key_problem(directory: Path) -> str:
    """Return why the authority in `directory` cannot sign; "" if it can. Blocks."""
    try:
        _read_key(directory, _read_certificate(directory / "ca.crt"))
    except StartFault as fault:
        return fault.message
    except OSError as error:
        return f"cannot read {error.filename}: {error.strerror}"
    return ""


_REMEDY = (
    "restore it from a backup, or delete the folder {} to create a new authority "
    "(which browsers and cameras then have to trust)"
)


def certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: LeafKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


#: What a certificate of somebody else may raise; a host name in GBK is a ValueError.
_NO_NAMES = (
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    ValueError,
)


def names_in(certificate: x509.Certificate) -> frozenset[str]:
    """Return the host names and IP addresses of a certificate; none if they cannot be read."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except _NO_NAMES:
        return frozenset()
    hosts = extension.value.get_values_for_type(x509.DNSName)
    addresses = extension.value.get_values_for_type(x509.IPAddress)
    return frozenset([*hosts, *(str(address) for address in addresses)])


def is_due(
    certificate: x509.Certificate, now: float, *, outlive: datetime.timedelta = _ZERO
) -> bool:
    """Whether to replace a certificate: it expires soon, or is not valid yet.

    `outlive`: how long it must stay valid, because of the certificates that it signs today. While
    the clock is obviously wrong, nothing is due: a new certificate would be worse.
    """
    if now < EARLIEST_PLAUSIBLE:
        return False
    last_day = certificate.not_valid_after_utc - _RENEWAL_MARGIN - outlive
    return not certificate.not_valid_before_utc <= _utc(now) < last_day


def _read_key(directory: Path, certificate: x509.Certificate | None) -> rsa.RSAPrivateKey:
    path = directory / "ca.key"
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise StartFault(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise StartFault(f"{path} contains no RSA key; {_REMEDY.format(directory)}")
    if certificate and certificate.public_key() != key.public_key():
        raise StartFault(f"{path} is not the key of ca.crt; {_REMEDY.format(directory)}")
    return key


def _read_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError:
        raise StartFault(f"{path} contains no certificate; {_REMEDY.format(path.parent)}") from None


def _self_signed(
    key: rsa.RSAPrivateKey, before: x509.Certificate | None, now: float
) -> x509.Certificate:
    """Return the authority's certificate. It keeps the name of the one `before`, so that
    certificates signed by either are valid under both."""
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
        .not_valid_after(start + _AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .sign(key, hashes.SHA256())
    )


def _leaf_usage(key: LeafKey) -> x509.KeyUsage:
    # Old cameras may support only the key exchange that encrypts with the RSA key.
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
