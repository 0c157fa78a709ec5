"""The wall in a real Chromium: repeats, fixed places, the keyboard, and a hub that is away."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.e2e.browser import Browser
from tests.e2e.camera import Camera, picture_text, upload_sync
from tests.e2e.hub_process import HubProcess

pytestmark = pytest.mark.browser

_WATCH_SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const { value } of list.getEntries()) window.shifted += value;
}).observe({ type: "layout-shift" });
"""
#: Where each card is, by what it shows.
_PLACES = """
return Object.fromEntries([...document.querySelectorAll("#wall > .card")].map((card) => {
  const { left, top } = card.getBoundingClientRect();
  return [card.dataset.key, [left, top]];
}));
"""
_FOCUSED = "return document.activeElement.querySelector('h3')?.textContent ?? ''"


class Entrance:
    """A camera that reports known people, none of whom raises an alarm."""

    def __init__(self, hub: HubProcess, token: str) -> None:
        self.hub = hub
        self._token = token
        self._count = count(1)

    def sees(self, name: str, pid: int | None = None, category: int = 1) -> None:
        number = next(self._count)
        body = {
            "did": "",
            "time": int(time.time()),
            "name": name,
            "uuid": str(5000 + number if pid is None else pid),
            # The hub takes an upload that is the same in all of it for one sent again.
            "number": number,
            "category": category,
            "data": {"face_data": picture_text()},
        }
        with self.hub.sync_client() as client:
            assert upload_sync(client, self._token, json.dumps(body).encode()) == 200


@pytest.fixture(scope="module")
def entrance(staffed_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Entrance]:
    directory = tmp_path_factory.mktemp("entrance")
    shutil.copytree(staffed_data, directory / "data")
    camera = Camera.make(directory)
    with closing(HubProcess(directory / "data")) as hub:
        hub.start()
        yield Entrance(hub, camera.join(hub, "--name", "Entrance"))


@pytest.fixture
def guard(entrance: Entrance, browser: Browser) -> Browser:
    """A guard on the live page, which follows the hub."""
    browser.sign_in(entrance.hub)
    browser.wait_until(browser.find("[data-live-sign]").is_displayed, "the page is not live")
    return browser


def _press(browser: Browser, *keys: str) -> None:
    ActionChains(browser.driver).send_keys(*keys).perform()


def _reviewed(browser: Browser) -> list[str]:
    return [name.text for name in browser.find_all("#wall .card-reviewed h3")]


def _names(browser: Browser) -> list[str]:
    """The names on the cards, in their order."""
    script = "return [...document.querySelectorAll('#wall h3')].map((name) => name.textContent)"
    names: list[str] = browser.driver.execute_script(script)
    return names


def _title(browser: Browser) -> str:
    """The title of the open record, without the badge beside it."""
    return browser.find("dialog[open] h1").text.split("\n")[0]


def _show(browser: Browser, entrance: Entrance, name: str) -> None:
    """Let a person walk by, and wait for the card."""
    entrance.sees(name)
    browser.wait_until(lambda: name in _names(browser), f"no card for {name}")


def test_a_person_who_stays_is_one_card_that_opens(guard: Browser, entrance: Entrance) -> None:
    entrance.sees("Ann", pid=1)
    _show(guard, entrance, "Bo")
    for seen in (2, 3):
        entrance.sees("Ann", pid=1)
        card = f'#wall > .card[data-count="{seen}"]'
        guard.find(card)
    assert _names(guard)[:2] == ["Bo", "Ann"]
    guard.click(f"{card} .card-repeats summary")
    earlier = guard.find_all(f"{card} .card-repeats li a")
    assert len(earlier) == 2
    url = earlier[1].get_attribute("href")
    earlier[1].click()
    guard.find("dialog[open] .record")
    assert guard.driver.current_url == url
    # The hub groups them as well.
    guard.open(entrance.hub.url)
    assert _names(guard).count("Ann") == 1
    guard.find(card)


