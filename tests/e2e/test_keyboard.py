"""A guard's way through the pages without a mouse. Of alarms: test_alarm_pages.py."""

from __future__ import annotations

import httpx
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.e2e.browser import PASSWORD, Browser
from tests.e2e.filled_site import ADMIN, GUARD, FilledSite

pytestmark = pytest.mark.browser

_MOST_TABS = 5
_FOCUSED = "return document.activeElement"


def press(browser: Browser, *keys: str) -> None:
    """Press keys, one after the other, wherever the focus is."""
    ActionChains(browser.driver).send_keys(*keys).perform()


def tab_to(browser: Browser, selector: str, most: int = 40) -> int:
    """Press Tab until what matches has the focus; return how often."""
    for count in range(1, most + 1):
        press(browser, Keys.TAB)
        if _has_focus(browser, selector):
            return count
    raise AssertionError(f"no {selector} within {most} tab stops")


def sign_in(browser: Browser, site: FilledSite) -> None:
    browser.open(f"{site.hub.url}/sign-in")
    if not _has_focus(browser, '[name="name"]'):
        tab_to(browser, '[name="name"]')
    press(browser, GUARD)
    tab_to(browser, '[name="password"]')
    press(browser, PASSWORD, Keys.ENTER)
    browser.find("body[data-signed-in]")


def _has_focus(browser: Browser, selector: str) -> bool:
    return bool(browser.driver.execute_script(f"{_FOCUSED}.matches(arguments[0])", selector))


def _wait_for_focus(browser: Browser, selector: str) -> None:
    browser.wait_until(lambda: _has_focus(browser, selector), f"{selector} has no focus")


def test_from_signing_in_to_a_record(filled_site: FilledSite, browser: Browser) -> None:
    sign_in(browser, filled_site)
    # Until then the key opens the record as a page of its own.
    browser.wait_until(browser.find("[data-live-sign]").is_displayed, "the page is not live")
    tabs = tab_to(browser, 'a.skip[href="#wall"]')
    press(browser, Keys.ENTER)
    assert tabs + tab_to(browser, "#wall .card-link") <= _MOST_TABS
    press(browser, Keys.ENTER)
    _wait_for_focus(browser, "#record-dialog h1")


def test_keeping_a_record_and_coming_back_to_its_card(
    filled_site: FilledSite, browser: Browser
) -> None:
    sign_in(browser, filled_site)
    browser.wait_until(browser.find("[data-live-sign]").is_displayed, "the page is not live")
    press(browser, Keys.ARROW_RIGHT)
    _wait_for_focus(browser, "#wall .card-link")
    press(browser, Keys.ENTER)
    _wait_for_focus(browser, "#record-dialog h1")
    press(browser, Keys.ARROW_RIGHT)
    _wait_for_focus(browser, '[data-step="older"]')
    kept = browser.driver.current_url
    press(browser, Keys.ESCAPE)
    # On the card of the record that was looked at last.
    _wait_for_focus(browser, f'#wall .card-link[href="{_path(kept)}"]')
    press(browser, Keys.ENTER)
    _wait_for_focus(browser, "#record-dialog h1")
    tab_to(browser, 'dialog a[href^="/search/kept/new"]', 10)
    press(browser, Keys.ENTER)
    _wait_for_focus(browser, '.evidence-keep [name="hold"], .evidence-keep [name="reason"]')
    assert browser.find(".evidence-keep .actions a").get_attribute("href") == kept
    if not _has_focus(browser, '[name="reason"]'):
        tab_to(browser, '[name="reason"]', 1)
    press(browser, "Theft", Keys.ENTER)
    browser.wait_until(lambda: browser.find("h1").text == "Theft", "it is not kept")
    browser.driver.back()
    browser.find(".evidence-keep")
    browser.driver.back()
    browser.find(".sheet > .record")
    browser.driver.back()
    _wait_for_focus(browser, f'#wall .card-link[href="{_path(kept)}"]')
    assert browser.console_errors() == []


def _path(url: str) -> str:
    return httpx.URL(url).path


def test_typing_the_password_of_a_new_user_chooses_it(
    filled_site: FilledSite, browser: Browser
) -> None:
    browser.sign_in(filled_site.hub, ADMIN)
    browser.open(f"{filled_site.hub.url}/site/users#add")
    browser.find('[name="password"]').send_keys("a short sentence")
    assert browser.find('[name="way"][value="password"]').is_selected()
