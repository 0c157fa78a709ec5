"""Takes pictures of pages in a real Chromium, in any look, width and language."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Literal

import msgspec

from tests.e2e.browser import Browser

Look = Literal["light", "dark"]
Language = Literal["en", "zh"]

LOOKS: tuple[Look, ...] = ("light", "dark")
LANGUAGES: tuple[Language, ...] = ("en", "zh")
#: CSS pixels: a phone, a tablet held upright, a PC, a 4K screen at 150 %.
WIDTHS = (390, 768, 1280, 2560)
_HEIGHTS = {390: 844, 768: 1024, 1280: 900, 1400: 950, 2560: 1440}
#: A longer page is cut off: a picture of it tells nothing more.
_MAX_HEIGHT = 6_000

#: Whether everything is there that the first view shows.
_IS_DRAWN = """
return document.readyState === "complete" && document.fonts.status === "loaded"
  && [...document.images].every((one) => one.loading === "lazy" || one.complete);
"""
#: Moving things would be caught at different moments.
_STAND_STILL = """
const style = new CSSStyleSheet();
style.replaceSync("*, *::before, *::after { animation: none !important; "
  + "transition: none !important; caret-color: transparent !important; }");
document.adoptedStyleSheets = [...document.adoptedStyleSheets, style];
"""
_FULL_HEIGHT = "return document.documentElement.scrollHeight"


class View(msgspec.Struct, frozen=True):
    """How a page is looked at. `width` is in CSS pixels."""

    look: Look = "light"
    width: int = 1280
    language: Language = "en"

    @property
    def folder(self) -> str:
        return f"{self.language}-{self.look}-{self.width}"


def _height(view: View) -> int:
    return _HEIGHTS.get(view.width, view.width * 9 // 16)


class PageCamera:
    """Opens pages in a browser that is signed in, or not, and takes their pictures."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self._url = url

    def speak(self, language: Language) -> None:
        """Choose the language of the pages that are opened from now on. Some page is open."""
        cookie = f"sitehub_language={language}; path=/; secure"
        self._browser.driver.execute_script(f"document.cookie = '{cookie}'")

    def open(self, path: str) -> None:
        self._browser.open(self._url + path)
        self._browser.driver.execute_script(_STAND_STILL)

    def take(self, view: View, target: Path, *, whole: bool = True) -> None:
        """Write a picture of the open page. `whole`: not only what the window shows."""
        self._look(view)
        driver = self._browser.driver
        self._browser.wait_until(lambda: driver.execute_script(_IS_DRAWN), "the page is not drawn")
        height = _height(view)
        if whole:
            height = min(max(height, int(driver.execute_script(_FULL_HEIGHT))), _MAX_HEIGHT)
        clip = {"x": 0, "y": 0, "width": view.width, "height": height, "scale": 1}
        picture = driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True}
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(base64.b64decode(picture["data"]))

    def _look(self, view: View) -> None:
        features = [{"name": "prefers-color-scheme", "value": view.look}]
        self._browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self._browser.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {
                "width": view.width,
                "height": _height(view),
                "deviceScaleFactor": 1,
                "mobile": view.width < 600,
            },
        )
