"""Alarms in a real Chromium: seen, heard, and acknowledged by keyboard."""

from __future__ import annotations

import errno
import json
import math
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.e2e.browser import Browser
from tests.e2e.camera import EVENT_PATH, Camera, picture_text, upload_sync
from tests.e2e.conftest import MakeHub
from tests.e2e.faulty_disk import FLUSH, WRITE, FaultyDisk
from tests.e2e.hub_process import HubProcess

pytestmark = pytest.mark.browser

#: Keeps what the page plays: the loudest sample, and whether it is repeated.
_LISTEN = """
window.heard = [];
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (...when) {
  const samples = this.buffer.getChannelData(0);
  const peak = samples.reduce((most, one) => Math.max(most, Math.abs(one)), 0);
  const entry = { peak, seconds: this.buffer.duration, isOver: false };
  window.heard.push([this, entry]);
  this.addEventListener("ended", () => (entry.isOver = true));
  return start.apply(this, when);
};
"""
_LOOPING = """
return window.heard
  .filter(([source, { isOver }]) => source.loop && !isOver && source.context.state === "running")
  .map(([, entry]) => entry);
"""
#: The tone of a lost connection after a moment, and not after 15 s.
_LOSE_SOON = """
const wait = window.setTimeout;
window.setTimeout = (what, ms, ...more) => wait(what, ms === 15_000 ? 100 : ms, ...more);
"""
#: Lets a test hold the time that the page measures.
_HOLD_TIME = """
const now = performance.now.bind(performance);
performance.now = () => window.held ?? now();
"""
_RENDER = """
const [name, isLoud, done] = arguments;
const folder = document.querySelector('script[src$="main.js"]').src.replace("main.js", "");
import(folder + "tones.js")
  .then(({ render }) => render(name, isLoud))
  .then((tone) => done([...tone.getChannelData(0)]));
"""
_RATE = 44_100


class Gate:
    """A camera that reports who walks by; and what the hub then knows."""

    def __init__(self, hub: HubProcess, token: str) -> None:
        self.hub = hub
        self.token = token
        self._count = 0

    def sees(self, name: str, category: int = 2) -> None:
        with self.hub.sync_client() as client:
            assert upload_sync(client, self.token, self.capture(name, category)) == 200

    @property
    def next_pid(self) -> str:
        """The number of the person whom it captures next."""
        return str(1000 + self._count)

    def capture(self, name: str, category: int = 2) -> bytes:
        """Return the body of an upload (2.1)."""
        pid = self.next_pid
        self._count += 1
        body = {
            "did": "",
            "time": int(time.time()),
            "name": name,
            "uuid": pid,
            "category": category,
            "data": {"face_data": picture_text()},
        }
        return json.dumps(body).encode()