def test_in_fixed_places_a_new_card_moves_no_other(guard: Browser, entrance: Entrance) -> None:
    _show(guard, entrance, "First")
    guard.click("[data-places]")
    guard.find("#wall.wall-places")
    ActionChains(guard.driver).move_to_element(guard.find("h1")).perform()
    guard.driver.execute_script("document.activeElement.blur()")
    full = 0
    while len(_names(guard)) > full:
        full = len(_names(guard))
        _show(guard, entrance, f"Person {full}")
    guard.driver.execute_script(_WATCH_SHIFTS)
    before = guard.driver.execute_script(_PLACES)
    _show(guard, entrance, "Last")
    after = guard.driver.execute_script(_PLACES)
    (gone,) = before.keys() - after.keys()
    (new,) = after.keys() - before.keys()
    assert after.pop(new) == before.pop(gone)
    assert after == before
    assert gone == min(before | {gone: 0}, key=int)
    assert guard.driver.execute_script("return window.shifted") == 0
    # The hub sends it in this form from now on.
    guard.driver.refresh()
    assert "wall-places" in (guard.find("#wall").get_attribute("class") or "")
    guard.driver.delete_cookie("sitehub_wall")


def test_the_wall_is_used_by_keyboard(guard: Browser, entrance: Entrance) -> None:
    for name in ("Older", "Middle", "Newest"):
        _show(guard, entrance, name)
    _press(guard, " ")
    entrance.sees("Waiting")
    guard.wait_until(guard.find("[data-pill]").is_displayed, "the new card is not announced")
    assert "Waiting" not in _names(guard)
    _press(guard, Keys.ARROW_RIGHT)
    assert guard.driver.execute_script(_FOCUSED) == "Newest"
    _press(guard, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert guard.driver.execute_script(_FOCUSED) == "Older"
    _press(guard, "r")
    guard.wait_until(lambda: _reviewed(guard) == ["Older"], "the card is not marked")
    _press(guard, Keys.HOME, Keys.ENTER)
    guard.find("dialog[open] .record")
    # It was not the newest any more: what arrives meanwhile is counted.
    entrance.sees("Latest")
    guard.wait_until(
        lambda: guard.find('[data-step="newest"]').text == "1 newer", "nothing newer is told"
    )
    _press(guard, Keys.ARROW_LEFT)
    guard.wait_until(lambda: _title(guard) == "Waiting", "no newer record opens")
    _press(guard, Keys.ARROW_LEFT)
    guard.wait_until(lambda: _title(guard) == "Latest", "no newer record opens")
    _press(guard, Keys.ESCAPE)
    guard.wait_until(lambda: not guard.find_all("dialog[open]"), "the record stays open")
    _press(guard, " ")
    guard.wait_until(lambda: _names(guard)[:2] == ["Latest", "Waiting"], "the wall stands still")
    _press(guard, "?")
    assert "Keyboard shortcuts" in guard.find("#keys-dialog[open]").text
    _press(guard, "?")
    assert not guard.find_all("#keys-dialog[open]")
    _press(guard, "/")
    guard.wait_until(lambda: guard.driver.current_url.endswith("search"), "no page for searching")
    assert guard.console_errors() == []


_AWAY = "The hub does not respond"


def test_a_record_that_is_opened_while_the_hub_is_away_opens_once_it_is_back(
    guard: Browser, entrance: Entrance
) -> None:
    _show(guard, entrance, "Kim")
    entrance.hub.stop()
    guard.click(".card-link")
    guard.wait_until(lambda: _title(guard) == _AWAY, "it says nothing")
    assert _names(guard)[0] == "Kim"
    entrance.hub.start()
    guard.wait_until(lambda: _title(guard) == "Kim", "it does not open")
    guard.driver.back()
    guard.wait_until(lambda: not guard.find_all("dialog[open]"), "the record stays open")
    assert _names(guard)[0] == "Kim"


def test_who_was_erased_while_the_hub_was_away_leaves_the_wall(
    guard: Browser, entrance: Entrance
) -> None:
    for name in ("Forgotten", "Remembered"):
        _show(guard, entrance, name)
    seq = guard.wall_seqs()[1]
    entrance.hub.stop()
    guard.wait_until(guard.find("#connection").is_displayed, "the connection is not lost")
    entrance.hub.cli("erase", "--seq", str(seq), "--confirm", "1")
    entrance.hub.start()
    guard.wait_until(lambda: "Forgotten" not in _names(guard), "the card is as it was")
    assert "Remembered" in _names(guard)


def test_somebody_on_the_blacklist_is_announced_everywhere(
    guard: Browser, entrance: Entrance
) -> None:
    # Although the wall shows only vehicles.
    guard.open(f"{entrance.hub.url}/?kind=vehicle")
    guard.wait_until(guard.find("[data-live-sign]").is_displayed, "the page is not live")
    entrance.sees("Rex", category=2)
    guard.wait_until(lambda: _names(guard) == ["Rex"], "the filter hides the card")
    assert not guard.find_all("#listed > *")
    assert guard.find("#wall .card-unfiltered").text == "Shown despite the filter: blacklist"
    # In an open record, which covers the alarms.
    guard.click(".card-link")
    guard.find("dialog[open] .record")
    entrance.sees("Tom", category=2)
    note = guard.find("dialog[open] #listed a")
    assert note.text == "Tom"
    assert guard.driver.title.startswith("2 new alarms")
    _press(guard, Keys.ESCAPE)
    guard.click("body > #listed button")
    assert not guard.find_all("#listed > *")
    # On a page without alarms.
    guard.open(f"{entrance.hub.url}/search/kept")
    guard.wait_until(lambda: not guard.find_all("#not-updated"), "the page is not live")
    entrance.sees("Max", category=2)
    guard.wait_until(lambda: "Max" in guard.find("#alarm-state").text, "no alarm is told")
    guard.wait_until(lambda: not guard.find_all("#listed > *"), "it is announced twice")
    assert guard.console_errors() == []


#: Where the wall begins, for each text that its sign can show.
_TOPS = """
const texts = [...document.querySelectorAll("[data-live-sign] [data-when]")];
return texts.map((shown) => {
  for (const one of texts) one.hidden = one !== shown;
  return document.querySelector("#wall").getBoundingClientRect().top;
});
"""


def test_the_wall_stays_where_it_is_whatever_its_sign_says(guard: Browser) -> None:
    for width in (390, *range(900, 1500, 20)):
        guard.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
        )
        tops = guard.driver.execute_script(_TOPS)
        assert len(tops) == 3
        assert len(set(tops)) == 1, width


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no process can be stopped here")
def test_a_hub_that_hangs_is_named_in_the_dialog_of_a_record(
    guard: Browser, entrance: Entrance
) -> None:
    _show(guard, entrance, "Kim")
    process = entrance.hub.process
    with ExitStack() as stack:
        process.send_signal(signal.SIGSTOP)
        # Also if the test fails, or the hub could not be ended.
        stack.callback(process.send_signal, signal.SIGCONT)
        # It accepts connections, and does not answer.
        guard.click(".card-link")
        guard.wait_until(lambda: _title(guard) == _AWAY, "it says nothing")
        again = guard.find("[data-again]")
        again.click()
        assert not again.is_enabled()
        guard.wait_until(again.is_enabled, "it does not try again")
        # Closed before the hub responds, the record does not come back.
        _press(guard, Keys.ESCAPE)
        guard.wait_until(lambda: not guard.find_all("dialog[open]"), "the dialog stays open")
        guard.click(".card-link")
        guard.wait_until(lambda: _title(guard) == _AWAY, "it says nothing")
    guard.wait_until(lambda: _title(guard) == "Kim", "it does not open")
    guard.driver.back()
    guard.wait_until(lambda: not guard.find_all("dialog[open]"), "the record stays open")
    assert "/records/" not in guard.driver.current_url
    assert _names(guard)[0] == "Kim"
