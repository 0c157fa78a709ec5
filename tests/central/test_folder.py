"""The folder of an owner: who may use the servers, and the files for hubs."""

from __future__ import annotations

import errno
import re
import ssl
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509

from hub import durable_files
from hub.central.folder import (
    enrol,
    make_folder,
    read_central,
    reissue,
    remove,
    write_credentials,
)
from hub.errors import BadParameter, StartFault
from hub.services.forwarding.nats.address import partition_of
from hub.services.forwarding.nats.identity import Identity, check_identity
from hub.services.forwarding.target_file import read_target_file

TLS = "tls://a.example.org:4222,tls://b.example.org:4222,tls://192.0.2.7:4222"
PLAIN = "nats://127.0.0.1:4222"


def test_a_hub_gets_a_certificate_that_the_owners_authority_has_signed(tmp_path: Path) -> None:
    make_folder(tmp_path, TLS, with_passwords=False)
    hub = enrol(tmp_path, "site-1", 3)
    assert (hub.kind, hub.url, hub.hub, hub.partition, hub.user) == ("nats", TLS, "site-1", 3, "")
    identity = check_identity(Identity(cert=hub.cert, key=hub.key), "nats", hub.url)
    assert identity.cert.startswith("-----BEGIN CERTIFICATE-----")
    ssl.create_default_context(cadata=hub.ca)
    accounts = (tmp_path / "accounts.conf").read_text()
    assert '{ user: "CN=sitehub-central", permissions' in accounts
    permissions = 'permissions: { publish: ["sitehub.3.site-1.>"'
    assert re.search(
        rf'\{{ user: "CN=site-1,OU=[0-9a-f]{{16}}", {re.escape(permissions)}', accounts
    )
    assert "password" not in accounts


def test_with_passwords_each_has_its_own(tmp_path: Path) -> None:
    make_folder(tmp_path, PLAIN, with_passwords=False)
    first, second = enrol(tmp_path, "site-1"), enrol(tmp_path, "site-2")
    passwords = {first.password, second.password, read_central(tmp_path).password}
    assert len(passwords) == 3
    accounts = (tmp_path / "accounts.conf").read_text()
    assert all(f'password: "{password}"' in accounts for password in passwords)
    assert (first.user, first.cert, first.ca) == ("site-1", "", "")


def test_a_hub_that_is_enrolled_again_stays_in_its_stream_with_a_new_identity(
    tmp_path: Path,
) -> None:
    make_folder(tmp_path, PLAIN, with_passwords=False)
    before, after = enrol(tmp_path, "site-1", 9), enrol(tmp_path, "site-1")
    assert after.partition == before.partition == 9
    assert before.password not in (tmp_path / "accounts.conf").read_text()
    with pytest.raises(BadParameter, match="9 already"):
        enrol(tmp_path, "site-1", 4)


def test_a_hub_that_is_removed_has_no_account(tmp_path: Path) -> None:
    make_folder(tmp_path, PLAIN, with_passwords=False)
    enrol(tmp_path, "site-1")
    enrol(tmp_path, "site-2")
    remove(tmp_path, "site-1")
    accounts = (tmp_path / "accounts.conf").read_text()
    assert '"site-1"' not in accounts
    assert '"site-2"' in accounts
    assert not remove(tmp_path, "site-1")


def test_the_longest_name_gets_a_certificate(tmp_path: Path) -> None:
    make_folder(tmp_path, TLS, with_passwords=False)
    assert enrol(tmp_path, "a" * 63).cert


def test_a_hub_of_an_earlier_version_stays_enrolled(tmp_path: Path) -> None:
    make_folder(tmp_path, TLS, with_passwords=False)
    path = tmp_path / "hubs.json"
    text = '{"identity": "certificate", "hubs": [{"name": "site-1", "partition": 3}]}'
    path.write_text(text)
    enrol(tmp_path, "site-2")
    assert 'user: "CN=site-1", permissions' in (tmp_path / "accounts.conf").read_text()
    enrol(tmp_path, "site-1")
    assert 'user: "CN=site-1", permissions' not in (tmp_path / "accounts.conf").read_text()


@pytest.mark.parametrize("name", ["", "Site", "a.b", "-a", "a" * 64, "sitehub-central", "a/b"])
def test_a_name_that_no_hub_can_have_is_refused(tmp_path: Path, name: str) -> None:
    make_folder(tmp_path, PLAIN, with_passwords=False)
    with pytest.raises(BadParameter, match="a to z"):
        enrol(tmp_path, name)


def test_a_folder_is_not_made_twice(tmp_path: Path) -> None:
    make_folder(tmp_path, PLAIN, with_passwords=False)
    with pytest.raises(StartFault, match="in use already"):
        make_folder(tmp_path, PLAIN, with_passwords=False)


def test_a_command_without_a_folder_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(StartFault, match="sitehub central init"):
        enrol(tmp_path, "site-1")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
