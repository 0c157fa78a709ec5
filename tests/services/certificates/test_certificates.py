"""The site's own authority and certificates, and certificates that the configuration names."""

from __future__ import annotations

import errno
import os
import shutil
import ssl
import sys
from pathlib import Path

import pytest
import trio
import trio.testing
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from hub.config import Config, TlsConfig
from hub.errors import StartFault
from hub.live.old_tls import is_legacy
from hub.net.binding import open_listeners
from hub.net.connection import Peer
from hub.net.connection_slots import Limits
from hub.net.listener import serve_port
from hub.services.certificates import certificates as module
from hub.services.certificates.authority import key_pem, names_in, new_rsa_key
from hub.services.certificates.certificates import Certificates, names_of_this_host
from hub.services.certificates.upload import CertificateProblem, checked_pem, is_named
from tests.support.certificates import damage, self_signed
from tests.support.core import core_of

NOW = 1_795_000_000.0
DAY = 86_400.0
NAMES = frozenset({"localhost", "gate-pc", "gate-pc.local", "127.0.0.1", "::1", "10.0.0.5"})

needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")


class Site:
    """The certificates of a host whose clock and names the test can change."""

    def __init__(
        self, directory: Path, *, now: float = NOW, config: TlsConfig | None = None
    ) -> None:
        self.directory = directory
        self.now = now
        self.names = NAMES
        self.files_left = True
        self.config = config or TlsConfig()
        self.certificates = self._at_rest()

    async def start(self) -> Site:
        self.certificates = self._at_rest()
        await self.certificates.load()
        return self

    def _at_rest(self) -> Certificates:
        core = core_of(None, lambda: self.now, Config(tls=self.config), data_dir=self.directory)
        return Certificates(core, names=self._names_of_this_host)

    def _names_of_this_host(self) -> frozenset[str]:
        if not self.files_left:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return self.names


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("first-run")
    trio.run(Site(directory).start)
    return directory


@pytest.fixture
async def site(first_run: Path, tmp_path: Path) -> Site:
    shutil.copytree(first_run, tmp_path / "data")
    return await Site(tmp_path / "data").start()


def trusting(certificates: Certificates) -> ssl.SSLContext:
    """A client as strict as Python 3.13's default, but without a check of the time."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=certificates.ca_pem().decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.verify_flags |= _NO_CHECK_TIME
    return context


#: X509_V_FLAG_NO_CHECK_TIME: the tests' clock is not the host's.
_NO_CHECK_TIME = 0x200000


def shake_hands(
    server_context: ssl.SSLContext, client_context: ssl.SSLContext, name: str = "localhost"
) -> ssl.SSLObject:
    """Do a handshake over memory; returns the client's side. Raises ssl.SSLError if it fails."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    waiting = [client, server]
    for _ in range(10):
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                pass
    assert not waiting
    return client


def leaf_of(client: ssl.SSLObject) -> x509.Certificate:
    der = client.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der)


def leaf(site: Site) -> x509.Certificate:
    certificates = site.certificates
    return leaf_of(shake_hands(certificates.context(), trusting(certificates)))


# The site's own authority


async def test_the_first_run_makes_authority_and_certificates(site: Site) -> None:
    made = {path.name for path in (site.directory / "tls").iterdir()}
    assert made == {"ca.crt", "ca.key", "hub-ecdsa.pem", "hub-rsa.pem"}
    assert site.certificates.ca_pem() == (site.directory / "tls" / "ca.crt").read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
@pytest.mark.parametrize("name", ["ca.key", "hub-ecdsa.pem", "hub-rsa.pem"])
async def test_only_the_owner_can_read_the_keys(site: Site, name: str) -> None:
    assert (site.directory / "tls" / name).stat().st_mode & 0o777 == 0o600


async def test_a_second_start_uses_the_existing_files(site: Site) -> None:
    before = leaf(site)
    fingerprint = site.certificates.fingerprint()
    await site.start()
    assert leaf(site) == before
    assert site.certificates.fingerprint() == fingerprint


@pytest.mark.parametrize("name", sorted(NAMES))
async def test_a_strict_client_accepts_every_name_and_address(site: Site, name: str) -> None:
    context, client = site.certificates.context(), trusting(site.certificates)
    assert shake_hands(context, client, name).version() == "TLSv1.3"


