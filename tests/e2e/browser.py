"""A real Chromium without a window."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest
from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.e2e.hub_process import TIMEOUT_SECONDS, HubProcess

T = TypeVar("T")

#: The password of every user in these tests.
PASSWORD = "a long sentence"
#: For a script: axe-core examines a large page for seconds even on an idle machine.
_SCRIPT_SECONDS = 4 * TIMEOUT_SECONDS
#: How often something is looked for again that the page has replaced.
_STALE_TRIES = 5
_CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--accept-lang=en",
    "--window-size=1280,900",
)


#: What Chromium says where it could not load something, such as the icon of the web app.
_LOST = (
    "net::ERR_",
    "occurred when fetching the script",
    "use the following icon from the Manifest",
)


class Browser:
    """Finds elements by CSS selectors, waiting for them; fills forms; reads pages."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        """Open a page, and wait until it has loaded.

        If the page before is just loading again by itself, the driver believes too early that this
        one has loaded, or waits for ever.
        """
        try:
            self.driver.get(url)
        except TimeoutException:
            self.driver.get(url)
        self.wait_until(self._has_loaded, "the page does not load")

    def _has_loaded(self) -> bool:
        return bool(self.driver.execute_script("return document.readyState === 'complete'"))

    def open_tab(self) -> None:
        """Open an empty tab, and go on in it."""
        self.driver.switch_to.new_window("tab")

    def find_all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def find(self, selector: str) -> WebElement:
        return self.wait_until(lambda: self.find_all(selector), f"no element matches {selector}")[0]

    def wait_until(self, condition: Callable[[], T], failure: str) -> T:
        """Wait until `condition` returns something true, and return it.

        Errors about elements that were replaced in the meantime are ignored.
        """

        wait = WebDriverWait(
            self.driver, TIMEOUT_SECONDS, 0.1, ignored_exceptions=[StaleElementReferenceException]
        )
        try:
            return wait.until(lambda _: condition())
        except TimeoutException:
            page = self.driver.execute_script("return document.body.innerText")
            raise AssertionError(f"{failure}, at {self.driver.current_url}:\n{page}") from None

    def fill(self, name: str, text: str, *, within: str = "body") -> None:
        field = self.find(f'{within} [name="{name}"]')
        field.clear()
        field.send_keys(text)

    def click(self, selector: str) -> None:
        """Click what is there; find it again if the page has just put another in its place."""
        for _ in range(_STALE_TRIES):
            with suppress(StaleElementReferenceException):
                self.find(selector).click()
                return
        raise AssertionError(f"{selector} is replaced all the time")

    def has_text(self, text: str) -> bool:
        return text in str(self.driver.execute_script("return document.body.innerText"))

    def wait_for_text(self, text: str) -> None:
        self.wait_until(lambda: self.has_text(text), f"the page does not show {text!r}")

    def sign_in(self, hub: HubProcess, name: str = "mei") -> None:
        self.open(f"{hub.url}/sign-in")
        self.fill("name", name)
        self.fill("password", PASSWORD)
        self.click(".button-main")
        self.find("body[data-signed-in]")

    def wall_seqs(self) -> list[int]:
        """The sequence numbers of the cards on the live wall, from the top."""
        script = "return [...document.querySelectorAll('#wall > .card')].map(c => +c.dataset.key)"
        seqs: list[int] = self.driver.execute_script(script)
        return seqs

    def run_before_each_page(self, script: str) -> None:
        """Run a script in every page opened from now on, before the page's own scripts."""
        command = "Page.addScriptToEvaluateOnNewDocument"
        self.driver.execute_cdp_cmd(command, {"source": script})

    def block(self, *patterns: str) -> None:
        """Fail each request whose URL matches a pattern ("*/main.js"); without one, none."""
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": list(patterns)})

    def has_loaded_pictures(self) -> bool:
        script = (
            "return [...document.querySelectorAll('#wall img')].slice(0, 3)"
            ".every(i => i.complete && i.naturalWidth > 1)"
        )
        return bool(self.find_all("#wall img")) and bool(self.driver.execute_script(script))

    def console_errors(self) -> list[str]:
        """Errors and warnings in the browser's console, except those of lost connections."""
        found: list[dict[str, Any]] = self.driver.get_log("browser")
        return [
            entry["message"]
            for entry in found
            if entry["level"] in ("SEVERE", "WARNING")
            and not any(sign in entry["message"] for sign in _LOST)
        ]


def _find_program(names: tuple[str, ...]) -> str:
    """The path of a program. Without it the test is skipped; with CI=true it fails."""
    for name in names:
        if path := shutil.which(name):
            return path
    reason = f"{names[0]} is not installed"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and CI=true", pytrace=False)
    pytest.skip(reason)


@contextmanager
def open_chromium(profile: Path) -> Iterator[Browser]:
    options = ChromeOptions()
    options.binary_location = _find_program(_CHROMIUMS)
    for option in (*_OPTIONS, f"--user-data-dir={profile}"):
        options.add_argument(option)
    # The hub's own CA is not in the browser's store; other tests verify the chain.
    options.accept_insecure_certs = True
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options, Service(_find_program(("chromedriver",))))
    driver.set_script_timeout(_SCRIPT_SECONDS)
    driver.set_page_load_timeout(TIMEOUT_SECONDS)
    try:
        yield Browser(driver)
    finally:
        driver.quit()
