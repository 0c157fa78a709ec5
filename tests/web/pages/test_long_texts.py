"""Text that is expensive to normalise, sent to whatever takes text: it must be cut before."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest

from hub.folding import MAX_NORMALISED
from hub.services.access.audit import COMMAND_LINE
from hub.services.people.register import PersonChange
from hub.wire.uploads.records import FaceDetail, Plate, VehicleDetail
from tests.support.page_site import PageSite
from tests.support.photographer import Photographer
from tests.web.api.test_api import Client

#: Python sorts combining marks in a time that grows with the square of their number.
MARKS = "\u0301" * 15_750 + "\u0316" * 15_750
#: Enough to be noticed where many fields are sent at once.
SHORTER = "\u0301" * 550 + "\u0316" * 550
#: Streams, and what waits for news.
_ENDLESS = ("stream", "/news")
_TEXT = ("text", "search", "password", "tel", "email", "url")


@pytest.fixture
def normalised(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many characters were normalised at once, each time; never too many."""
    lengths: list[int] = []
    original = unicodedata.normalize

    def normalize(form: Any, text: str) -> str:
        lengths.append(len(text))
        return original(form, text[:MAX_NORMALISED])

    monkeypatch.setattr(unicodedata, "normalize", normalize)
    yield lengths
    assert lengths
    assert max(lengths) <= MAX_NORMALISED


@pytest.fixture
async def site(hub: PageSite) -> PageSite:
    await hub.enrol()
    await hub.services.people.add(PersonChange(name="Ann"), by=COMMAND_LINE)
    await hub.add_record("face", FaceDetail(name="Ann"))
    return hub


async def test_a_strangers_sign_in_names_are_cut(site: PageSite, normalised: list[int]) -> None:
    stranger = Photographer(site)
    await stranger.get("/sign-in")
    body = f"csrf_token={stranger.token}&password=x&name={MARKS}".encode()
    as_a_form = {"Content-Type": "application/x-www-form-urlencoded"}
    response = await stranger._client.post("/sign-in", data=body, headers=as_a_form)
    assert response.status_code == 401
    assert MARKS[:1000] not in (await response.get_data()).decode()
    await stranger.send("/sign-in", name="\u0301" * 99, password="x")


async def test_every_form_and_query_of_the_pages_is_cut(
    site: PageSite, admin: Photographer, normalised: list[int]
) -> None:
    asked: set[str] = set()
    for path in _pages(admin):
        for address in (path, f"{path}?{_query('q', 'name', 'plate', 'find', 'text', 'who')}"):
            await admin.get(address)
            for form in _Forms.of(admin.text):
                if not form.names or (form.path or path) in asked:
                    continue
                asked.add(form.path or path)
                fields = dict.fromkeys(form.names, SHORTER) | form.kept
                if form.method == "post" and not form.is_multipart:
                    await admin.send(form.path or path, **fields)
                elif form.method == "get":
                    await admin.get(f"{form.path or path}?{_query(*form.names)}")
                assert admin.response.status_code < 500, (form.path, admin.text)
    assert len(asked) >= 30, asked
    for name in ("name", "plate", "q"):
        await admin.get(f"/search?{name}={quote(MARKS[-5000:])}")


async def test_every_query_of_the_api_is_cut(site: PageSite, normalised: list[int]) -> None:
    api = Client(site.hub, await site.hub.bearer())
    for path, calls in (await api.get("/openapi.json"))["paths"].items():
        for sent in calls.get("get", {}).get("parameters", ()):
            if sent["in"] == "query" and "/stream" not in path and "{" not in path:
                response = await api.raw("GET", f"{path}?{_query(sent['name'])}")
                assert response.status_code < 500


async def test_bodies_of_the_api_are_cut(site: PageSite, normalised: list[int]) -> None:
    api = Client(site.hub, await site.hub.bearer())
    entries = [{"pattern": MARKS, "note": MARKS}, {"pattern": "B 1", "note": SHORTER[:200]}]
    for method, path, body in (
        ("POST", "people", {"name": MARKS, "department": MARKS}),
        ("POST", "people", {"name": "A", "note": SHORTER[:900], "department": SHORTER[:120]}),
        ("POST", "groups", {"name": MARKS, "dids": []}),
        ("POST", "groups", {"name": SHORTER[:60], "dids": []}),
        ("POST", "plate-lists", {"name": MARKS, "entries": entries}),
        ("POST", "plate-lists", {"name": "A", "severity": "major", "entries": entries}),
        ("PATCH", "devices/1", {"name": MARKS}),
    ):
        response = await api.raw(method, path, body)
        assert response.status_code < 500, path


async def test_tables_of_an_import_are_cut(
    site: PageSite, admin: Photographer, normalised: list[int]
) -> None:
    table = f"name,{MARKS},age,valid_from,category\n{MARKS},x,{MARKS},{MARKS},{MARKS}\n"
    await admin.get("/people/import")
    await admin.send_file("/people/import", "table", "people.csv", table.encode())
    await admin.get("/cameras/import")
    await admin.send_file("/cameras/import", "table", "cameras.csv", table.encode())


async def test_what_cameras_send_is_cut(
    site: PageSite, admin: Photographer, normalised: list[int]
) -> None:
    plates = {"name": "VIP", "severity": "major", "entries": [{"pattern": "A*"}]}
    await Client(site.hub, await site.hub.bearer()).send("POST", "plate-lists", plates)
    await site.add_record("vehicle", VehicleDetail(plate=Plate(id=MARKS)))
    await site.add_record("face", FaceDetail(name=MARKS, uuid=MARKS, category=2))
    for path in ("/", "/wall", "/search", "/search?plate=A", "/search?name=A", "/alarms"):
        await admin.get(path)
        assert admin.response.status_code == 200


def _pages(admin: Photographer) -> list[str]:
    """The pages, of the camera and the person that there are."""
    found = set()
    for rule in admin.app.url_map.iter_rules():
        path = rule.rule.replace("<did>", "1").replace("<pid>", "1").replace("<int:did>", "1")
        is_page = "GET" in (rule.methods or ()) and "<" not in path
        if is_page and not path.startswith(("/api/", "/static")) and not path.endswith(_ENDLESS):
            found.add(path)
    return sorted(found)


def _query(*names: str) -> str:
    return "&".join(f"{name}={quote(SHORTER)}" for name in names)


class _Form:
    def __init__(self, sent: dict[str, str | None]) -> None:
        self.path = (sent.get("action") or "").partition("?")[0]
        self.method = (sent.get("method") or "get").lower()
        self.is_multipart = sent.get("enctype") == "multipart/form-data"
        self.names: list[str] = []
        #: What is chosen from a list, with one of its values.
        self.kept: dict[str, str] = {}


class _Forms(HTMLParser):
    """The forms of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[_Form] = []

    @classmethod
    def of(cls, page: str) -> list[_Form]:
        parser = cls()
        parser.feed(page)
        return parser.found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        sent = dict(attrs)
        if tag == "form":
            self.found.append(_Form(sent))
            return
        name = sent.get("name")
        if not self.found or not name or name == "csrf_token":
            return
        form = self.found[-1]
        if tag == "textarea" or (tag == "input" and (sent.get("type") or "text") in _TEXT):
            form.names.append(name)
        elif tag == "input" and sent.get("type") in ("radio", "checkbox"):
            form.kept[name] = sent.get("value") or "1"