async def test_a_strict_client_refuses_another_name(site: Site) -> None:
    context, client = site.certificates.context(), trusting(site.certificates)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(context, client, "10.0.0.6")


@needs_openssl
@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
async def test_openssl_verifies_both_certificates_strictly(site: Site, kind: str) -> None:
    tls = site.directory / "tls"
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver"]
    command += ["-attime", str(int(NOW)), "-verify_hostname", "gate-pc"]
    command += ["-CAfile", str(tls / "ca.crt"), str(tls / f"hub-{kind}.pem")]
    done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
    assert done.returncode == 0, done.stderr


async def test_the_authority_is_valid_for_ten_years_and_backdated_by_a_day(site: Site) -> None:
    authority = x509.load_pem_x509_certificate(site.certificates.ca_pem())
    assert authority.not_valid_before_utc.timestamp() == NOW - DAY
    assert authority.not_valid_after_utc.timestamp() > NOW + 10 * 365 * DAY


async def test_a_certificate_is_valid_no_longer_than_browsers_allow(site: Site) -> None:
    found = leaf(site)
    life = found.not_valid_after_utc - found.not_valid_before_utc
    assert life.days <= 397
    assert found.not_valid_before_utc.timestamp() == NOW - DAY
    assert site.certificates.expires_at == found.not_valid_after_utc.timestamp()


def tls_1_2(certificates: Certificates, ciphers: str) -> ssl.SSLContext:
    context = trusting(certificates)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    return context


@pytest.mark.parametrize(
    ("ciphers", "cipher", "key"),
    [
        ("DEFAULT", "ECDHE-ECDSA-AES256-GCM-SHA384", "ec"),
        ("ECDHE+aRSA", "ECDHE-RSA-AES256-GCM-SHA384", "rsa"),
        ("AES128-SHA", "AES128-SHA", "rsa"),
        ("AES256-SHA:ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES128-SHA", "rsa"),
    ],
    ids=["any", "rsa only", "no ecdhe", "cbc only"],
)
async def test_with_legacy_suites_each_client_gets_the_strongest_that_it_supports(
    site: Site, ciphers: str, cipher: str, key: str
) -> None:
    client = tls_1_2(site.certificates, ciphers)
    client = shake_hands(site.certificates.context_with_legacy(), client)
    assert client.cipher()[0] == cipher  # type: ignore[index]
    assert type(leaf_of(client).public_key()).__name__.lower().startswith(key)


async def test_only_suites_with_forward_secrecy_and_authenticated_encryption_are_modern(
    site: Site,
) -> None:
    for ciphers in ("kRSA", "ECDHE+AES:!AESGCM:!AESCCM"):
        with pytest.raises(ssl.SSLError, match=r"(?i)no.shared.cipher"):
            shake_hands(site.certificates.context(), tls_1_2(site.certificates, ciphers))
    names = [suite["name"] for suite in site.certificates.context().get_ciphers()]
    assert not [name for name in names if is_legacy(name)]
    names = [suite["name"] for suite in site.certificates.context_with_legacy().get_ciphers()]
    assert {"AES128-SHA", "ECDHE-RSA-AES128-SHA"} <= {name for name in names if is_legacy(name)}


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
async def test_tls_before_1_2_is_refused(site: Site) -> None:
    client = trusting(site.certificates)
    client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_1
    client.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="unsupported protocol"):
        shake_hands(site.certificates.context(), client)


async def test_a_certificate_is_renewed_a_month_before_it_expires(site: Site) -> None:
    before, context = leaf(site), site.certificates.context()
    site.now = site.certificates.expires_at - 31 * DAY
    await site.certificates.check()
    assert site.certificates.context() is context
    site.now = site.certificates.expires_at - 30 * DAY
    await site.certificates.check()
    assert site.certificates.context() is not context
    assert leaf(site).not_valid_after_utc > before.not_valid_after_utc
    assert site.certificates.problem == ""


async def test_a_new_address_is_added_to_the_certificate(site: Site) -> None:
    site.names = NAMES | {"10.0.0.77", "gate-pc-2"}
    await site.certificates.check()
    assert {"10.0.0.77", "gate-pc-2"} <= names_in(leaf(site))
    for name in ("10.0.0.77", "gate-pc-2"):
        shake_hands(site.certificates.context(), trusting(site.certificates), name)