@pytest.fixture(scope="module")
def gate(staffed_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    directory = tmp_path_factory.mktemp("gate")
    shutil.copytree(staffed_data, directory / "data")
    camera = Camera.make(directory)
    with closing(HubProcess(directory / "data")) as hub:
        hub.start()
        yield Gate(hub, camera.join(hub, "--name", "Gate"))


@pytest.fixture
def guard(gate: Gate, browser: Browser) -> Browser:
    """A guard on the live page, with the sound on."""
    browser.run_before_each_page(_LISTEN)
    browser.run_before_each_page(_LOSE_SOON)
    browser.run_before_each_page(_HOLD_TIME)
    browser.sign_in(gate.hub)
    _turn_on_sound(browser)
    browser.find('#sound[data-state="on"]')
    return browser


def _turn_on_sound(browser: Browser) -> None:
    browser.click("#sound:not([hidden]) summary")
    browser.click('#sound button[data-sound-action="on"]')


def _press(browser: Browser, keys: str) -> None:
    ActionChains(browser.driver).send_keys(keys).perform()


def _looping(browser: Browser) -> list[dict[str, float]]:
    """The tones that are repeated now."""
    found: list[dict[str, float]] = browser.driver.execute_script(_LOOPING)
    return found


def _names(browser: Browser) -> list[str]:
    # At one moment: the page puts new cards in place of others.
    script = 'return [...document.querySelectorAll("#alarms .alarm h2")].map((h) => h.innerText)'
    return list(browser.driver.execute_script(script))


def _wait_for_alarm(browser: Browser, name: str) -> None:
    browser.wait_until(lambda: name in _names(browser), f"no alarm for {name}")


def _is_in_sight(browser: Browser, card: WebElement) -> bool:
    script = "return arguments[0].getBoundingClientRect().top < innerHeight"
    return bool(browser.driver.execute_script(script, card))


def _until_it_can_be_acknowledged(browser: Browser) -> None:
    """Keys are ignored until somebody can have seen the alarm."""
    browser.driver.execute_async_script("setTimeout(arguments[0], 800)")


def _acknowledge(browser: Browser) -> None:
    """Press the key of the only alarm, again if it was ignored, since something has just moved."""

    def is_gone() -> bool:
        if _names(browser):
            _until_it_can_be_acknowledged(browser)
            _press(browser, "a")
        return not _names(browser)

    browser.wait_until(is_gone, "the alarm is still new")


def test_a_blacklisted_person_walks_by_and_the_guard_acknowledges_by_keyboard(
    gate: Gate, guard: Browser
) -> None:
    # The alarm comes while the guard is on another page.
    guard.click('.rail a[href="/cameras"]')
    guard.find('#sound[data-state="on"]')
    gate.sees("Li Wei")
    guard.wait_until(lambda: guard.find("[data-alarm-count]").text.startswith("1"), "no count")
    guard.wait_until(lambda: _looping(guard), "no tone")
    (tone,) = _looping(guard)
    assert (round(tone["peak"], 1), tone["seconds"]) == (0.4, 2)
    assert guard.driver.title.startswith("1 new alarm · Cameras")
    assert "mark-alarm" in str(guard.find('link[rel="icon"]').get_attribute("href"))

    guard.click('.rail a[href="/"]')
    _wait_for_alarm(guard, "Li Wei")
    guard.wait_until(lambda: _looping(guard), "the tone has ended with the page")
    _acknowledge(guard)
    guard.wait_until(lambda: not _looping(guard), "the tone does not end")
    assert guard.driver.title.startswith("Live")
    assert "mark-alarm" not in str(guard.find('link[rel="icon"]').get_attribute("href"))

    guard.click('.rail a[href="/alarms"]')
    guard.click(".alarm-table th a")
    guard.wait_for_text("Acknowledged mei")
    assert guard.console_errors() == []


def test_no_alarm_is_acknowledged_by_accident(gate: Gate, guard: Browser) -> None:
    names = ["Cleo", "Ben", "Anna"]
    for name in reversed(names):
        gate.sees(name)
    _wait_for_alarm(guard, "Cleo")
    # With another key.
    _press(guard, Keys.ESCAPE)
    _until_it_can_be_acknowledged(guard)
    assert _names(guard) == names
    # What was acknowledged is said, by the key as by the button. The others move up: a key or a
    # click at once may be meant for the one that was there before. At once it is, however slow this
    # machine is.
    guard.driver.execute_script("window.held = performance.now()")
    _press(guard, "a")
    guard.wait_until(lambda: _names(guard) == names[1:], "the key does not acknowledge")
    guard.wait_for_text("Cleo · Gate: acknowledged")
    _press(guard, "a")
    guard.wait_for_text("Nothing was acknowledged: the alarms had just moved.")
    guard.click(".alarm .button-main")
    _until_it_can_be_acknowledged(guard)
    assert _names(guard) == names[1:]
    assert _looping(guard)
    guard.driver.execute_script("window.held = undefined")
    guard.click(".alarm .button-main")
    guard.wait_until(lambda: _names(guard) == names[2:], "the button does not acknowledge")
    # Whoever works by keyboard stays at the alarms.
    focused = "return document.activeElement.id"
    guard.wait_until(lambda: guard.driver.execute_script(focused) == "alarms", "the focus is lost")
    _acknowledge(guard)


def test_an_open_record_says_that_there_is_an_alarm(gate: Gate, guard: Browser) -> None:
    gate.sees("Olga", category=3)
    guard.click(".card-link")
    guard.find("dialog[open] .record")
    gate.sees("Emil")
    note = "1 new alarm: Person on the blacklist · Gate"
    guard.wait_until(lambda: guard.find(".dialog-alarms").text == note, "no alarm is told")
    # It is not acknowledged unseen.
    _until_it_can_be_acknowledged(guard)
    _press(guard, "a")
    guard.click(".dialog-alarms")
    _wait_for_alarm(guard, "Emil")
    _acknowledge(guard)


def test_a_record_opened_from_a_person_leads_to_the_new_alarm(gate: Gate, guard: Browser) -> None:
    pid = gate.next_pid
    gate.hub.cli("person", "add", "--name", "Nora", "--pid", pid)
    gate.sees("Nora", category=3)
    guard.open(f"{gate.hub.url}/people/{pid}")
    guard.click(".card-link")
    guard.find("dialog[open] .record")
    gate.sees("Paul")
    guard.click("dialog[open] .dialog-alarms")
    _wait_for_alarm(guard, "Paul")
    _acknowledge(guard)


def test_the_sound_is_heard_from_one_tab_and_turned_off_on_purpose(
    gate: Gate, guard: Browser
) -> None:
    first = guard.driver.current_window_handle
    guard.open_tab()
    guard.run_before_each_page(_LISTEN)
    guard.open(gate.hub.url)
    second = guard.driver.current_window_handle
    guard.find('#sound[data-state="on"]')
    gate.sees("Fred")
    _wait_for_alarm(guard, "Fred")
    _until_it_can_be_acknowledged(guard)
    heard = len(_looping(guard))
    guard.driver.switch_to.window(first)
    heard += len(_looping(guard))
    assert heard == 1
    # The other tab goes on when that one is closed.
    guard.driver.close()
    guard.driver.switch_to.window(second)
    guard.click(".strip-count")
    guard.wait_until(lambda: _looping(guard), "the tone has ended with the tab")
    # Space on the button that is focused only opens its sheet.
    guard.click("#sound summary")
    _press(guard, Keys.SPACE)
    _press(guard, Keys.SPACE)
    guard.find('#sound[data-state="on"]')
    guard.click('#sound [data-sound-action="off"]')
    guard.find('#sound[data-state="off"]')
    guard.wait_until(lambda: not _looping(guard), "the tone does not end")
    guard.click('#sound [data-sound-action="on"]')
    guard.wait_until(lambda: _looping(guard), "the tone does not come back")
    _acknowledge(guard)


def test_a_lost_connection_is_heard(gate: Gate, guard: Browser) -> None:
    gate.hub.stop()
    try:
        guard.wait_until(lambda: _looping(guard), "no tone")
        (tone,) = _looping(guard)
        assert tone["seconds"] == 10
    finally:
        gate.hub.start()
    guard.wait_until(lambda: not _looping(guard), "the tone does not end")


def test_an_alarm_is_acknowledged_without_javascript(gate: Gate, browser: Browser) -> None:
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    gate.sees("Dora")
    browser.sign_in(gate.hub)
    browser.click(".alarm .button-main")
    browser.wait_until(lambda: not browser.find_all(".alarm"), "the alarm is still new")


# Tones


def _strength(samples: list[float], hertz: float) -> float:
    """The amplitude of a frequency (Goertzel)."""
    factor = 2 * math.cos(2 * math.pi * hertz / _RATE)
    last = before = 0.0
    for sample in samples:
        last, before = sample + factor * last - before, last
    power = last * last + before * before - factor * last * before
    return 2 * math.sqrt(max(power, 0)) / len(samples)


def _volume(samples: list[float]) -> float:
    return math.sqrt(sum(sample * sample for sample in samples) / len(samples))


def test_the_tones_are_what_is_meant_to_be_heard(gate: Gate, browser: Browser) -> None:
    browser.sign_in(gate.hub)

    def render(name: str, is_loud: bool = False) -> list[float]:
        samples: list[float] = browser.driver.execute_async_script(_RENDER, name, is_loud)
        return samples

    # Start and frequency of the first two different notes.
    notes = {"critical": (0.17, 988, 740), "major": (0.6, 784, 659), "minor": (0.4, 523, 659)}
    ends = {"critical": 1.06, "major": 1.06, "minor": 0.81}
    volumes = {}
    for name, (start, first, second) in notes.items():
        tone, loud = render(name), render(name, is_loud=True)
        # Away from the ramps at the begin and the end of a note.
        begin, later = (tone[int(at * _RATE) :][1_000:4_000] for at in (0, start))
        assert _strength(begin, first) > 4 * _strength(begin, second)
        assert _strength(later, second) > 4 * _strength(later, first)
        assert 0.3 < max(tone) < 0.5
        assert 0.9 < max(loud) < 1
        # The escalated one has a second part, a fifth higher.
        again = loud[int(ends[name] * _RATE) :][1_000:4_000]
        assert _strength(again, 1.5 * first) > 4 * _strength(again, first)
        volumes[name] = _volume(tone)
        assert _volume(loud) > 2 * volumes[name]
        # Nothing is cut off.
        assert max(map(abs, tone[-1_000:])) == max(map(abs, loud[-1_000:])) == 0
    assert volumes["critical"] > volumes["major"] > volumes["minor"]
    assert len(render("lost")) == 10 * _RATE


def test_a_full_disk_is_seen_heard_and_escalates_while_nothing_can_be_stored(
    make_hub: MakeHub,
    staffed_data: Path,
    tmp_path: Path,
    camera: Camera,
    faulty_disk: FaultyDisk,
    browser: Browser,
) -> None:
    shutil.copytree(staffed_data, tmp_path / "data")
    hub = make_hub("alarms.escalate_seconds=3", environment=faulty_disk.environment).start()
    gate = Gate(hub, camera.join(hub, "--name", "Gate"))
    browser.run_before_each_page(_LISTEN)
    browser.sign_in(hub)
    _turn_on_sound(browser)
    browser.find('#sound[data-state="on"]')
    faulty_disk.fail(WRITE | FLUSH, "-wal", errno.ENOSPC)
    with hub.sync_client() as client:
        assert upload_sync(client, gate.token, gate.capture("Li Wei")) == 503
    card = browser.find("#alarms .alarm-critical.alarm-late")
    assert "acknowledged as soon as the hub can save data again" in card.text
    assert not browser.find_all("#alarms .alarm form")
    assert "waiting since" in card.text
    browser.wait_until(lambda: _looping(browser), "the alarm is not heard")
    faulty_disk.work()
    # It is stored, and can be acknowledged.
    browser.find("#alarms .alarm-critical.alarm-late form")
    assert len(browser.find_all("#alarms .alarm")) == 1
    gate.sees("Li Wei")
    _wait_for_alarm(browser, "Li Wei")


def test_a_severe_alarm_comes_onto_a_full_live_page(
    make_hub: MakeHub, staffed_data: Path, tmp_path: Path, camera: Camera, browser: Browser
) -> None:
    shutil.copytree(staffed_data, tmp_path / "data")
    hub = make_hub("devices.unknown_event_types=keep").start()
    token = camera.join(hub, "--name", "Gate")

    def report(type: int, **who: object) -> None:
        body = {"did": "", "time": int(time.time()), "type": type, "data": {}, **who}
        with hub.sync_client() as client:
            assert upload_sync(client, token, json.dumps(body).encode(), EVENT_PATH) == 200

    for type in range(100, 122):
        report(type)
    browser.sign_in(hub)
    browser.wait_for_text("2 more new alarms")
    report(8, name="Zhang San", uuid="7", category=2)
    _wait_for_alarm(browser, "Fire · Zhang San")
    # It is first, and the key A is about it.
    assert len(_names(browser)) == 20
    assert _names(browser)[0] == "Fire · Zhang San"
    browser.wait_for_text("3 more new alarms")
    # They stand beside the captures, which are in sight, and the page itself is not wider.
    assert _is_in_sight(browser, browser.find("#wall"))
    overflow = "return document.documentElement.scrollWidth - innerWidth"
    assert browser.driver.execute_script(overflow) <= 0
    _until_it_can_be_acknowledged(browser)
    _press(browser, "a")
    browser.wait_until(lambda: "Fire · Zhang San" not in _names(browser), "not acknowledged")
    browser.wait_for_text("2 more new alarms")
    report(8, name="Zhang San", uuid="7", category=2)
    browser.open(f"{hub.url}/alarms")
    assert "Critical · Zhang San" in browser.find(".alarm-worst").text
    browser.click(".alarm-worst a")
    _wait_for_alarm(browser, "Zhang San")
    assert _is_in_sight(browser, browser.find("#wall"))
    # On a phone the lines are short, and make room for what is read.
    browser.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True},
    )
    browser.open(f"{hub.url}/alarms")
    line = browser.find(".alarm-worst")
    assert line.size["height"] + browser.find(".rail").size["height"] < 0.1 * 844
    browser.driver.execute_script("scrollBy(0, 400)")
    in_view = "return arguments[0].getBoundingClientRect().bottom > 0"
    assert not browser.driver.execute_script(in_view, line)
    browser.driver.execute_script("scrollTo(0, 0)")
    # All of the line is its link.
    ActionChains(browser.driver).click(browser.find(".alarm-worst > span")).perform()
    _wait_for_alarm(browser, "Zhang San")


