"""The pages of the hub: one address for each rule of the application that answers with a page.

Nothing has to be added here for a new page: addresses are found by following links, as a person
does, and rules without parameters are asked as well.
"""

from __future__ import annotations

import re
from collections import deque
from html import unescape

import httpx
import msgspec
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, MapAdapter

from tests.e2e.filled_site import FilledSite
from web import pages
from web.route_access import CheckedQuart

_DOCS = "/docs"
_SETUP = "/setup/<token>"
_RESTORE = f"{_SETUP}/restore"
_CAMERA = "/cameras/<int:did>"
#: Two pages with one rule.
_SETTINGS_OF_DEVICE = "/cameras/<int:did>/device/<any(image, media):name>"
#: Pages of every camera that are others if it is of edition 3.
_OTHER_IN_EDITION_3 = ("", "/manage", "/recordings", "/remove", "/people/list")
#: Anybody can open these.
_OPEN_TO_ALL = ("/sign-in", _SETUP, _RESTORE)
_PAGE_START = re.compile(r"\A\s*<!doctype html>", re.IGNORECASE)
_HREF = re.compile(r'\shref="(/[^"#]*)')
_NOT_IN_NAMES = re.compile(r"<(?:\w+(?:\([^)]*\))?:)?|>")


class Page(msgspec.Struct, frozen=True):
    """An address, and the rule that it fits; `rule` is empty for an address that nothing fits.

    `state`: what the page shows there, if that is not the usual.
    """

    rule: str
    path: str
    state: str = ""

    @property
    def name(self) -> str:
        """The rule as a part of file names: cameras-did-recordings, and live for the first page."""
        if not self.rule:
            return "not-found"
        name = _NOT_IN_NAMES.sub("", self.rule).strip("/").replace("/", "-") or "live"
        return f"{name}-{self.state}" if self.state else name

    @property
    def is_for_users(self) -> bool:
        return self.rule not in _OPEN_TO_ALL


def find_pages(site: FilledSite) -> list[Page]:
    """All pages that this site has, each once, by rule.

    Of a camera of a later edition there are its own, and those that it changes much.
    """
    with site.signed_in() as client:
        crawl = _Crawl(client, site.prefix)
        crawl.follow_links()
        if site.door_did:
            crawl.follow_links_of(f"/cameras/{site.door_did}")
        for path in _OTHER_IN_EDITION_3 if site.edition_3_did else ():
            crawl.follow_links_of(f"/cameras/{site.edition_3_did}{path}")
    found = {_SETUP: site.setup_path, _RESTORE: f"{site.setup_path}/restore"}
    found |= {"/sign-in": "/sign-in", "": "/no-such-page"} | crawl.pages
    if person := crawl.pages.get("/people/<pid>"):
        # A form leads there.
        found["/people/remove"] = f"/people/remove?pid={person.rpartition('/')[2]}"
    pages = [Page(rule, path) for rule, path in found.items()]
    if site.edition_3_did:
        pages += _pages_of_later(site)
    return sorted(pages, key=lambda page: (page.rule, page.state))


def _pages_of_later(site: FilledSite) -> list[Page]:
    """Those whose rule is found with another camera, or with another page."""
    later, suspect = f"/cameras/{site.edition_3_did}", f"/cameras/{site.suspect_did}"
    return [
        Page("/", f"/?did={site.edition_3_did}", "camera"),
        *(Page(f"{_CAMERA}{path}", f"{later}{path}", "later") for path in _OTHER_IN_EDITION_3),
        Page(_SETTINGS_OF_DEVICE, f"{later}/device/media", "media"),
        Page("/records/<int:seq>", f"/records/{site.edition_3_vehicle()}", "later"),
        Page(f"{_CAMERA}/manage", f"{suspect}/manage", "suspect"),
    ]


def rules_of_pages() -> list[str]:
    """The rules of everything that is below no path of programs, pages or not."""
    return sorted(
        rule.rule
        for rule in _url_map().iter_rules()
        if "GET" in (rule.methods or ()) and not rule.endpoint.startswith("moved.")
    )


class _Crawl:
    """Follows links; of each rule the first page counts. GET changes nothing.

    `client` knows where the hub is; links begin with `prefix`.
    """

    def __init__(self, client: httpx.Client, prefix: str) -> None:
        self.pages: dict[str, str] = {}
        self._client = client
        self._prefix = prefix
        self._rules: MapAdapter = _url_map().bind("")

    def follow_links(self) -> None:
        """Begin with the first page, and with every rule without parameters."""
        self._follow(deque(["/", *(rule for rule in rules_of_pages() if "<" not in rule)]))

    def follow_links_of(self, path: str) -> None:
        """Begin with the links of a page, although another page with its rule was found."""
        waiting: deque[str] = deque()
        text = self._page_at(path, waiting)
        assert text is not None, path
        self._follow(deque(unescape(link) for link in _HREF.findall(text)))

    def _follow(self, waiting: deque[str]) -> None:
        asked: set[str] = set()
        while waiting:
            path = waiting.popleft().removeprefix(self._prefix)
            rule = self._rule_of(path)
            if not rule or rule in self.pages or path in asked:
                continue
            asked.add(path)
            text = self._page_at(path, waiting)
            if text is not None:
                self.pages[rule] = path
                waiting.extend(unescape(link) for link in _HREF.findall(text))

    def _page_at(self, path: str, waiting: deque[str]) -> str | None:
        """The page at `path`, None if there is none; where it leads elsewhere, that waits."""
        # An event stream and an export end late or never: only what may be a page is read.
        with self._client.stream("GET", path) as response:
            if response.has_redirect_location:
                waiting.append(response.headers["Location"])
            if not response.is_success or not _is_html(response):
                return None
            text = response.read().decode()
        return text if _PAGE_START.match(text) else None

    def _rule_of(self, path: str) -> str:
        try:
            rule, _ = self._rules.match(path.partition("?")[0], "GET", return_rule=True)
        except HTTPException:
            return ""
        return str(rule.rule)


def _is_html(response: httpx.Response) -> bool:
    return response.headers.get("Content-Type", "").startswith("text/html")


def _url_map() -> Map:
    app = CheckedQuart(__name__, static_folder=None)
    pages.install(app)
    app.url_map.add(app.url_rule_class(_DOCS, endpoint="docs", methods=["GET"]))
    return app.url_map
