"""Every page passes axe-core in both looks and three widths, and fits a narrow phone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.axe import find_problems, load_axe
from tests.e2e.browser import Browser
from tests.e2e.filled_site import ADMIN, FilledSite
from tests.e2e.pages import find_pages, rules_of_pages

pytestmark = pytest.mark.browser

#: Rules that answer with a part of a page, a file, a stream or a redirect.
_NO_PAGES = frozenset(
    {
        "/alarms/<int:seq>/history",
        "/alarms/<int:seq>/now",
        "/alarms/export",
        "/alarms/live",
        "/alarms/state",
        "/alarms/table",
        "/cameras/<int:did>/campaign",
        "/cameras/<int:did>/device/address/state",
        "/cameras/<int:did>/outages/summary",
        "/cameras/<int:did>/people/state",
        "/cameras/<int:did>/recordings/play/<int:id>/file",
        "/cameras/<int:did>/recordings/play/<int:id>/state",
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
        "/search/kept/<int:id>/export",
        "/cameras/firmware/campaigns/<int:id>/now",
        "/cameras/firmware/now",
        "/jobs/<int:id>/refused.csv",
        "/jobs/<int:id>/state",
        "/jobs/table",
        "/notices",
        "/people/<pid>/cameras",
        "/people/<pid>/photo",
        "/people/import/template.csv",
        "/people/table",
        "/people/undecided",
        "/search/photo/<int:id>/photo",
        "/search/photo/<int:id>/state",
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
        "/strip/camera",
        "/wall/alarms",
    }
)
#: Pages to which only a form leads, or a link that is shown once.
_BEHIND_FORMS = frozenset(
    {
        "/cameras/<int:did>/recordings/play/<int:id>",
        "/people/import/<id>",
        "/site/users/confirm",
        "/wall/start/<token>",
    }
)


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
    load_axe(browser)
    found: dict[str, list[tuple[Any, ...]]] = {}
    # The pages for those who have not signed in come first.
    for page in sorted(pages, key=lambda page: page.is_for_users):
        if page.is_for_users and not browser.find_all("body[data-signed-in]"):
            browser.sign_in(filled_site.hub, ADMIN)
        browser.open(filled_site.hub.url + page.path)
        if problems := list(find_problems(browser)):
            found[page.path] = problems
    assert not found


def test_axe_finds_what_is_wrong(filled_site: FilledSite, browser: Browser) -> None:
    """Otherwise the test of all pages would tell nothing."""
    load_axe(browser)
    browser.open(f"{filled_site.hub.url}/sign-in")
    browser.driver.execute_script("document.querySelector('main').append(new Image())")
    assert "image-alt" in {problem[2] for problem in find_problems(browser)}
    browser.driver.execute_script("document.querySelector('h1').style.width = '2000px'")
    assert "wider than the screen" in {problem[1] for problem in find_problems(browser)}


def test_what_is_listed_as_no_page_exists_and_is_none() -> None:
    assert set(rules_of_pages()) >= _NO_PAGES | _BEHIND_FORMS
