"""A real Chromium without a window, and what one does with it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.e2e.hubprocess import PATIENCE_SECONDS, HubProcess

T = TypeVar("T")

#: Of everybody who signs in.
PASSWORD = "a long sentence"
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


class Screen:
    """A browser, and what one does with it."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        self.driver.get(url)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self.until(lambda: self.all(selector), f"nothing fits {selector}")[0]

    def until(self, found: Callable[[], T], what: str) -> T:
        """Waits until `found` gives something; what it says of old elements is passed over."""

        def look(_: object) -> T:
            return found()

        patience = WebDriverWait(
            self.driver, PATIENCE_SECONDS, 0.1, ignored_exceptions=[StaleElementReferenceException]
        )
        try:
            return patience.until(look)
        except TimeoutException:
            page = self.driver.execute_script("return document.body.innerText")
            raise AssertionError(f"{what}, at {self.driver.current_url}:\n{page}") from None

    def type(self, name: str, text: str, *, within: str = "body") -> None:
        field = self.one(f'{within} [name="{name}"]')
        field.clear()
        field.send_keys(text)

    def press(self, selector: str) -> None:
        self.one(selector).click()

    def sees(self, text: str) -> bool:
        return text in str(self.driver.execute_script("return document.body.innerText"))

    def wait_for(self, text: str) -> None:
        self.until(lambda: self.sees(text), f"{text!r} does not show")

    def sign_in(self, hub: HubProcess, name: str = "mei") -> None:
        self.open(f"{hub.url}/sign-in")
        self.type("name", name)
        self.type("password", PASSWORD)
        self.press(".button-main")
        self.one("body[data-signed-in]")

    def wall(self) -> list[int]:
        """The seqs on the wall, from its top."""
        script = "return [...document.querySelectorAll('#wall > *')].map(c => +c.dataset.key)"
        seqs: list[int] = self.driver.execute_script(script)
        return seqs

    def run_in_each_page(self, script: str) -> None:
        """From now on, before anything that the page itself brings."""
        command = "Page.addScriptToEvaluateOnNewDocument"
        self.driver.execute_cdp_cmd(command, {"source": script})

    def pictures_are_loaded(self) -> bool:
        script = (
            "return [...document.querySelectorAll('#wall img')].slice(0, 3)"
            ".every(i => i.complete && i.naturalWidth > 1)"
        )
        return bool(self.all("#wall img")) and bool(self.driver.execute_script(script))

    def complaints(self) -> list[str]:
        """What the browser's console holds against the pages, a cut connection apart."""
        found: list[dict[str, Any]] = self.driver.get_log("browser")
        return [
            entry["message"]
            for entry in found
            if entry["level"] in ("SEVERE", "WARNING") and "net::ERR_" not in entry["message"]
        ]


def _find(names: tuple[str, ...]) -> str:
    """Where the program is; without it these tests are skipped, but not where it must be."""
    for name in names:
        if path := shutil.which(name):
            return path
    reason = f"no {names[0]} on this machine"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and CI=true", pytrace=False)
    pytest.skip(reason)


@contextmanager
def chromium(profile: Path) -> Iterator[Screen]:
    options = ChromeOptions()
    options.binary_location = _find(_CHROMIUMS)
    for option in (*_OPTIONS, f"--user-data-dir={profile}"):
        options.add_argument(option)
    # The hub's own authority is not in the browser's store; its chain is tested elsewhere.
    options.accept_insecure_certs = True
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options, Service(_find(("chromedriver",))))
    try:
        yield Screen(driver)
    finally:
        driver.quit()
