"""The page of the certificate, on a real one."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from quart.datastructures import FileStorage

from hub.services.certificates.certificates import Certificates
from hub.services.certificates.upload import ProblemCode
from tests.support.browsing import Visitor
from tests.support.certificates import self_signed, self_signed_with_names
from tests.support.clock import FrozenClock
from tests.support.core import core_of
from tests.support.page_site import PASSWORD, PageSite, open_page_site
from web.pages.site.certificate import PROBLEMS

PAGE = "/site/certificate"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where the slow keys of the site's authority are made once."""
    return tmp_path_factory.mktemp("authority")


@pytest.fixture
async def hub(authority: Path, tmp_path: Path, clock: FrozenClock) -> AsyncIterator[PageSite]:
    certificates = Certificates(
        core_of(None, clock, data_dir=authority), names=lambda: frozenset({"localhost", "10.0.0.5"})
    )
    await certificates.load()
    async with open_page_site(tmp_path / "data", clock) as site:
        upkeep = replace(site.services.upkeep, certificates=certificates)
        site.services = replace(site.services, upkeep=upkeep)
        yield site
    if certificates.kind == "uploaded":
        await certificates.remove_uploaded()


@pytest.fixture
async def admin(hub: PageSite) -> Visitor:
    return await Visitor.signed_in(hub)


async def upload(visitor: Visitor, cert: bytes, key: bytes, **fields: str) -> None:
    """Send the form with both files."""
    files = {
        name: FileStorage(io.BytesIO(data), filename=f"{name}.pem")
        for name, data in (("cert", cert), ("key", key))
    }
    form = {"csrf_token": visitor.token, "own_password": PASSWORD, **fields}
    visitor.response = await visitor._client.post(f"{PAGE}/upload", form=form, files=files)
    visitor.text = (await visitor.response.get_data()).decode()


def pair(directory: Path, name: str, now: float) -> tuple[bytes, bytes]:
    cert, key = self_signed(directory, name, now=now)
    return cert.read_bytes(), key.read_bytes()


async def test_the_page_says_for_whom_and_until_when_the_certificate_is(
    hub: PageSite, admin: Visitor
) -> None:
    await admin.get("/site")
    assert "Issued by this hub" in admin.text
    assert "<code>10.0.0.5</code>" in admin.text
    assert hub.services.upkeep.certificates.leaf_fingerprint in admin.text
    assert hub.services.upkeep.certificates.fingerprint() in admin.text
    assert "396 days left" in admin.text or "397 days left" in admin.text
    assert 'href="/ca.crt"' in admin.text


async def test_ones_own_certificate_is_installed_and_given_up_again(
    hub: PageSite, admin: Visitor, tmp_path: Path, clock: FrozenClock
) -> None:
    before = hub.services.upkeep.certificates.leaf_fingerprint
    await admin.get("/site")
    await upload(admin, *pair(tmp_path, "localhost", clock()))
    await admin.get(admin.goes_to)
    assert "The certificate was installed" in admin.text
    assert "Your own, uploaded here" in admin.text
    installed = hub.services.upkeep.certificates.leaf_fingerprint
    assert installed != before
    await admin.get(f"{PAGE}/remove")
    assert "Use the hub's own certificate again?" in admin.text.replace("&#39;", "'")
    await admin.send(f"{PAGE}/remove")
    await admin.get(admin.goes_to)
    assert "Issued by this hub" in admin.text
    assert hub.services.upkeep.certificates.leaf_fingerprint == before
    assert [entry for entry in await hub.audited() if entry[1].startswith("certificate.")] == [
        ("user admin", "certificate.upload", installed),
        ("user admin", "certificate.remove", installed),
    ]


async def test_a_certificate_for_another_address_is_installed_only_if_asked_for(
    hub: PageSite, admin: Visitor, tmp_path: Path, clock: FrozenClock
) -> None:
    cert, key = pair(tmp_path, "elsewhere", clock())
    await admin.get("/site")
    await upload(admin, cert, key)
    assert admin.response.status_code == 400
    assert "does not cover the address you are using now (localhost)" in admin.text
    assert hub.services.upkeep.certificates.kind == "site"
    await upload(admin, cert, key, anyway="yes")
    await admin.get(admin.goes_to)
    assert "It does not cover the address you are using now: localhost." in admin.text


@pytest.mark.parametrize("names", [b"nonsense", b"\x30\x06\x82\x04\xc9\xe3\xcf\xf1"])
async def test_a_certificate_whose_names_cannot_be_read_names_nobody(
    hub: PageSite, admin: Visitor, clock: FrozenClock, names: bytes
) -> None:
    """A host name in GBK, for example. The hub must start with it, too."""
    cert, key = self_signed_with_names(names, clock())
    await admin.get("/site")
    await upload(admin, cert, key)
    assert admin.response.status_code == 400
    assert "does not cover the address you are using now (localhost)" in admin.text
    await upload(admin, cert, key, anyway="yes")
    await admin.get(admin.goes_to)
    assert "It does not cover the address you are using now: localhost." in admin.text
    assert hub.services.upkeep.certificates.names == frozenset()
    await hub.services.upkeep.certificates.load()
    assert hub.services.upkeep.certificates.kind == "uploaded"


async def test_a_stolen_session_installs_no_certificate(
    hub: PageSite, admin: Visitor, tmp_path: Path, clock: FrozenClock
) -> None:
    """Who has its key could read what browsers and cameras send."""
    await admin.get("/site")
    for wrong in ("", "a guess"):
        await upload(admin, *pair(tmp_path, "localhost", clock()), own_password=wrong)
        assert admin.response.status_code == 400
        assert "Your password is wrong." in admin.text
        assert hub.services.upkeep.certificates.kind == "site"


async def test_a_key_that_does_not_fit_is_explained(
    hub: PageSite, admin: Visitor, tmp_path: Path, clock: FrozenClock
) -> None:
    cert, _ = pair(tmp_path, "localhost", clock())
    _, key = pair(tmp_path, "other", clock())
    await admin.get("/site")
    await upload(admin, cert, key)
    assert admin.response.status_code == 400
    assert "The key does not belong to the first certificate" in admin.text
    await upload(admin, b"", b"")
    assert "contains no certificate in PEM" in admin.text
    assert hub.services.upkeep.certificates.kind == "site"


def test_every_problem_has_its_sentence() -> None:
    assert set(PROBLEMS) == set(get_args(ProblemCode))


async def test_addresses_refused_for_old_tls_are_named_with_what_helps(
    hub: PageSite, admin: Visitor
) -> None:
    hub.services.cameras.old_tls.refuse("10.0.0.66", "devices")
    hub.services.cameras.old_tls.refuse("10.0.0.67", "web")
    await admin.get("/site")
    assert "Only modern TLS is accepted" in admin.text
    for text in ("10.0.0.66", "10.0.0.67", "devices.legacy_ciphers", "devices.plain_http_port"):
        assert text in admin.text


async def test_cameras_that_use_legacy_suites_are_named(hub: PageSite, admin: Visitor) -> None:
    await hub.enrol("Old gate")
    hub.services.cameras.old_tls.connected("1", "AES128-SHA")
    await admin.get("/site")
    assert "Old gate</a>" in admin.text
    assert "AES128-SHA" in admin.text
