"""A hub below a path of a reverse proxy: every address of its pages, and the pages in Chromium."""

from __future__ import annotations

import re
import shutil
import time
from collections import deque
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from hub.simulator.drawing.people import face_jpeg
from hub.simulator.scenario.population import make_population
from tests.e2e.browser import PASSWORD, Browser
from tests.e2e.camera import Camera, Capture, upload_sync
from tests.e2e.conftest import MakeHub
from tests.e2e.filled_site import ADMIN, FilledSite, open_copy
from tests.e2e.hub_process import TIMEOUT_SECONDS
from tests.e2e.pages import find_pages
from tests.e2e.reverse_proxy import serving_below

PREFIX = "/hub"
_TOKEN = re.compile(r'name="csrf_token" value="([0-9a-f]+)"')
#: What forms send back to the hub, which compares it with its own paths; and what is read.
_NO_ADDRESSES = frozenset(
    {"value", "title", "alt", "placeholder", "content", "aria-label", "data-label", "d", "points"}
)
#: What a camera is asked for. On a slow machine it may be away for a moment, or busy.
_FROM_CAMERAS, _CAMERA_IS_AWAY = f"{PREFIX}/media/device/", (409, 504)
#: A form with rows of a list: nobody has selected any.
_NOTHING_SELECTED = (f"{PREFIX}/people/remove", 400)
#: Of addresses that differ in numbers and names only, so many are asked.
_MOST_OF_A_SHAPE = 2
_STRIPS = pytest.mark.parametrize("strips", [True, False], ids=["removed", "kept"])


@pytest.fixture(scope="module")
def site(filled_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilledSite]:
    with open_copy(filled_folder, tmp_path_factory.mktemp("prefix"), PREFIX) as site:
        yield site


@pytest.fixture(scope="module")
def paths(site: FilledSite) -> list[str]:
    """Of all pages, without the prefix."""
    return [page.path for page in find_pages(site) if page.rule]


@_STRIPS
def test_every_address_of_every_page_is_below_the_prefix_and_answers(
    site: FilledSite, paths: list[str], strips: bool
) -> None:
    with (
        serving_below(PREFIX, site.hub, strips=strips) as origin,
        httpx.Client(base_url=origin, verify=False, timeout=TIMEOUT_SECONDS) as client,
    ):
        token = _TOKEN.findall(client.get(f"{PREFIX}/sign-in").text)[0]
        form = {"csrf_token": token, "name": ADMIN, "password": PASSWORD}
        signed_in = client.post(f"{PREFIX}/sign-in", data=form)
        assert (signed_in.status_code, signed_in.headers["Location"]) == (303, f"{PREFIX}/")
        assert {cookie.path for cookie in client.cookies.jar} == {PREFIX}
        crawl = _Crawl(client, paths)
        crawl.follow()
    assert crawl.outside == []
    assert crawl.failed == []
    # Otherwise it would have seen nothing.
    assert crawl.pages > 60
    for area in ("media", "static", "docs", "search", "reports", "wall", "site"):
        assert any(path.startswith(f"{PREFIX}/{area}") for path in crawl.asked), area
    assert crawl.kinds > {"text/html", "text/css", "image/jpeg", "text/csv", "application/zip"}


def test_programs_are_told_addresses_below_the_prefix(site: FilledSite) -> None:
    headers = site.hub.add_api_key()
    with httpx.Client(base_url=site.hub.url, verify=False, headers=headers) as client:
        records = client.get("/api/hub/v1/records?kind=face&limit=5").json()["items"]
        paths = [path for record in records for path in record["images"].values()]
        assert paths
        for path in paths:
            assert path.startswith(f"{PREFIX}/media/")
            assert client.get(path).status_code == 200
        description = client.get("/openapi.json").json()
        assert description["servers"] == [{"url": PREFIX}]
        session = description["components"]["securitySchemes"]["session"]["name"]
        assert session == "__Secure-sitehub_session"
        # Those of cameras stay where they are.
        assert client.get("/api/v1/server/time").json()["code"] == 200
        assert f"{site.hub.url}{PREFIX}/ca.crt" in client.get("/docs").text
        manifest = client.get("/app.webmanifest").json()
        assert {manifest["id"], manifest["scope"], manifest["start_url"]} == {f"{PREFIX}/"}
        assert all(client.get(icon["src"]).status_code == 200 for icon in manifest["icons"])


