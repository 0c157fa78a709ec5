"""Headers and errors of every answer of the web port, and the paths outside pages and API."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.errors import CannotStoreNow
from hub.services.problems import HealthReason
from hub.wire.uploads.records import Record
from tests.support.browsing import Visitor
from tests.support.clock import FrozenClock
from tests.support.page_site import PageSite, open_page_site
from web.health_answer import answer_of


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[PageSite]:
    async with open_page_site(tmp_path, clock) as site:
        yield site


@pytest.fixture
def visitor(hub: PageSite) -> Visitor:
    return Visitor(hub)


async def test_a_page_forbids_framing_inline_script_and_third_parties(visitor: Visitor) -> None:
    await visitor.get("/sign-in")
    policy = visitor.response.headers["Content-Security-Policy"]
    for part in (
        "default-src 'self'",
        "frame-ancestors 'none'",
        "form-action 'self'",
        "base-uri 'none'",
    ):
        assert part in policy
    assert "unsafe" not in policy
    assert visitor.response.headers["Cache-Control"] == "no-store"
    assert visitor.response.headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/sign-in", "/ca.crt", "/nothing", "/api/hub/v1/x"])
async def test_every_answer_forbids_content_sniffing(visitor: Visitor, path: str) -> None:
    await visitor.get(path)
    assert visitor.response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/cameras//7", "/cameras/7"),
        ("//cameras//7?tab=1", "/cameras/7?tab=1"),
        ("//elsewhere//cameras", None),
    ],
)
async def test_an_address_with_slashes_too_many_leads_to_a_path(
    visitor: Visitor, path: str, target: str | None
) -> None:
    """A whole URL would lead out of `web.prefix`, and from HTTPS to HTTP behind a proxy."""
    await visitor.get(path)
    assert visitor.response.headers.get("Location") == target


@pytest.mark.parametrize("host", ["xn--", "xn--a"])
async def test_a_host_that_is_no_name_is_no_fault(visitor: Visitor, host: str) -> None:
    await visitor.get("/sign-in", Host=host)
    assert visitor.response.status_code == 200


@pytest.mark.parametrize("referer", ["http://[", "//[", "http://[::1"])
async def test_a_referer_that_is_no_url_is_ignored(visitor: Visitor, referer: str) -> None:
    await visitor.get("/sign-in")
    await visitor.send("/sign-in", name="admin", password="wrong", referer=referer)
    assert visitor.response.status_code == 401
    assert 'name="password"' in visitor.text


async def test_health_is_ok_or_gives_the_reasons(hub: PageSite) -> None:
    health = hub.services.upkeep.health
    assert answer_of(health) == (200, {"status": "ok"})
    hub.health_reasons = [HealthReason("disk-low", {"free": "1", "wanted": "2"})]
    assert answer_of(health) == (200, {"status": "ok"})
    hub.health_reasons = [HealthReason("cannot-store", {"reason": "the disk is full"})]
    told = (
        "Data cannot be saved at the moment (the disk is full). "
        "Cameras are asked to resend it later."
    )
    assert answer_of(health) == (503, {"status": "unwell", "reasons": [told]})


async def test_the_metrics_need_a_signed_in_user(visitor: Visitor) -> None:
    await visitor.get("/metrics")
    assert visitor.response.status_code == 401
    assert (await visitor.response.get_json())["code"] == 401
    assert visitor.response.headers["WWW-Authenticate"].startswith("Bearer")
    await visitor.sign_in("viewer")
    await visitor.get("/metrics")
    assert visitor.response.status_code == 200
    assert "sitehub_devices_online" in visitor.text


async def test_the_ca_certificate_needs_no_login(visitor: Visitor) -> None:
    await visitor.get("/ca.crt")
    assert visitor.response.content_type == "application/x-x509-ca-cert"
    assert visitor.text.startswith("-----BEGIN CERTIFICATE-----")


async def test_static_files_are_cached_for_a_year_under_the_url_of_their_version(
    visitor: Visitor,
) -> None:
    await visitor.get("/sign-in")
    addresses = re.findall(r'"(/static/[^"#]+)[#"]', visitor.text)
    assert len(addresses) >= 3
    for address in addresses:
        await visitor.get(address)
        assert visitor.response.status_code == 200
        assert "immutable" in visitor.response.headers["Cache-Control"]
    await visitor.get("/static/0000/sitehub.css")
    assert visitor.response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "scripts"),
    [
        ("/sign-in", ()),
        ("/", ("wall.js", "record.js", "alarms.js")),
        ("/alarms", ("alarms.js",)),
        ("/cameras", ("codecheck.js", "alarms.js")),
        ("/cameras/firmware", ("upload.js",)),
        ("/people", ("find.js",)),
        ("/people/add", ("crop.js",)),
        ("/people/import", ("upload.js",)),
        ("/search", ("search.js", "record.js")),
        ("/search/photo", ("crop.js",)),
        ("/cameras/many", ()),
    ],
)
async def test_a_page_without_pictures_weighs_less_than_100_kb(
    visitor: Visitor, path: str, scripts: tuple[str, ...]
) -> None:
    if path != "/sign-in":
        await visitor.sign_in()
    await visitor.get(path)
    assert await visitor.weight(*scripts) < 100_000


async def test_the_description_of_the_api_weighs_less_than_320_kb(visitor: Visitor) -> None:
    # It grows with each call, and is not for guards with a slow connection.
    await visitor.sign_in()
    await visitor.get("/docs")
    assert await visitor.weight() < 320_000


async def test_a_client_that_does_not_accept_gzip_gets_uncompressed_files(visitor: Visitor) -> None:
    await visitor.get("/sign-in")
    (stylesheet,) = re.findall(r'"(/static/[^"]+sitehub.css)"', visitor.text)
    for accepted in ("", "br", "gzip;q=0"):
        await visitor.get(stylesheet, Accept_Encoding=accepted)
        assert "Content-Encoding" not in visitor.response.headers
        assert visitor.response.headers["Vary"] == "Accept-Encoding"
        assert visitor.text.startswith("/*")
    gzipped = await visitor.app.test_client().get(stylesheet, headers={"Accept-Encoding": "gzip"})
    data = await gzipped.get_data(as_text=False)
    assert gzip.decompress(data).decode() == visitor.text
    assert len(data) < len(visitor.text) / 4


async def test_programs_get_errors_as_json(visitor: Visitor) -> None:
    await visitor.get("/api/hub/v1/nothing")
    assert visitor.response.status_code == 404
    assert (await visitor.response.get_json())["code"] == 404
    await visitor.get("/media/1/face.png")
    assert (await visitor.response.get_json())["code"] == 401


async def test_no_large_body_is_read_from_a_visitor_who_is_not_signed_in(visitor: Visitor) -> None:
    await visitor.get("/sign-in")
    await visitor.send("/sign-in", name="x" * 65_536, password="y")
    assert visitor.response.status_code == 413
    assert "Too large" in visitor.text


async def test_people_get_errors_as_pages(visitor: Visitor) -> None:
    await visitor.sign_in()
    await visitor.get("/nothing")
    assert visitor.response.status_code == 404
    assert "Page not found" in visitor.text
    await visitor.get("/records/4711")
    assert visitor.response.status_code == 404
    await visitor.get("/records/notanumber")
    assert visitor.response.status_code == 404
    await visitor.get("/?before=x")
    assert visitor.response.status_code == 400


@pytest.mark.parametrize("path", ["/records/4711", "/api/hub/v1/records/4711"])
async def test_a_temporary_error_says_when_to_retry(
    hub: PageSite, visitor: Visitor, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    async def get(seq: int) -> Record:
        raise CannotStoreNow("the disk is full", retry_after=7)

    await visitor.sign_in()
    monkeypatch.setattr(hub.services.records.log, "get", get)
    await visitor.get(path)
    assert visitor.response.status_code == 503
    assert visitor.response.headers["Retry-After"] == "7"


@pytest.mark.expects_error("a fault of the hub while answering GET /")
async def test_an_internal_error_is_a_page_that_says_so(
    hub: PageSite, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await visitor.sign_in()
    monkeypatch.setattr(hub.services.cameras.enrolment, "waiting", lambda: 1 / 0)
    await visitor.get("/?kind=face")
    assert visitor.response.status_code == 500
    assert "Something went wrong" in visitor.text
    assert "ZeroDivisionError" not in visitor.text
    assert 'href="/?kind=face">Try again</a>' in visitor.text


@pytest.mark.parametrize("path", ["//evil.example/a", "/nobody"])
async def test_nothing_is_tried_again_that_stays_as_it_is(visitor: Visitor, path: str) -> None:
    await visitor.sign_in()
    await visitor.get(path)
    assert visitor.response.status_code in (404, 308)
    assert "Try again" not in visitor.text


async def test_the_web_app_is_described_to_anybody(visitor: Visitor) -> None:
    await visitor.get("/app.webmanifest")
    assert visitor.response.headers["Content-Type"] == "application/manifest+json"
    manifest = json.loads(visitor.text)
    assert (manifest["name"], manifest["start_url"]) == ("Harbour East", "/")
    for icon in manifest["icons"]:
        await visitor.get(icon["src"])
        assert visitor.response.status_code == 200
        assert visitor.response.headers["Content-Type"] == icon["type"]


async def test_the_service_worker_is_never_stale(visitor: Visitor) -> None:
    await visitor.get("/away.js")
    assert visitor.response.headers["Cache-Control"] == "no-cache"
    assert visitor.response.headers["Content-Type"].startswith("text/javascript")
    assert "caches" not in visitor.text