#: Where the captures of the live page begin and their second row ends; and how high alarms are.
_FIRST_SCREEN = """
const cards = [...document.querySelectorAll("#wall .card")];
const rows = [...new Set(cards.map((one) => one.getBoundingClientRect().top))];
const alarms = [...document.querySelectorAll(".alarm")].map((one) => one.offsetHeight);
const ends = cards.map((one) => one.getBoundingClientRect().bottom);
const end = Math.max(...ends.filter((_, at) => cards[at].getBoundingClientRect().top === rows[1]));
return [rows[0], end, Math.max(...alarms)];
"""


def test_captures_are_in_the_first_screen_beside_two_alarms(gate: Gate, guard: Browser) -> None:
    for name in ("Ida", "Kim"):
        gate.sees(name)
    for number in range(10):
        gate.sees(f"Guest {number}", category=1)
    for name in ("Ida", "Kim"):
        _wait_for_alarm(guard, name)
    for width, height in ((1366, 768), (390, 844)):
        guard.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        guard.open(gate.hub.url)
        first, end, alarm = guard.driver.execute_script(_FIRST_SCREEN)
        assert alarm <= 60
        assert first < 500
        assert end <= height or width < 600
        # No bar repeats what the cards say.
        assert not guard.find(".alarm-worst").is_displayed()
    # Buttons of a card appear where a finger or the keyboard is.
    shown = 'return getComputedStyle(document.querySelector(".card-keep")).opacity'
    assert guard.driver.execute_script(shown) == "0"
    press = """document.querySelector(".card img").dispatchEvent(new PointerEvent(
      "contextmenu", { pointerType: "touch", bubbles: true, cancelable: true }))"""
    guard.driver.execute_script(press)
    assert guard.driver.execute_script(shown) == "1"
    for _ in range(2):
        _until_it_can_be_acknowledged(guard)
        before = _names(guard)
        guard.click(".alarm .button-main")
        guard.wait_until(lambda before=before: _names(guard) != before, "not acknowledged")


#: Whether all of the list of areas is in view, and whether what is below it is.
_RAIL = """
const areas = document.querySelector(".rail nav");
const menu = document.querySelector(".rail .account-menu").getBoundingClientRect();
return [areas.scrollHeight <= areas.clientHeight, menu.bottom <= innerHeight];
"""


def test_all_areas_of_an_administrator_fit_into_a_low_window(
    staffed_hub: HubProcess, browser: Browser
) -> None:
    browser.sign_in(staffed_hub, "ada")
    for width, height, fits in ((3840, 1000, True), (1280, 650, True), (1280, 480, False)):
        browser.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )
        wanted = [fits, True]
        browser.wait_until(
            lambda wanted=wanted: browser.driver.execute_script(_RAIL) == wanted,
            f"the areas are not as expected at {width} by {height}",
        )