@pytest.mark.parametrize(
    ("url", "secret"),
    [
        (TLS, {"ca.key", "server.key", "central.json", "hubs.json", "hub.lock"}),
        (PLAIN, {"central.json", "hubs.json", "accounts.conf", "hub.lock"}),
    ],
)
def test_what_is_secret_only_its_owner_can_read(tmp_path: Path, url: str, secret: set[str]) -> None:
    make_folder(tmp_path, url, with_passwords=False)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert {name for name, mode in modes.items() if mode == 0o600} == secret


def test_the_file_of_a_hub_is_one_of_which_a_target_is_made(tmp_path: Path) -> None:
    make_folder(tmp_path / "central", TLS, with_passwords=False)
    hub = enrol(tmp_path / "central", "site-1")
    path = tmp_path / "site-1.json"
    write_credentials(path, hub)
    read = read_target_file(path.read_bytes())
    assert read == hub
    assert (read.hub, read.partition) == ("site-1", partition_of("site-1"))


def test_the_servers_get_a_certificate_for_more_hosts(tmp_path: Path) -> None:
    make_folder(tmp_path, "tls://one.example.org:4222", with_passwords=False)
    hub = enrol(tmp_path, "site-1")
    before = (tmp_path / "ca.pem").read_text(), (tmp_path / "accounts.conf").read_text()
    url = "tls://one.example.org:4222,tls://10.0.0.2:4222"
    assert reissue(tmp_path, url) == ["one.example.org", "10.0.0.2"]
    certificate = x509.load_pem_x509_certificate((tmp_path / "server.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["one.example.org"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.2"]
    assert read_central(tmp_path).url == url
    assert (hub.ca, (tmp_path / "accounts.conf").read_text()) == before
    assert reissue(tmp_path, "") == ["one.example.org", "10.0.0.2"]
    with pytest.raises(StartFault, match="tls"):
        reissue(tmp_path, "nats://one.example.org")


def test_the_servers_keep_their_key(tmp_path: Path) -> None:
    """One file is written, so that no interruption leaves a certificate of another key."""
    make_folder(tmp_path, TLS, with_passwords=False)
    key, cert = (tmp_path / "server.key").read_bytes(), (tmp_path / "server.pem").read_bytes()
    reissue(tmp_path, "")
    assert (tmp_path / "server.key").read_bytes() == key
    assert (tmp_path / "server.pem").read_bytes() != cert
    (tmp_path / "server.key").unlink()
    reissue(tmp_path, "")
    assert (tmp_path / "server.key").read_bytes() != key
    ssl.create_default_context().load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")


def test_hubs_that_are_enrolled_at_once_are_all_there(tmp_path: Path) -> None:
    make_folder(tmp_path, TLS, with_passwords=False)
    names = [f"site-{number}" for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda name: enrol(tmp_path, name), names))
    accounts = (tmp_path / "accounts.conf").read_text()
    assert [name for name in names if f"CN={name}," not in accounts] == []


class Full:
    """A disk on which one file has no room."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        self._name = name
        self._replace = durable_files.replace_file
        monkeypatch.setattr(durable_files, "replace_file", self)

    def __call__(self, path: Path, target: Path) -> None:
        if target.name == self._name:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._replace(path, target)


def test_what_was_interrupted_is_made_right_by_the_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_folder(tmp_path, PLAIN, with_passwords=False)
    first, _ = enrol(tmp_path, "site-1"), enrol(tmp_path, "site-2")
    with monkeypatch.context() as broken:
        Full(broken, "accounts.conf")
        with pytest.raises(StartFault, match=r"accounts\.conf cannot be written: No space"):
            remove(tmp_path, "site-1")
    assert first.password in (tmp_path / "accounts.conf").read_text()
    assert remove(tmp_path, "site-1")
    assert first.password not in (tmp_path / "accounts.conf").read_text()
    assert not remove(tmp_path, "site-1")


@pytest.mark.parametrize("name", ["ca.pem", "server.key", "server.pem", "central.json"])
def test_a_folder_whose_making_was_interrupted_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with monkeypatch.context() as broken:
        Full(broken, name)
        with pytest.raises(StartFault, match=name):
            make_folder(tmp_path, TLS, with_passwords=False)
    make_folder(tmp_path, TLS, with_passwords=False)
    ssl.create_default_context().load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")


def test_a_folder_that_lacks_only_the_accounts_gets_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        Full(broken, "accounts.conf")
        with pytest.raises(StartFault, match="accounts"):
            make_folder(tmp_path, TLS, with_passwords=False)
    with pytest.raises(StartFault, match="in use already"):
        make_folder(tmp_path, TLS, with_passwords=False)
    assert "CN=sitehub-central" in (tmp_path / "accounts.conf").read_text()


def test_a_server_is_nobody_whom_the_servers_admit(tmp_path: Path) -> None:
    """Its key is on computers that are not the owner's own."""
    make_folder(tmp_path, "tls://sitehub-central:4222", with_passwords=False)
    server = x509.load_pem_x509_certificate((tmp_path / "server.pem").read_bytes())
    accounts = (tmp_path / "accounts.conf").read_text()
    assert f'user: "{server.subject.rfc4514_string()}"' not in accounts
