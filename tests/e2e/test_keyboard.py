"""A guard's way through the pages without a mouse. Of alarms: test_alarm_pages.py."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.e2e.browser import PASSWORD, Browser
from tests.e2e.filled_site import GUARD, FilledSite

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
    tabs = tab_to(browser, 'a.skip[href="#wall"]')
    press(browser, Keys.ENTER)
    assert tabs + tab_to(browser, "#wall .card-link") <= _MOST_TABS
    press(browser, Keys.ENTER)
    _wait_for_focus(browser, "#record-dialog h1")