@_STRIPS
@pytest.mark.browser
def test_live_and_a_record_work_below_the_prefix(
    make_hub: MakeHub,
    staffed_data: Path,
    tmp_path: Path,
    camera: Camera,
    browser: Browser,
    strips: bool,
) -> None:
    hub = make_hub(f"web.prefix={PREFIX}", data_dir=_copy(staffed_data, tmp_path)).start()
    token, people = camera.join(hub, "--name", "Gate"), iter(make_population().known)

    def sees_somebody() -> None:
        person = next(people)
        pictures = dict.fromkeys(("face", "body", "background"), face_jpeg(person, 0))
        capture = Capture(person.uuid, int(time.time()), pictures)
        with hub.sync_client() as client:
            assert upload_sync(client, token, capture.body()) == 200

    sees_somebody()
    with serving_below(PREFIX, hub, strips=strips) as origin:
        browser.open(f"{origin}{PREFIX}/cameras")
        assert browser.driver.current_url.startswith(f"{origin}{PREFIX}/sign-in?next=")
        browser.fill("name", "mei")
        browser.fill("password", PASSWORD)
        browser.click(".button-main")
        browser.find("body[data-signed-in]")
        assert browser.driver.current_url == f"{origin}{PREFIX}/cameras"

        browser.click(".brand")
        browser.find("[data-live-sign]:not([hidden])")
        assert browser.driver.current_url == f"{origin}{PREFIX}/"
        sees_somebody()
        # The second one came with the stream.
        browser.wait_until(lambda: len(browser.find_all("#wall > .card")) == 2, "no new card")
        browser.wait_until(browser.has_loaded_pictures, "no pictures on the wall")

        browser.click("#wall > .card .card-link")
        browser.find("#record-dialog[open] img")
        assert re.fullmatch(rf"{origin}{PREFIX}/records/\d+", browser.driver.current_url)
        sees_somebody()
        browser.click('#record-dialog [data-step="newer"]:not([hidden])')
        browser.wait_until(
            lambda: browser.driver.current_url.endswith(f"{PREFIX}/records/3"), "no newer record"
        )
        browser.open(f"{origin}{PREFIX}/records/3")
        browser.find(".record img")
        assert _has_worker(browser) == f"{origin}{PREFIX}/"
        for path, shown in (
            ("/search", "[data-chart-hint]:not([hidden])"),
            ("/reports", ".tabs"),
            ("/wall", "#wall > .card"),
        ):
            browser.open(f"{origin}{PREFIX}{path}")
            browser.find(shown)
        # What scripts ask for elsewhere would be not found. Before the proxy ends, which the
        # browser may still ask for something.
        assert browser.console_errors() == []
        browser.open(f"{origin}{PREFIX}/account")
        browser.find('form[action$="/sign-out"]').submit()
        browser.wait_until(
            lambda: browser.driver.current_url.startswith(f"{origin}{PREFIX}/sign-in"),
            "not signed out",
        )


def _has_worker(browser: Browser) -> str:
    """What the service worker counts for."""
    script = "navigator.serviceWorker.ready.then((found) => arguments[0](found.scope))"
    return str(browser.driver.execute_async_script(script))


def _copy(staffed_data: Path, folder: Path) -> Path:
    return Path(shutil.copytree(staffed_data, folder / "data"))


class _Crawl:
    """Asks what pages link to, embed, or fetch, a few of each shape; forms are only looked at.

    It begins at the `paths`, which have no prefix.
    """

    def __init__(self, client: httpx.Client, paths: Iterable[str]) -> None:
        self.pages = 0
        self.asked: list[str] = []
        #: The types of what was answered.
        self.kinds: set[str] = set()
        self.outside: list[tuple[str, str]] = []
        self.failed: list[tuple[str, int]] = []
        self._client = client
        self._shapes: dict[str, int] = {}
        self._waiting = deque(PREFIX + path for path in paths)
        #: An address with the host, as links for others have it.
        self._own = re.compile(re.escape(f"{client.base_url}".rstrip("/")) + r"[^\s\"'<&]*")

    def follow(self) -> None:
        while self._waiting:
            path = self._waiting.popleft()
            if self._is_wanted(path):
                self.asked.append(path)
                self._ask(path)

    def _is_wanted(self, path: str) -> bool:
        shape = re.sub(r"[0-9A-Z]{2,}|\d|\b[0-9a-f]{8,}", "0", path.partition("?")[0])
        count = self._shapes[shape] = self._shapes.get(shape, 0) + 1
        return count <= _MOST_OF_A_SHAPE

    def _ask(self, path: str) -> None:
        # An event stream and an export end late or never: only pages are read.
        with self._client.stream("GET", path) as response:
            if response.has_redirect_location:
                self._note(path, response.headers["Location"])
                return
            if response.status_code in _CAMERA_IS_AWAY and path.startswith(_FROM_CAMERAS):
                return
            if response.status_code != 200:
                if (path, response.status_code) != _NOTHING_SELECTED:
                    self.failed.append((path, response.status_code))
                return
            kind = response.headers.get("Content-Type", "").partition(";")[0]
            self.kinds.add(kind)
            if kind == "text/html":
                self._read(path, response.read().decode())

    def _read(self, path: str, html: str) -> None:
        self.pages += 1
        page = _Page()
        page.feed(html)
        for address in page.forms:
            self._note(path, address, only_look=True)
        for address in page.addresses:
            self._note(path, address)
        for address in self._own.findall(html):
            self._note(path, httpx.URL(address).raw_path.decode(), only_look=True)

    def _note(self, page: str, address: str, *, only_look: bool = False) -> None:
        if not address.startswith(f"{PREFIX}/"):
            self.outside.append((page, address))
        elif not only_look:
            self._waiting.append(address.partition("#")[0])


class _Page(HTMLParser):
    """The addresses of a page, whatever attributes hold them."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.forms: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = dict(attrs)
        for name, value in attrs:
            if name in _NO_ADDRESSES or not value or not value.startswith("/"):
                continue
            is_sent = name in ("formaction", "data-check") or (
                tag == "form" and (of.get("method") or "get").lower() == "post"
            )
            (self.forms if is_sent else self.addresses).append(value)
