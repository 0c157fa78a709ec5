"""Every page passes axe-core in both looks and three widths, and fits a narrow phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import axe_core_python
import pytest

from tests.e2e.browser import Browser
from tests.e2e.filled_site import ADMIN, FilledSite
from tests.e2e.pages import find_pages, rules_of_pages

pytestmark = pytest.mark.browser

#: Width and look of each pass, and whether only what depends on the look is asked.
_PASSES = (
    (1280, "light", False),
    (1280, "dark", True),
    (768, "dark", False),
    (320, "light", False),
)
_HEIGHT = 900
#: Rules that answer with a part of a page, a file, a stream or a redirect.
_NO_PAGES = frozenset(
    {
        "/alarms/<int:seq>/history",
        "/alarms/<int:seq>/now",
        "/alarms/export",
        "/alarms/live",
        "/alarms/state",
        "/alarms/table",
        "/audit",
        "/cameras/<int:did>/campaign",
        "/cameras/<int:did>/device/address/state",
        "/cameras/<int:did>/outages/summary",
        "/cameras/<int:did>/people/state",
        "/cameras/<int:did>/state",
        "/cameras/<int:did>/trace/news",
        "/cameras/accepted",
        "/cameras/connect/<id>.svg",
        "/cameras/connect/arrivals",
        "/cameras/export.csv",
        "/cameras/import/template.csv",
        "/cameras/table",
        "/cameras/waiting",
        "/cameras/waiting/<path:sn>/trace/news",
        "/evidence/<int:id>/export",
        "/firmware/campaigns/<int:id>/now",
        "/firmware/now",
        "/jobs/<int:id>/refused.csv",
        "/jobs/<int:id>/state",
        "/jobs/table",
        "/notices",
        "/people/<pid>/cameras",
        "/people/<pid>/photo",
        "/people/table",
        "/people/undecided",
        "/photo-search/<int:id>/photo",
        "/photo-search/<int:id>/state",
        "/search/export/csv",
        "/search/export/zip",
        "/site/audit/export",
        "/site/backups/command",
        "/site/backups/file",
        "/site/backups/now",
        "/site/erasures/<int:id>/now",
        "/site/health/now",
        "/site/tiles",
        "/site/update/now",
        "/reports",
        "/reports/<kind>.csv",
        "/reports/<kind>.xlsx",
        "/stream",
        "/strip",
        "/wall/alarms",
    }
)
#: Pages to which only a form leads, or a link that is shown once.
_BEHIND_FORMS = frozenset(
    {
        "/people/import/<id>",
        "/site/users/confirm",
        "/wall/start/<token>",
        # Of cameras of later editions, of which the filled site has none.
        "/cameras/<int:did>/device",
        "/cameras/<int:did>/device/<any(image, media):name>",
        "/cameras/<int:did>/device/address",
        "/cameras/<int:did>/device/masks",
        "/cameras/<int:did>/light",
        "/cameras/<int:did>/pan-tilt",
        "/cameras/<int:did>/unsigned",
        "/cameras/<int:did>/unsigned/address",
    }
)

#: What closed details hide is not seen; this axe-core does not know that yet.
_RUN_AXE = """
const [options, done] = arguments;
const context = {include: [["html"]], exclude: [["details:not([open]) > :not(summary)"]]};
axe.run(context, {resultTypes: ["violations"], ...options}).then(
  (result) => done(result.violations.map((found) => [
    found.id, found.help, found.nodes.slice(0, 3).map((node) => node.html.slice(0, 200))])));
"""
#: Of all rules, these depend on the look.
_ABOUT_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
#: What sticks out of the page on the right, unless a frame around it scrolls or cuts it off.
_FIND_OVERFLOW = """
if (document.documentElement.scrollWidth <= innerWidth) return [];
const isFramed = (one) => one !== document.body
  && (getComputedStyle(one).overflowX !== "visible" || isFramed(one.parentElement));
return [...document.querySelectorAll("body *")]
  .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
  .filter((one) => !isFramed(one.parentElement))
  .slice(0, 3).map((one) => one.outerHTML.slice(0, 200));
"""


def test_every_page_is_accessible_and_fits_a_phone(
    filled_site: FilledSite, browser: Browser
) -> None:
    """One test, so that one hub and one browser serve all pages."""
    pages = find_pages(filled_site)
    missing = set(rules_of_pages()) - {page.rule for page in pages} - _NO_PAGES - _BEHIND_FORMS
    assert not missing, (
        f"No page was found at {sorted(missing)}. Let a page of the filled site link to it, or "
        "list it here in _NO_PAGES (a part, a file, a stream) or _BEHIND_FORMS."
    )
    _load_axe(browser)
    found: dict[str, list[tuple[Any, ...]]] = {}
    # The pages for those who have not signed in come first.
    for page in sorted(pages, key=lambda page: page.is_for_users):
        if page.is_for_users and not browser.find_all("body[data-signed-in]"):
            browser.sign_in(filled_site.hub, ADMIN)
        browser.open(filled_site.hub.url + page.path)
        if problems := list(_problems(browser)):
            found[page.path] = problems
    assert not found


def test_axe_finds_what_is_wrong(filled_site: FilledSite, browser: Browser) -> None:
    """Otherwise the test of all pages would tell nothing."""
    _load_axe(browser)
    browser.open(f"{filled_site.hub.url}/sign-in")
    browser.driver.execute_script("document.querySelector('main').append(new Image())")
    assert "image-alt" in {problem[2] for problem in _problems(browser)}
    browser.driver.execute_script("document.querySelector('h1').style.width = '2000px'")
    assert "wider than the screen" in {problem[1] for problem in _problems(browser)}


def test_what_is_listed_as_no_page_exists_and_is_none() -> None:
    assert set(rules_of_pages()) >= _NO_PAGES | _BEHIND_FORMS


def _load_axe(browser: Browser) -> None:
    """Load axe-core in each page from now on, past its Content-Security-Policy."""
    browser.run_before_each_page(
        (Path(axe_core_python.__file__).parent / "axe.min.js").read_text("utf-8")
    )


def _problems(browser: Browser) -> Iterator[tuple[Any, ...]]:
    """What axe-core and a narrow screen find wrong with the open page."""
    driver = browser.driver
    for width, look, only_colours in _PASSES:
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": _HEIGHT, "deviceScaleFactor": 1, "mobile": False},
        )
        features = [{"name": "prefers-color-scheme", "value": look}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        options = _ABOUT_COLOURS if only_colours else {}
        for found in driver.execute_async_script(_RUN_AXE, options):
            yield (width, look, *found)
        if wide := driver.execute_script(_FIND_OVERFLOW):
            yield (width, "wider than the screen", wide)
