"""What a screen reader needs of a page: names, labels and headings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser

import msgspec
import pytest

from hub.services.audit import COMMAND_LINE
from hub.store.people.person_rows import PersonChange
from hub.store.tables.alarm_rules import AlarmRule
from hub.store.tables.plate_lists import NewPlateList, PlateEntry
from hub.wire.uploads.records import FaceDetail, Plate, VehicleDetail
from tests.support.page_site import PageSite
from tests.support.photographer import Photographer, photo

_PAGES = (
    "/",
    "/alarms",
    "/alarms?severity=minor",
    "/alarms/1",
    "/alarms/2",
    "/people",
    "/people?q=nobody",
    "/people/7",
    "/people/8",
    "/people/add",
    "/people/7/edit",
    "/people/7/remove",
    "/people/remove?pid=7&pid=8",
    "/people/import",
    "/people/cameras",
    "/cameras",
    "/cameras/add",
    "/cameras/connect",
    "/cameras/1",
    "/cameras/1/settings",
    "/cameras/1/captures",
    "/cameras/1/people/list",
    "/cameras/1/trace",
    "/cameras/1/manage",
    "/cameras/1/people",
    "/cameras/1/people?show=unknown",
    "/cameras/1/people/decide/leave-alone",
    "/cameras/groups",
    "/cameras/groups/1",
    "/cameras/groups/1/remove",
    "/cameras/many",
    "/cameras/many/restart",
    "/jobs",
    "/search",
    "/search?plate=54",
    "/search?did=1&name=nobody&when=today",
    "/search?day=never",
    "/search?person=%E7%8E%8B%E8%8A%B3",
    "/search/export/print",
    "/search/export/print/1",
    "/search/photo",
    "/search/kept",
    "/cameras/firmware",
    "/site",
    "/site/users",
    "/site/settings",
    "/site/erasures",
    "/site/audit",
    "/site/targets",
    "/account",
    "/help/troubleshooting",
    "/help/guard",
    "/help/caretaker",
    "/alarms/rules",
    "/alarms/rules/1",
    "/alarms/rules/1/remove",
    "/alarms/plates",
    "/alarms/plates/1",
    "/alarms/plates/1/remove",
)
#: What a step before shows the way to, on a site where there is one.
_AFTER_A_STEP = {"/cameras/1/people/decide/leave-alone", "/search/export/print/1"}
#: Pages that say what is wrong.
_REFUSED = ("/search?day=never",)
_PAGES_OF_A_NEW_HUB = (
    "/",
    "/search",
    "/alarms",
    "/people",
    "/people/add",
    "/people/cameras",
    "/cameras/groups",
    "/cameras/many",
    "/jobs",
    "/search/photo",
    "/alarms/rules",
    "/alarms/plates",
)
_EMPTY = {"area", "br", "hr", "img", "input", "link", "meta", "source", "use"}
_HEADINGS = {f"h{level}": level for level in range(1, 7)}


class _Element:
    def __init__(self, tag: str, attributes: dict[str, str], parent: _Element | None) -> None:
        self.tag = tag
        self.attributes = attributes
        self.parent = parent
        self.children: list[_Element | str] = []

    def elements(self) -> Iterator[_Element]:
        """This element and all within it, in the order of the page."""
        yield self
        if self.tag == "template":  # Not shown; a script fills in what it copies.
            return
        for child in self.children:
            if isinstance(child, _Element):
                yield from child.elements()

    @property
    def text(self) -> str:
        """What is read aloud of it."""
        if self.attributes.get("aria-hidden") == "true":
            return ""
        own = self.attributes.get("aria-label") or self.attributes.get("alt")
        parts = (child if isinstance(child, str) else child.text for child in self.children)
        return (own or "".join(parts)).strip()

    def within(self) -> Iterator[_Element]:
        """The elements around it, from the nearest."""
        if self.parent is not None:
            yield self.parent
            yield from self.parent.within()

    def __str__(self) -> str:
        return f"<{self.tag} {self.attributes}>"


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self._open = self.root = _Element("page", {}, None)
        self.feed(text)
        self.all = list(self.root.elements())
        self.ids = Counter(one.attributes["id"] for one in self.all if "id" in one.attributes)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = _Element(tag, {name: value or "" for name, value in attrs}, self._open)
        self._open.children.append(element)
        if tag not in _EMPTY:
            self._open = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open.children.append(_Element(tag, dict.fromkeys(a for a, _ in attrs), self._open))  # type: ignore[arg-type]

    def handle_endtag(self, tag: str) -> None:
        if tag not in _EMPTY and self._open.parent is not None:
            self._open = self._open.parent

    def handle_data(self, data: str) -> None:
        self._open.children.append(data)

    def links(self) -> Iterator[str]:
        """Where links, buttons and forms lead, without the query."""
        for one in self.all:
            for name in ("href", "action", "formaction"):
                yield one.attributes.get(name, "").partition("#")[0].partition("?")[0]

    def faults(self) -> Iterator[str]:
        yield from (f"the id {id} is there {n} times" for id, n in self.ids.items() if n > 1)
        yield from self._missing_targets()
        yield from self._unnamed()
        yield from self._headings()

    def _missing_targets(self) -> Iterator[str]:
        for one in self.all:
            named = [one.attributes.get(name, "") for name in ("aria-labelledby", "for")]
            named.append(one.attributes.get("aria-describedby", ""))
            href = one.attributes.get("href", "") if one.tag == "a" else ""
            if href.startswith("#"):
                named.append(href[1:] or "#")
            for id in " ".join(named).split():
                if id not in self.ids:
                    yield f"{one} leads to {id}, which is not there"

    def _unnamed(self) -> Iterator[str]:
        labelled = {one.attributes["for"] for one in self.all if "for" in one.attributes}
        for one in self.all:
            attributes = one.attributes
            if one.tag == "img" and "alt" not in attributes:
                yield f"{one} has no alt"
            if "hidden" in (*attributes, attributes.get("type")) or "aria-hidden" in attributes:
                continue
            is_named = bool(one.text or attributes.get("aria-labelledby"))
            if one.tag in ("a", "button", "summary") and not is_named:
                yield f"{one} has no name"
            if one.tag in ("input", "select", "textarea"):
                around = [label.text for label in one.within() if label.tag == "label"]
                has_label = any(around) or attributes.get("id") in labelled
                if not has_label and not attributes.get("aria-label"):
                    yield f"{one} has no label"

    def _headings(self) -> Iterator[str]:
        last = 0
        for one in self.all:
            if (level := _HEADINGS.get(one.tag)) is None:
                continue
            if level > last + 1:
                yield f"{one} ({one.text}) comes after a heading of level {last}"
            if not one.text:
                yield f"{one} is empty"
            last = level


async def _fill(hub: PageSite) -> None:
    """A site with an alarm of a person and one of a plate, and something on each page."""
    services = hub.services
    await hub.connect()
    group = await services.people.groups.add("Gate", dids=("1",), by=COMMAND_LINE)
    for pid, fields in (
        ("7", {"photo": photo(size=(200, 240)), "phone": "13800001111"}),
        ("8", {"groups": (group.id,)}),
    ):
        change = msgspec.convert({"name": "王芳", **fields}, PersonChange)
        await services.people.register.add(change, by=COMMAND_LINE, pid=pid)
    rule = AlarmRule(kind="offline", severity="major")
    await services.alarms.rules.put([rule], COMMAND_LINE)
    await services.records.saved_searches.add("Gate", "when=today", by=COMMAND_LINE)
    plates = NewPlateList(name="Stolen", entries=(PlateEntry("粤B*"),))
    await services.alarms.plate_lists.add(plates, COMMAND_LINE)
    blacklisted = FaceDetail(name="Li Wei", uuid="7", category=2)
    await hub.add_record(detail=blacklisted, pictures=["face"])
    await hub.add_record("vehicle", VehicleDetail(Plate("粤B54896")), pictures=["vehicle"])


async def _read(visitor: Photographer, paths: tuple[str, ...]) -> dict[str, _Page]:
    pages = {}
    for path in paths:
        await visitor.get(path)
        assert visitor.response.status_code == (400 if path in _REFUSED else 200), path
        pages[path] = _Page(visitor.text)
    return pages


def _faults(pages: dict[str, _Page]) -> dict[str, list[str]]:
    return {path: faults for path, page in pages.items() if (faults := list(page.faults()))}


async def test_everything_has_a_name_and_each_page_is_found_by_a_link(
    hub: PageSite, admin: Photographer
) -> None:
    await _fill(hub)
    pages = await _read(admin, _PAGES)
    assert _faults(pages) == {}
    linked = {link for path, page in pages.items() for link in page.links() if link != path}
    assert {path for path in pages if "?" not in path} - linked == _AFTER_A_STEP


async def test_everything_on_the_pages_of_a_new_hub_has_a_name(admin: Photographer) -> None:
    assert _faults(await _read(admin, _PAGES_OF_A_NEW_HUB)) == {}


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        ('<h1>A</h1><p id="a"></p><p id="a"></p>', "the id a"),
        ('<h1>A</h1><a href="#">Skip</a>', "leads to #"),
        ('<h1>A</h1><label for="x">X</label>', "leads to x"),
        ('<h1>A</h1><a href="/x"></a>', "has no name"),
        ("<h1>A</h1><label><span></span><input></label>", "has no label"),
        ('<h1>A</h1><img src="/x">', "has no alt"),
        ("<h1>A</h1><h3>B</h3>", "of level 1"),
    ],
)
def test_what_is_missing_is_noticed(page: str, fault: str) -> None:
    assert [fault in found for found in _Page(page).faults()] == [True]
