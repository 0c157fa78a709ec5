"""What axe-core and a narrow screen find wrong with a page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import axe_core_python

from tests.e2e.browser import Browser

_COLOURS = ("color-contrast",)
#: What the place and the size of something decide, beside its colours.
_LAYOUT = (*_COLOURS, "scrollable-region-focusable", "link-in-text-block")
#: Width and look of each pass, and the rules that are asked: all, or some that depend on these. The
#: widest and the narrowest page show everything that has to have a name and a role.
_PASSES: tuple[tuple[int, str, tuple[str, ...]], ...] = (
    (1280, "light", ()),
    (1280, "dark", _COLOURS),
    (768, "dark", _LAYOUT),
    (320, "light", ()),
)
_HEIGHT = 900

#: What closed details hide is not seen; this axe-core does not know that yet.
_RUN_AXE = """
const [options, done] = arguments;
const context = {include: [["html"]], exclude: [["details:not([open]) > :not(summary)"]]};
axe.run(context, {resultTypes: ["violations"], ...options}).then(
  (result) => done(result.violations.map((found) => [
    found.id, found.help, found.nodes.slice(0, 3).map((node) => node.html.slice(0, 200))])));
"""
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


def load_axe(browser: Browser) -> None:
    """Load axe-core in each page from now on, past its Content-Security-Policy."""
    browser.run_before_each_page(
        (Path(axe_core_python.__file__).parent / "axe.min.js").read_text("utf-8")
    )


def find_problems(browser: Browser) -> Iterator[tuple[Any, ...]]:
    """What axe-core and a narrow screen find wrong with the open page."""
    driver = browser.driver
    for width, look, rules in _PASSES:
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": _HEIGHT, "deviceScaleFactor": 1, "mobile": False},
        )
        features = [{"name": "prefers-color-scheme", "value": look}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        options = {"runOnly": {"type": "rule", "values": rules}} if rules else {}
        for found in driver.execute_async_script(_RUN_AXE, options):
            yield (width, look, *found)
        if wide := driver.execute_script(_FIND_OVERFLOW):
            yield (width, "wider than the screen", wide)
