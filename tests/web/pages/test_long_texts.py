"""Text that is expensive to normalise, sent to whatever takes text: it must be cut before.

What is measured is how many characters are normalised at once, as time is not to be relied upon:
MAX_NORMALISED of the worst take a millisecond.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest

from hub.folding import MAX_NORMALISED
from hub.services.audit import COMMAND_LINE
from hub.store.people.person_rows import PersonChange
from hub.wire.uploads.records import FaceDetail, Plate, VehicleDetail
from tests.support.openapi_bodies import Bodies
from tests.support.page_site import PageSite
from tests.support.photographer import Photographer, photo
from tests.web.api.test_api import Client

#: Python sorts combining marks in a time that grows with the square of their number.
MARKS = "\u0301" * 15_750 + "\u0316" * 15_750
#: Enough to be noticed where many fields are sent at once.
SHORTER = "\u0301" * 550 + "\u0316" * 550
TABLE = f"name,{MARKS},age,valid_from,category\n{MARKS},x,{MARKS},{MARKS},{MARKS}\n"
#: Streams, what waits for news, and reports as files, which wait for their rows.
_ENDLESS = ("stream", "/news", "<kind>.csv", "<kind>.xlsx")
#: A parameter of a path: `{did}`, `<did>` or `<int:did>`.
_PARAMETER = re.compile(r"[{<](?:(?P<kind>[^:>]+):)?(?P<name>\w+)[}>]")
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
    await hub.services.people.register.add(PersonChange(name="Ann"), by=COMMAND_LINE)
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


@pytest.mark.long
async def test_every_form_and_query_of_the_pages_is_cut(
    site: PageSite, admin: Photographer, normalised: list[int]
) -> None:
    await _add_things(Client(site.hub, await site.hub.bearer()))
    asked: set[str] = set()
    for path in _pages(admin):
        for address in (path, f"{path}?{_query('q', 'name', 'plate', 'find', 'text', 'who')}"):
            await admin.get(address)
            for form in _Forms.of(admin.text):
                if not form.names or (form.path or path) in asked:
                    continue
                asked.add(form.path or path)
                fields = dict.fromkeys(form.names, SHORTER) | form.kept
                if form.file:
                    await admin.send_file(
                        form.path or path, form.file, "a.jpg", photo(size=(200, 200)), **fields
                    )
                elif form.method == "post":
                    await admin.send(form.path or path, **fields)
                elif form.method == "get":
                    await admin.get(f"{form.path or path}?{_query(*form.names)}")
                assert admin.response.status_code < 500, (form.path, admin.text)
    assert len(asked) >= 30, asked
    for name in ("name", "plate", "q"):
        await admin.get(f"/search?{name}={quote(MARKS[-5000:])}")


async def test_everything_that_the_api_takes_is_cut(site: PageSite, normalised: list[int]) -> None:
    """Paths, queries, headers and each text of each body, as the API describes them."""
    api = Client(site.hub, await site.hub.bearer())
    await _add_things(api)
    document = await api.get("/openapi.json")
    bodies = Bodies(document["components"]["schemas"], SHORTER)
    calls = [
        (method.upper(), path, call)
        for path, methods in document["paths"].items()
        for method, call in methods.items()
        if not path.endswith(_ENDLESS)
    ]
    sent = 0
    # What is removed is not there for the others.
    for method, path, call in sorted(calls, key=lambda one: one[0] == "DELETE"):
        here = _PARAMETER.sub(_known, path)
        addresses = {here, _PARAMETER.sub(quote(SHORTER), path)}
        headers = dict(api.headers)
        for one in call.get("parameters", ()):
            if one["in"] == "query":
                addresses.add(f"{here}?{_query(one['name'])}")
            elif one["in"] == "header":
                headers[one["name"]] = "x" * len(SHORTER)
        for address in sorted(addresses):
            sent += 1
            response = await api.raw(method, address, headers=headers)
            assert response.status_code < 500, address
        content = call.get("requestBody", {}).get("content", {})
        if "text/csv" in content:
            await api.raw(method, here, TABLE.encode(), headers | {"Content-Type": "text/csv"})
        body = content.get("application/json")
        for value in bodies.with_text(body["schema"]) if body else ():
            sent += 1
            response = await api.raw(method, here, value, headers)
            assert response.status_code < 500, (method, path, value)
    assert sent > 400


async def test_tables_of_an_import_are_cut(
    site: PageSite, admin: Photographer, normalised: list[int]
) -> None:
    await admin.get("/people/import")
    await admin.send_file("/people/import", "table", "people.csv", TABLE.encode())
    await admin.get("/cameras/add")
    await admin.send_file("/cameras/import", "table", "cameras.csv", TABLE.encode())


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


async def _add_things(api: Client) -> None:
    """Add one of what has a page and an address of its own."""
    await api.send("POST", "groups", {"name": "North", "dids": ["1"]})
    plates = {"name": "VIP", "severity": "major", "entries": [{"pattern": "A*"}]}
    await api.send("POST", "plate-lists", plates)
    await api.send("POST", "holds", {"reason": "theft", "seqs": [1]})


def _pages(admin: Photographer) -> list[str]:
    """The pages, of what there is and of what has a long text for a name."""
    found = set()
    for rule in admin.app.url_map.iter_rules():
        is_page = "GET" in (rule.methods or ()) and not rule.rule.startswith(("/api/", "/static"))
        if is_page and not rule.rule.endswith(_ENDLESS):
            found.add(_PARAMETER.sub(_known, rule.rule))
            found.add(_PARAMETER.sub(_or_long, rule.rule))
    return sorted(found)


def _known(parameter: re.Match[str]) -> str:
    """What is in the place of a parameter of a path: the first of its kind, or one of a list."""
    if parameter["kind"] and parameter["kind"].startswith("any("):
        return parameter["kind"][4:].partition(",")[0]
    return {"pid": "1000001", "sn": "SN", "name": "face", "kind": "attendance"}.get(
        parameter["name"], "1"
    )


def _or_long(parameter: re.Match[str]) -> str:
    return quote(SHORTER) if not parameter["kind"] else _known(parameter)


def _query(*names: str) -> str:
    return "&".join(f"{name}={quote(SHORTER)}" for name in names)


class _Form:
    def __init__(self, sent: dict[str, str | None]) -> None:
        self.path = (sent.get("action") or "").partition("?")[0]
        self.method = (sent.get("method") or "get").lower()
        #: The field of a file.
        self.file = ""
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
        if tag == "input" and sent.get("type") == "file":
            form.file = name
        elif tag == "textarea" or (tag == "input" and (sent.get("type") or "text") in _TEXT):
            form.names.append(name)
        elif tag == "input" and sent.get("type") in ("radio", "checkbox"):
            form.kept[name] = sent.get("value") or "1"
