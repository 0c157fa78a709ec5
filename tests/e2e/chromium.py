"""One Chromium for all tests of a worker, each with a profile of its own: its start is slow.

A profile has its own cookies, storage, cache and service workers, as a private window has.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import httpx
import websocket
from selenium.webdriver import Chrome
from selenium.webdriver.common.actions.action_builder import ActionBuilder

from tests.e2e.browser import Browser, open_chromium


class SharedChromium:
    """Starts when it is first needed, and again after a test that broke it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._opened: tuple[Chrome, _Windows] | None = None

    def close(self) -> None:
        self._opened = None
        self._stack.close()

    @contextmanager
    def new_profile(self) -> Iterator[Browser]:
        """A browser with one empty window, that knows nothing of the profiles before."""
        driver, windows = self._opened = self._opened or self._open()
        home = driver.current_window_handle
        profile = windows.ask("Target.createBrowserContext")["browserContextId"]
        try:
            yield _ProfileOfChromium(driver, windows, profile)
        finally:
            try:
                ActionBuilder(driver).clear_actions()
                windows.ask("Target.disposeBrowserContext", browserContextId=profile)
                driver.switch_to.window(home)
                driver.get_log("browser")
            except Exception:
                # The test has closed it, or left a dialog open. The next one gets another.
                with suppress(Exception):
                    self.close()

    def _open(self) -> tuple[Chrome, _Windows]:
        folder = Path(mkdtemp(dir=self._folder))
        driver = self._stack.enter_context(open_chromium(folder)).driver
        return driver, self._stack.enter_context(_connect(driver))


class _Windows:
    """The interface of Chromium for its windows and profiles, which WebDriver does not have."""

    def __init__(self, socket: websocket.WebSocket) -> None:
        self._socket = socket
        self._numbers = count(1)

    def ask(self, method: str, **params: object) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == number:
                result: dict[str, Any] = answer["result"]
                return result


@contextmanager
def _connect(driver: Chrome) -> Iterator[_Windows]:
    address = driver.capabilities["goog:chromeOptions"]["debuggerAddress"]
    url = httpx.get(f"http://{address}/json/version").json()["webSocketDebuggerUrl"]
    socket = websocket.create_connection(url, suppress_origin=True)
    try:
        yield _Windows(socket)
    finally:
        socket.close()


class _ProfileOfChromium(Browser):
    def __init__(self, driver: Chrome, windows: _Windows, profile: str) -> None:
        super().__init__(driver)
        self._windows = windows
        self._profile = profile
        self.open_tab()

    def open_tab(self) -> None:
        # WebDriver would open it in the first profile.
        where = {"url": "about:blank", "browserContextId": self._profile}
        self.driver.switch_to.window(self._windows.ask("Target.createTarget", **where)["targetId"])
