"""A wall screen in a real Chromium: cards, alarms, and a hub that goes away and comes back."""

from __future__ import annotations

from random import Random

import pytest

from tests.e2e.browser import Browser
from tests.e2e.camera import Camera, Capture, upload_sync
from tests.e2e.hub_process import HubProcess

pytestmark = pytest.mark.browser

_COUNT_WAKE_LOCKS = """
window.wakeLocks = 0;
navigator.wakeLock.request = async () => { window.wakeLocks += 1; return { released: false }; };
"""
_PLACES = """
return Object.fromEntries([...document.querySelectorAll("#wall > *")].map((card) => {
  const { x, y } = card.getBoundingClientRect();
  return [card.dataset.key, [x, y]];
}));
"""


class Gate:
    """A camera that is enrolled, and captures people."""

    def __init__(self, hub: HubProcess, camera: Camera) -> None:
        self._hub = hub
        self._token = camera.join(hub, "--name", "Gate")
        self._rng = Random(5)

    def captures(self, category: int = 0) -> None:
        capture = Capture.random(self._rng, 300, 300, 300, category=category)
        with self._hub.sync_client() as client:
            assert upload_sync(client, self._token, capture.body()) == 200


def places(browser: Browser) -> dict[str, list[float]]:
    found: dict[str, list[float]] = browser.driver.execute_script(_PLACES)
    return found


def test_a_screen_shows_what_comes_where_the_oldest_was_and_survives_the_hub(
    staffed_hub: HubProcess, camera: Camera, browser: Browser
) -> None:
    gate = Gate(staffed_hub, camera)
    for _ in range(2):
        gate.captures()
    browser.run_before_each_page(_COUNT_WAKE_LOCKS)
    browser.sign_in(staffed_hub, "vic")
    browser.open(f"{staffed_hub.url}/wall?columns=2&rows=1")
    before = places(browser)
    assert set(before) == {"1", "2"}

    gate.captures()
    browser.find('#wall [data-key="3"]')
    after = places(browser)
    # Nothing else moved.
    assert after == {"3": before["1"], "2": before["2"]}
    assert browser.driver.execute_script("return window.wakeLocks") == 1
    # Nothing leads away from the cards.
    assert browser.find_all("#wall a[href]") == []

    gate.captures(category=2)
    browser.find(".wall-alarm-critical")

    staffed_hub.kill()
    banner = browser.find(".wall-banner:not([hidden])")
    assert "No connection to the hub since " in banner.text
    assert "{time}" not in banner.text
    staffed_hub.start()
    browser.find(".wall-banner[hidden]")
    gate.captures()
    browser.find('#wall [data-key="5"]')
    assert browser.console_errors() == []


def test_new_cards_have_nothing_to_press_for_a_guard_either(
    staffed_hub: HubProcess, camera: Camera, browser: Browser
) -> None:
    gate = Gate(staffed_hub, camera)
    browser.sign_in(staffed_hub)
    browser.open(f"{staffed_hub.url}/wall")
    gate.captures()
    browser.find('#wall [data-key="1"]')
    assert browser.find_all("#wall button, #wall a[href]") == []


def test_names_are_read_below_an_alarm_on_a_low_screen(
    staffed_hub: HubProcess, camera: Camera, browser: Browser
) -> None:
    gate = Gate(staffed_hub, camera)
    gate.captures(category=2)
    screen = {"width": 1366, "height": 640, "deviceScaleFactor": 1, "mobile": False}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.sign_in(staffed_hub, "vic")
    browser.open(f"{staffed_hub.url}/wall")
    browser.find(".wall-alarm-critical")
    card, name, time = (
        browser.find(f"#wall .card{one}").rect for one in ("", " h3", " .card-time")
    )
    assert name["height"] > 18
    assert name["y"] + name["height"] <= time["y"]
    assert time["y"] + time["height"] <= card["y"] + card["height"]


def test_what_was_erased_while_the_hub_was_away_leaves_the_screen(
    staffed_hub: HubProcess, camera: Camera, browser: Browser
) -> None:
    gate = Gate(staffed_hub, camera)
    gate.captures()
    browser.sign_in(staffed_hub, "vic")
    browser.open(f"{staffed_hub.url}/wall")
    title = browser.find('#wall [data-key="1"] h3').text
    staffed_hub.kill()
    staffed_hub.cli("erase", "--seq", "1", "--confirm", "1")
    staffed_hub.start()
    browser.wait_until(
        lambda: browser.find('#wall [data-key="1"] h3').text != title, "the card is as it was"
    )


#: Pages that the script fetches arrive once a test lets them.
_SLOW_PAGES = """
window.plainFetch = window.fetch;
window.fetch = async (url, options) => {
  const response = await window.plainFetch(url, options);
  if (url !== location.href) return response;
  window.isFetched = true;
  await new Promise((done) => (window.deliver = done));
  return response;
};
"""


def test_what_comes_while_the_screen_catches_up_stays(
    staffed_hub: HubProcess, camera: Camera, browser: Browser
) -> None:
    gate = Gate(staffed_hub, camera)
    gate.captures()
    browser.run_before_each_page(_SLOW_PAGES)
    browser.sign_in(staffed_hub, "vic")
    browser.open(f"{staffed_hub.url}/wall")
    browser.find('#wall [data-key="1"]')
    staffed_hub.kill()
    browser.find(".wall-banner:not([hidden])")
    staffed_hub.start()
    browser.wait_until(
        lambda: browser.driver.execute_script("return window.isFetched"), "no fresh page"
    )
    gate.captures()
    browser.find('#wall [data-key="2"]')
    browser.driver.execute_script("document.querySelector('#wall').firstChild.id = 'old'")
    browser.driver.execute_script("window.deliver()")
    browser.wait_until(lambda: not browser.find_all("#wall > #old"), "no fresh cards")
    assert set(places(browser)) == {"1", "2"}


#: It is past four at the site, and the page has been open for a while, as soon as a test says so.
_AT_NIGHT = """
document.addEventListener("readystatechange", () => {
  const offset = ((4 - new Date().getUTCHours() + 36) % 24) - 12;
  document.body.dataset.zone = `Etc/GMT${offset > 0 ? "-" : "+"}${Math.abs(offset)}`;
});
window.plainInterval = window.setInterval;
window.setInterval = (call, ms) => {
  if (ms === 300_000) window.look = call;
  return window.plainInterval(call, ms);
};
performance.plainNow = performance.now;
performance.now = () => performance.plainNow() + (window.later ?? 0);
"""


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_screen_reloads_at_night(
    staffed_hub: HubProcess, browser: Browser, language: str
) -> None:
    browser.run_before_each_page(_AT_NIGHT)
    browser.sign_in(staffed_hub, "vic")
    browser.driver.add_cookie({"name": "sitehub_language", "value": language})
    browser.open(f"{staffed_hub.url}/wall")
    browser.wait_until(
        lambda: browser.driver.execute_script("return Boolean(window.look)"), "no look"
    )
    browser.driver.execute_script("window.later = 25_200_000; window.look()")
    browser.wait_until(
        lambda: not browser.driver.execute_script("return window.later"), "it was not reloaded"
    )