async def test_a_lost_address_changes_nothing(site: Site) -> None:
    context = site.certificates.context()
    site.names = NAMES - {"10.0.0.5"}
    await site.certificates.check()
    assert site.certificates.context() is context


async def test_the_certificate_is_checked_every_minute(
    site: Site, autojump_clock: trio.testing.MockClock
) -> None:
    looks: list[float] = []

    def names() -> frozenset[str]:
        looks.append(autojump_clock.current_time())
        return NAMES

    certificates = Certificates(core_of(None, lambda: NOW, data_dir=site.directory), names=names)
    await certificates.load()
    started = trio.current_time()
    with trio.move_on_after(150):
        await certificates.run()
    assert [moment - started for moment in looks[-2:]] == [60, 120]


async def test_clients_that_trust_the_old_authority_trust_the_renewed_one(site: Site) -> None:
    old = trusting(site.certificates)
    before = site.certificates.ca_pem()
    site.now = NOW + (3652 - 400) * DAY
    await site.start()
    assert site.certificates.ca_pem() != before
    for client in (old, trusting(site.certificates)):
        shake_hands(site.certificates.context(), client)
    await site.certificates.check()
    assert site.certificates.problem == ""


async def test_while_the_clock_is_plainly_wrong_nothing_is_renewed(site: Site) -> None:
    before = leaf(site)
    site.now = 1_000_000.0
    await site.start()
    assert leaf(site) == before


async def test_certificates_of_a_first_run_with_a_fast_clock_are_replaced(tmp_path: Path) -> None:
    site = await Site(tmp_path, now=NOW + 3000 * DAY).start()
    client = trusting(site.certificates)
    site.now = NOW
    await site.certificates.check()
    found = leaf_of(shake_hands(site.certificates.context(), client))
    assert found.not_valid_before_utc.timestamp() == NOW - DAY
    authority = x509.load_pem_x509_certificate(site.certificates.ca_pem())
    assert authority.not_valid_before_utc.timestamp() == NOW - DAY


@pytest.mark.parametrize("name", ["hub-ecdsa.pem", "hub-rsa.pem"])
@pytest.mark.parametrize("content", [b"", b"not PEM", None], ids=["empty", "no pem", "missing"])
async def test_a_damaged_certificate_is_replaced(
    site: Site, name: str, content: bytes | None
) -> None:
    path = site.directory / "tls" / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    await site.start()
    leaf(site)
    assert b"PRIVATE KEY" in path.read_bytes()


async def test_without_the_authority_key_the_hub_does_not_start(site: Site) -> None:
    (site.directory / "tls" / "ca.key").unlink()
    with pytest.raises(StartFault, match=r"ca\.key is missing; restore it"):
        await site.start()


@pytest.mark.expects_error("the next certificate cannot be issued: .*ca.key contains no RSA key")
async def test_a_damaged_key_of_the_authority_is_told_while_the_certificate_is_good(
    first_run: Path, tmp_path: Path
) -> None:
    shutil.copytree(first_run, tmp_path / "data")
    key = tmp_path / "data" / "tls" / "ca.key"
    damage(key)
    site = await Site(tmp_path / "data").start()
    assert "ca.key contains no RSA key; restore it from a backup" in site.certificates.problem
    damage(key)
    await site.certificates.check()
    assert site.certificates.problem == ""


@pytest.mark.expects_error("the next certificate cannot be issued: cannot read .*ca.key")
async def test_a_key_of_the_authority_that_gets_unreadable_is_told_within_a_day(
    site: Site, autojump_clock: trio.testing.MockClock
) -> None:
    key = site.directory / "tls" / "ca.key"
    key.unlink()
    key.mkdir()
    await site.certificates.check()
    assert site.certificates.problem == ""
    await trio.sleep(86_400)
    await site.certificates.check()
    assert "cannot read" in site.certificates.problem


async def test_with_a_damaged_authority_the_hub_does_not_start(site: Site) -> None:
    (site.directory / "tls" / "ca.crt").write_bytes(b"nonsense")
    with pytest.raises(StartFault, match=r"ca\.crt contains no certificate"):
        await site.start()


@pytest.mark.expects_error("the certificate could not be renewed: .* is not the key of ca.crt")
async def test_with_the_key_of_another_authority_the_old_certificate_stays_in_use(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    key = site.directory / "tls" / "ca.key"
    right = key.read_bytes()
    key.write_bytes(key_pem(new_rsa_key()))
    site.names = NAMES | {"10.0.0.79"}
    for _ in range(3):
        await site.certificates.check()
    assert "ca.key is not the key of ca.crt" in site.certificates.problem
    assert len(caplog.records) == 1
    leaf(site)
    key.write_bytes(right)
    await site.certificates.check()
    assert site.certificates.problem == ""
    shake_hands(site.certificates.context(), trusting(site.certificates), "10.0.0.79")


@pytest.mark.expects_error("the certificate could not be renewed: Too many open files")
async def test_a_check_without_free_file_descriptors_is_reported_and_repeated(site: Site) -> None:
    before = leaf(site)
    site.files_left = False
    await site.certificates.check()
    assert leaf(site) == before
    assert site.certificates.problem
    site.files_left = True
    await site.certificates.check()
    assert site.certificates.problem == ""


async def test_the_names_of_this_host_can_be_put_into_a_certificate(tmp_path: Path) -> None:
    names = names_of_this_host()
    assert {"localhost", "127.0.0.1", "::1"} <= names
    site = Site(tmp_path)
    site.names = names
    await site.start()
    found = leaf(site).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert len(list(found.value)) == len(names)


@needs_openssl
@pytest.mark.parametrize(
    "wishes",
    [
        ["-tls1_3"],
        ["-tls1_2", "-sigalgs", "ECDSA+SHA256"],
        ["-tls1_2", "-cipher", "aRSA", "-sigalgs", "RSA+SHA256"],
        ["-tls1_2", "-cipher", "kRSA"],
    ],
    ids=["tls 1.3", "ecdsa", "rsa", "rsa key exchange"],
)
async def test_openssl_connects_and_verifies(site: Site, wishes: list[str]) -> None:
    async def greet(stream: trio.abc.Stream, peer: Peer) -> None:
        await stream.send_all(b"well met")
        await stream.aclose()

    listeners = await open_listeners("127.0.0.1", 0)
    port = listeners[0].socket.getsockname()[1]
    command = ["openssl", "s_client", "-brief", "-ign_eof", "-verify_return_error", *wishes]
    command += ["-attime", str(int(NOW)), "-verify_ip", "127.0.0.1", "-x509_strict"]
    command += ["-CAfile", str(site.directory / "tls" / "ca.crt")]
    command += ["-connect", f"127.0.0.1:{port}"]
    async with trio.open_nursery() as nursery:

        async def serve(task_status: trio.TaskStatus[None]) -> None:
            await serve_port(
                "test",
                listeners,
                greet,
                limits=Limits(9, 9),
                tls=site.certificates.context_with_legacy,
                handshake_seconds=10,
                handler_nursery=nursery,
                task_status=task_status,
            )

        await nursery.start(serve)
        done = await trio.run_process(command, capture_stdout=True, capture_stderr=True)
        assert done.stdout == b"well met"
        nursery.cancel_scope.cancel()


# Configured certificates


class Own:
    """Certificate files made by somebody else, and a site that uses them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.cert, self.key = self_signed(directory, "localhost", now=NOW)
        self.config = TlsConfig(cert=str(self.cert), key=str(self.key))

    async def site(self) -> Site:
        return await Site(self.directory / "data", config=self.config).start()

    def renew(self, now: float) -> None:
        self_signed(self.directory, "localhost", now=now)


@pytest.fixture
def own(tmp_path: Path) -> Own:
    return Own(tmp_path)


async def test_a_configured_certificate_is_used_and_no_authority_is_made(own: Own) -> None:
    site = await own.site()
    assert not (own.directory / "data").exists()
    served = leaf(site)
    assert served == x509.load_pem_x509_certificate(own.cert.read_bytes())
    assert site.certificates.ca_pem() == own.cert.read_bytes()
    assert len(site.certificates.fingerprint()) == 32 * 3 - 1


async def test_a_relative_path_is_relative_to_the_data_directory(own: Own) -> None:
    site = Site(own.directory, config=TlsConfig(cert=own.cert.name, key=own.key.name))
    await site.start()
    assert site.certificates.ca_pem() == own.cert.read_bytes()


async def test_a_certificate_without_a_key_is_reported(own: Own) -> None:
    own.config = TlsConfig(cert=str(own.cert))
    with pytest.raises(StartFault, match=r"tls\.cert is set and tls\.key is not"):
        await own.site()


async def test_a_missing_file_is_named(own: Own) -> None:
    own.key.unlink()
    with pytest.raises(StartFault, match=r"tls\.key: cannot read .*localhost\.key"):
        await own.site()


async def test_a_file_that_is_no_certificate_is_named(own: Own) -> None:
    own.cert.write_bytes(b"\x30\x82")
    with pytest.raises(StartFault, match=r"localhost\.crt contains no certificate in PEM"):
        await own.site()


async def test_a_file_that_is_no_key_is_named(own: Own) -> None:
    own.key.write_bytes(own.cert.read_bytes())
    with pytest.raises(StartFault, match=r"localhost\.key contains no private key in PEM"):
        await own.site()


async def test_a_key_with_a_passphrase_is_reported(own: Own) -> None:
    key = serialization.load_pem_private_key(own.key.read_bytes(), password=None)
    own.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(StartFault, match="protected by a passphrase"):
        await own.site()


async def test_a_key_of_another_certificate_is_reported(own: Own) -> None:
    _, other = self_signed(own.directory, "elsewhere")
    own.key.write_bytes(other.read_bytes())
    with pytest.raises(StartFault, match=r"localhost\.key is not the key of the first"):
        await own.site()


async def test_an_expired_certificate_is_reported(own: Own) -> None:
    own.renew(NOW - 60 * DAY)
    with pytest.raises(StartFault, match=r"localhost\.crt expired on 20\d\d-\d\d-\d\d"):
        await own.site()


async def test_changed_files_are_read_again(own: Own) -> None:
    site = await own.site()
    before = leaf(site)
    await site.certificates.check()
    assert leaf(site) == before
    own.renew(NOW + DAY)
    await site.certificates.check()
    assert leaf(site) != before


@pytest.mark.expects_error("the certificate could not be renewed: .* contains no certificate")
async def test_with_an_invalid_new_file_the_old_certificate_stays_in_use(own: Own) -> None:
    site = await own.site()
    before = leaf(site)
    own.cert.write_bytes(b"half a cert")
    await site.certificates.check()
    assert leaf(site) == before
    assert "contains no certificate" in site.certificates.problem
    own.renew(NOW + DAY)
    await site.certificates.check()
    assert leaf(site) != before
    assert site.certificates.problem == ""


def pair(directory: Path, name: str = "gate-pc", *, now: float = NOW) -> tuple[bytes, bytes]:
    """The PEM text of a certificate for this name, and of its key."""
    directory.mkdir(exist_ok=True)
    cert, key = self_signed(directory, name, now=now)
    return cert.read_bytes(), key.read_bytes()


async def test_an_uploaded_certificate_is_used_at_once_and_after_a_restart(
    site: Site, tmp_path: Path
) -> None:
    before = site.certificates.context()
    assert site.certificates.kind == "site"
    await site.certificates.upload(*pair(tmp_path / "ca"))
    assert site.certificates.kind == "uploaded"
    assert site.certificates.context() is not before
    assert site.certificates.names == {"gate-pc"}
    await site.certificates.check()
    assert site.certificates.problem == ""
    fingerprint = site.certificates.leaf_fingerprint
    await site.start()
    assert site.certificates.kind == "uploaded"
    assert site.certificates.leaf_fingerprint == fingerprint


async def test_an_uploaded_certificate_is_checked_beside_the_event_loop(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long RSA key takes many seconds, for which no camera may wait."""
    held_up: list[bool] = []

    def check(cert: bytes, key: bytes, now: float) -> bytes:
        held_up.append(trio.lowlevel.in_trio_run())
        return checked_pem(cert, key, now)

    monkeypatch.setattr(module, "checked_pem", check)
    await site.certificates.upload(*pair(tmp_path / "ca"))
    assert held_up == [False]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such mode")
async def test_an_uploaded_key_is_readable_by_its_owner_only(site: Site, tmp_path: Path) -> None:
    await site.certificates.upload(*pair(tmp_path / "ca"))
    own = trio.Path(site.directory) / "tls" / "own.pem"
    assert (await own.stat()).st_mode & 0o777 == 0o600
    names = [path.name for path in await (trio.Path(site.directory) / "tls").iterdir()]
    assert [name for name in names if name.startswith("own.")] == ["own.pem"]


async def test_the_hubs_own_certificate_comes_back(site: Site, tmp_path: Path) -> None:
    before = site.certificates.leaf_fingerprint
    await site.certificates.upload(*pair(tmp_path / "ca"))
    await site.certificates.remove_uploaded()
    assert site.certificates.kind == "site"
    assert site.certificates.leaf_fingerprint == before
    await site.start()
    assert site.certificates.kind == "site"


async def test_an_uploaded_certificate_that_does_not_fit_is_refused_and_changes_nothing(
    site: Site, tmp_path: Path
) -> None:
    cert, key = pair(tmp_path / "a")
    other, other_key = pair(tmp_path / "b", "other")
    old, old_key = pair(tmp_path / "c", "old", now=NOW - 40 * DAY)
    sealed = serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    before = site.certificates.leaf_fingerprint
    for given, with_key, problem, field in (
        (b"", key, "no-certificate", "cert"),
        (key, key, "no-certificate", "cert"),
        (cert, b"", "no-key", "key"),
        (cert, cert, "no-key", "key"),
        (cert, sealed, "passphrase", "key"),
        (cert, other_key, "mismatch", "key"),
        (cert + other, key, "chain", "cert"),
        (old, old_key, "expired", "cert"),
    ):
        with pytest.raises(CertificateProblem) as caught:
            await site.certificates.upload(given, with_key)
        assert (caught.value.problem, caught.value.field) == (problem, field)
    assert site.certificates.kind == "site"
    assert site.certificates.leaf_fingerprint == before


async def test_a_certificate_of_the_settings_wins_over_an_uploaded_one(
    site: Site, tmp_path: Path
) -> None:
    await site.certificates.upload(*pair(tmp_path / "ca"))
    cert, key = self_signed(tmp_path, "by-file", now=NOW)
    site.config = TlsConfig(cert=str(cert), key=str(key))
    await site.start()
    assert site.certificates.kind == "configured"
    assert site.certificates.names == {"by-file"}
    for change in (site.certificates.upload(b"", b""), site.certificates.remove_uploaded()):
        with pytest.raises(CertificateProblem) as caught:
            await change
        assert caught.value.problem == "configured"


async def test_an_uploaded_certificate_that_has_expired_stays_in_use_over_a_restart(
    site: Site, tmp_path: Path
) -> None:
    await site.certificates.upload(*pair(tmp_path / "ca"))
    site.now += 40 * DAY
    await site.start()
    assert site.certificates.kind == "uploaded"
    assert site.certificates.expires_at < site.now


async def test_a_damaged_uploaded_certificate_does_not_keep_the_hub_from_starting(
    site: Site, tmp_path: Path
) -> None:
    await site.certificates.upload(*pair(tmp_path / "ca"))
    await (trio.Path(site.directory) / "tls" / "own.pem").write_bytes(b"half a file")
    await site.start()
    assert site.certificates.kind == "site"
    assert "contains no certificate" in site.certificates.problem
    await site.certificates.check()
    assert "contains no certificate" in site.certificates.problem
    await site.certificates.upload(*pair(tmp_path / "ca"))
    assert site.certificates.problem == ""


@pytest.mark.parametrize(
    ("host", "names", "fits"),
    [
        ("gate-pc", {"gate-pc"}, True),
        ("Gate-PC.", {"gate-pc"}, True),
        ("hub.site.example", {"*.site.example"}, True),
        ("a.hub.site.example", {"*.site.example"}, False),
        ("10.0.0.5", {"10.0.0.5"}, True),
        ("10.0.0.5", {"*.0.0.5"}, False),
        ("[fd00:0::7]", {"fd00::7"}, True),
        ("other", {"gate-pc"}, False),
    ],
)
def test_the_names_of_a_certificate_are_compared_as_browsers_do(
    host: str, names: set[str], fits: bool
) -> None:
    assert is_named(host, frozenset(names)) == fits
