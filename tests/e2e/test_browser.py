"""The pages in a real Chromium, from the first run to a live wall that recovers by itself."""

from __future__ import annotations

import csv
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from tests.e2e.browser import PASSWORD, Browser
from tests.e2e.conftest import MakeHub
from tests.e2e.filled_site import ADMIN, FilledSite
from tests.e2e.hub_process import SITEHUB, TIMEOUT_SECONDS, HubProcess
from web.pages.help import PAGES as HELP_PAGES
from web.pages.navigation import TREE

pytestmark = pytest.mark.browser


@contextmanager
def _simulated_camera(hub: HubProcess, *options: str | Path) -> Iterator[None]:
    """A simulated camera in its own process, with two to eight sightings a second."""
    command = [*SITEHUB, "simulate", "--hub", "127.0.0.1", "--cameras", "1"]
    command += ["--rate", "8", "--seed", "7", *map(str, options)]
    command += ["--web-port", str(hub.web_port), "--device-port", str(hub.device_port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.kill()


@pytest.fixture(scope="module")
def shared_hub(
    staffed_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[HubProcess, httpx.Client]]:
    """A hub with users and one camera; and a client of its API."""
    directory = tmp_path_factory.mktemp("busy")
    shutil.copytree(staffed_data, directory / "data")
    with closing(HubProcess(directory / "data")) as process:
        process.start()
        key_file = directory / "apikey.json"
        key_file.write_text(process.cli("apikey", "add", "cameras"), "utf-8")
        with (
            _simulated_camera(process, "--apikey-file", key_file),
            process.sync_client(headers=process.add_api_key()) as client,
        ):
            yield process, client


@pytest.fixture
def busy_hub(shared_hub: tuple[HubProcess, httpx.Client]) -> HubProcess:
    """The shared hub with its camera online and no page open.

    Tests may restart the hub, but not leave it stopped.
    """
    process, client = shared_hub
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while (
        '"online"' not in client.get("/api/hub/v1/devices").text
        or "sitehub_stream_readers 0.0" not in client.get("/metrics").text
    ):
        assert time.monotonic() < deadline, "the camera is offline, or a page is still open"
        time.sleep(0.05)
    return process


def _first_run(browser: Browser, hub: HubProcess) -> None:
    browser.wait_until(lambda: "/setup/" in hub.out, "no setup link is printed")
    browser.open(hub.setup_link)
    browser.fill("name", "mei")
    browser.fill("password", PASSWORD)
    browser.fill("site_name", "Harbour East")
    Select(browser.find('[name="zone"]')).select_by_visible_text("Asia/Shanghai")
    browser.click(".button-main")
    browser.wait_for_text("Connect cameras")


_ASKING_COMES_FIRST = """
const top = (selector) => document.querySelector(selector).getBoundingClientRect().top;
return top(".pending") < top(".address");
"""


def test_from_the_first_run_to_a_picture_on_the_wall(
    browser: Browser, make_hub: MakeHub, tmp_path: Path
) -> None:
    hub = make_hub().start()
    _first_run(browser, hub)
    browser.wait_for_text("No cameras are asking to connect")
    assert not browser.driver.execute_script(_ASKING_COMES_FIRST.replace(".pending", ".none-yet"))
    csv_file = tmp_path / "cameras.csv"
    with _simulated_camera(hub, "--write-csv", csv_file):
        # The camera appears without a reload, before what was entered on it, and is accepted on the
        # same page.
        browser.find(".pending")
        assert browser.driver.execute_script(_ASKING_COMES_FIRST)
        with csv_file.open(encoding="utf-8", newline="") as file:
            camera = next(csv.DictReader(file))
        pending = f'.pending[data-key="{camera["sn"]}"]'
        browser.fill("code", camera["code"], within=pending)
        browser.fill("name", "Main gate", within=pending)
        browser.fill("key", (tmp_path / camera["key"]).read_text("utf-8"), within=pending)
        # Another camera appears in the meantime: what was typed stays.
        with _simulated_camera(hub, "--seed", "8"):
            browser.wait_until(
                lambda: len(browser.find_all(".pending")) == 2, "the other camera does not appear"
            )
        assert browser.find(f'{pending} [name="code"]').get_attribute("value") == camera["code"]
        browser.click(f"{pending} .button-main")
        browser.wait_for_text("The camera was accepted")
        browser.click('.rail a[href="/"]')
        browser.wait_until(browser.has_loaded_pictures, "no picture on the wall")
        browser.wait_for_text("Main gate")
        browser.wait_for_text("1 online")

        # Under the pointer the wall is paused, and counts the new records.
        ActionChains(browser.driver).move_to_element(browser.find(".card")).perform()
        top = browser.wall_seqs()[0]
        pill = browser.find("[data-pill]")
        browser.wait_until(pill.is_displayed, "new records are not announced")
        assert browser.wall_seqs()[0] == top
        pill.click()
        browser.wait_until(lambda: browser.wall_seqs()[0] > top, "new records are not shown")

        # A record opens in a dialog, and "back" closes it.
        browser.click(".card-link")
        browser.find("dialog[open] .record-pictures img")
        assert "/records/" in browser.driver.current_url
        browser.driver.back()
        browser.wait_until(lambda: not browser.find_all("dialog[open]"), "the record stays open")

        browser.click(".account-menu summary")
        browser.click('.account-menu button[value="zh"]')
        browser.wait_for_text("全部摄像机")
        assert browser.find("html").get_attribute("lang") == "zh-CN"
        assert browser.console_errors() == []


def test_the_camera_that_asks_is_in_the_first_screen(
    browser: Browser, filled_site: FilledSite
) -> None:
    browser.sign_in(filled_site.hub, ADMIN)
    for width, height in ((1366, 768), (390, 844)):
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        browser.open(f"{filled_site.hub.url}/cameras/connect")
        code = browser.find('.pending [name="code"]')
        assert code.location["y"] + code.size["height"] < height
        assert browser.driver.execute_script(_ASKING_COMES_FIRST)


def _records_on_wall(browser: Browser) -> list[int]:
    """The sequence numbers of all records that the wall shows or lists, the newest first."""
    script = """return [...document.querySelectorAll("#wall > .card, #wall li[data-seq]")]
      .map((one) => Number(one.dataset.key ?? one.dataset.seq)).sort((one, other) => other - one)"""
    seqs: list[int] = browser.driver.execute_script(script)
    return seqs


def test_a_lost_connection_is_shown_and_recovers_without_a_gap(
    browser: Browser, busy_hub: HubProcess
) -> None:
    browser.sign_in(busy_hub)
    browser.wait_until(lambda: len(browser.wall_seqs()) >= 3, "no records arrive")
    busy_hub.stop()
    browser.wait_for_text("The connection to the hub is lost")
    last = browser.wall_seqs()[0]
    busy_hub.start()
    browser.wait_until(
        lambda: not browser.find("#connection").is_displayed(), "the connection is not restored"
    )
    browser.wait_until(
        lambda: browser.wall_seqs()[0] > last + 3, "no new records after the restart"
    )
    shown = _records_on_wall(browser)
    with busy_hub.sync_client(headers=busy_hub.add_api_key()) as client:
        query = {"after": shown[-1] - 1, "limit": 1000}
        stored = client.get("/api/hub/v1/records", params=query).json()["items"]
    seqs = [record["seq"] for record in stored]
    assert shown == sorted((seq for seq in seqs if seq <= shown[0]), reverse=True)
    assert browser.console_errors() == []


def test_a_page_that_could_not_load_its_modules_says_so_and_reloads(
    browser: Browser, busy_hub: HubProcess
) -> None:
    browser.block("*/alarms.js*")
    browser.sign_in(busy_hub)
    browser.wait_for_text("The connection to the hub is lost")
    browser.block()
    browser.find("[data-live-sign]")
    browser.wait_until(
        lambda: not browser.find("#connection").is_displayed(), "the page is not loaded again"
    )
    seqs = browser.wall_seqs()
    browser.wait_until(lambda: browser.wall_seqs()[0] > seqs[0], "the wall is not updated")


def test_a_page_without_scripts_says_that_it_does_not_update_itself(
    browser: Browser, busy_hub: HubProcess
) -> None:
    browser.sign_in(busy_hub)
    browser.wait_until(lambda: not browser.find_all("#not-updated"), "the notice stays")
    browser.block("*/main.js*")
    try:
        browser.driver.refresh()
        browser.wait_until(browser.find("#not-updated").is_displayed, "the page says nothing")
    finally:
        browser.block()


#: As if all records of the page had been committed after its sequence number was read.
_RESET_SEQUENCE_NUMBER = """
document.addEventListener("readystatechange", () => {
  const isParsed = document.readyState === "interactive";
  if (isParsed && document.querySelector("#wall > .card")) document.body.dataset.seq = "0";
});
"""


def test_a_record_committed_while_the_page_renders_is_shown_once(
    browser: Browser, busy_hub: HubProcess
) -> None:
    browser.sign_in(busy_hub)
    browser.wait_until(lambda: len(browser.wall_seqs()) >= 3, "no records arrive")
    browser.run_before_each_page(_RESET_SEQUENCE_NUMBER)
    browser.driver.refresh()
    browser.wait_until(browser.wall_seqs, "the wall is empty")
    top = browser.wall_seqs()[0]
    browser.wait_until(lambda: browser.wall_seqs()[0] > top, "no records arrive")
    shown = _records_on_wall(browser)
    assert shown == sorted(set(shown), reverse=True)


def test_two_tabs_share_one_stream(
    browser: Browser, busy_hub: HubProcess, shared_hub: tuple[HubProcess, httpx.Client]
) -> None:
    _, client = shared_hub
    browser.sign_in(busy_hub)
    browser.wait_until(browser.wall_seqs, "no records arrive")
    first = browser.driver.current_window_handle
    browser.open_tab()
    browser.open(busy_hub.url)
    second = browser.driver.current_window_handle
    browser.wait_until(browser.wall_seqs, "the second tab has no wall")
    top = browser.wall_seqs()[0]
    browser.wait_until(lambda: browser.wall_seqs()[0] > top, "the second tab is not updated")
    assert "sitehub_stream_readers 1.0" in client.get("/metrics").text
    # The tab that reads the stream is closed: the other one takes over.
    browser.driver.switch_to.window(first)
    browser.driver.close()
    browser.driver.switch_to.window(second)
    top = browser.wall_seqs()[0]
    browser.wait_until(lambda: browser.wall_seqs()[0] > top, "the second tab does not take over")
    assert "sitehub_stream_readers 1.0" in client.get("/metrics").text


_SUBSCRIBE_LATER = """
const fetchNow = window.fetch;
window.fetch = async (url, options) => {
  while (String(url).startsWith("/stream") && !window.maySubscribe) {
    await new Promise((done) => setTimeout(done, 20));
  }
  return fetchNow(url, options);
};
"""


@pytest.fixture
def outdated_page_hub(browser: Browser, staffed_hub: HubProcess) -> HubProcess:
    """A hub whose open page was loaded before a camera was added, and has not subscribed yet."""
    browser.run_before_each_page(_SUBSCRIBE_LATER)
    browser.sign_in(staffed_hub)
    browser.wait_for_text("No cameras yet")
    staffed_hub.cli(
        "device", "add", "--sn", "Y3CA9PGDTKM7R1C", "--code", "12345678", "--name", "Gate"
    )
    return staffed_hub


def test_a_page_shows_changes_made_before_it_subscribed(
    browser: Browser, outdated_page_hub: HubProcess
) -> None:
    browser.driver.execute_script("maySubscribe = true")
    browser.wait_for_text("Gate")
    assert not browser.has_text("No cameras yet")


def test_a_page_update_does_not_interrupt_a_navigation(
    browser: Browser, outdated_page_hub: HubProcess
) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as slow,
        outdated_page_hub.sync_client(headers=outdated_page_hub.add_api_key()) as client,
    ):
        # With a delay, since the driver waits for a navigation that began at once.
        leave = "setTimeout(to => { location.assign(to); maySubscribe = 1 }, 100, arguments[0])"
        url = f"http://127.0.0.1:{slow.getsockname()[1]}/"
        browser.driver.execute_script(leave, url)
        connection, _ = slow.accept()
        with connection:
            # The outdated page subscribes, and learns that it must be loaded again.
            readers = "sitehub_stream_readers 1.0"
            browser.wait_until(
                lambda: readers in client.get("/metrics").text, "the page does not subscribe"
            )
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nArrived")
            browser.wait_for_text("Arrived")
            assert browser.driver.current_url == url


def test_a_code_is_checked_while_it_is_typed(
    browser: Browser, make_hub: MakeHub, tmp_path: Path
) -> None:
    hub = make_hub().start()
    _first_run(browser, hub)
    csv_file = tmp_path / "cameras.csv"
    with _simulated_camera(hub, "--write-csv", csv_file):
        browser.find(".pending")
        with csv_file.open(encoding="utf-8", newline="") as file:
            camera = next(csv.DictReader(file))
        pending = f'.pending[data-key="{camera["sn"]}"]'
        browser.fill("code", camera["code"], within=pending)
        browser.wait_for_text("There is no key to verify its signature with")
        browser.fill("key", (tmp_path / camera["key"]).read_text("utf-8"), within=pending)
        browser.wait_for_text("Code is correct.")
        browser.fill("code", camera["code"][:-1], within=pending)
        browser.wait_for_text("The security code does not match the camera's signature.")
        assert hub.cli("device", "list", "--json").strip() == "[]"
        browser.find(f'{pending} [name="code"]').send_keys(camera["code"][-1])
        browser.wait_for_text("Code is correct.")
        browser.click(f"{pending} .button-main")
        browser.wait_for_text("The camera was accepted")


def test_a_trace_is_updated_live_and_can_be_paused(browser: Browser, busy_hub: HubProcess) -> None:
    def newest() -> int:
        script = "return +document.querySelector('.trace [data-number]')?.dataset.number || 0"
        return int(browser.driver.execute_script(script))

    def latest() -> int:
        last = busy_hub.cli("device", "trace", "1", "--json").splitlines()[-1]
        return int(json.loads(last)["number"])

    browser.sign_in(busy_hub, "ada")
    browser.open(f"{busy_hub.url}/cameras/1/trace")
    browser.wait_until(lambda: newest() > 0, "the trace is empty")
    browser.wait_for_text("POST /api/v1/")
    shown = newest()
    browser.wait_until(lambda: newest() > shown, "the trace is not updated")
    browser.find("[data-pause]").send_keys(Keys.ENTER)
    held = newest()
    browser.wait_until(lambda: latest() > held, "the hub traces no more frames")
    assert newest() == held
    browser.wait_for_text("Paused")
    browser.find("[data-pause]").send_keys(Keys.ENTER)
    browser.wait_until(lambda: newest() > held, "the trace does not continue")
    assert len(browser.find_all(".exchange")) <= 200
    assert browser.console_errors() == []


def test_the_camera_list_updates_live_and_keeps_typed_text(
    browser: Browser, staffed_hub: HubProcess, tmp_path: Path
) -> None:
    rows = "".join(f"SN{n:04},12345678,Camera {n:02}\n" for n in range(1, 41))
    (tmp_path / "many.csv").write_text(f"sn,code,name\n{rows}", "utf-8")
    staffed_hub.cli("device", "import", str(tmp_path / "many.csv"))
    browser.sign_in(staffed_hub, "vic")
    browser.open(f"{staffed_hub.url}/cameras")
    browser.click('[rel="next"]')
    browser.wait_for_text("Camera 40")
    browser.fill("name", "era 0")

    def shows(state: str) -> Callable[[], bool]:
        return lambda: state in browser.find('tr[data-key="40"]').text

    # A row also changes back to its first state.
    for done, state in (("disable", "Disabled"), ("enable", "Offline"), ("disable", "Disabled")):
        staffed_hub.cli("device", done, "40")
        browser.wait_until(shows(state), f"the camera is not shown as {state}")
    assert browser.find('[name="name"]').get_attribute("value") == "era 0"
    browser.click(".camera-find button")
    browser.wait_until(
        lambda: len(browser.find_all("tr[data-key]")) == 9, "the list is not filtered"
    )
    browser.click('.segments a[href*="state=disabled"]')
    browser.wait_for_text("No camera matches.")
    assert browser.console_errors() == []


def test_navigation_works_by_keyboard(browser: Browser, staffed_hub: HubProcess) -> None:
    browser.sign_in(staffed_hub, "ada")
    browser.open(f"{staffed_hub.url}/cameras")
    # The button for the sound is there once the script is; the page may load a second time, if
    # something changed before its stream began.
    browser.wait_until(
        lambda: browser.find(".sound summary").is_displayed(), "no button for the sound"
    )
    reached = []
    for _ in range(16):
        ActionChains(browser.driver).send_keys(Keys.TAB).perform()
        focused = browser.driver.switch_to.active_element
        reached.append(focused.get_attribute("href") or focused.tag_name)
    paths = [url.removeprefix(staffed_hub.url) for url in reached]
    areas = [area.url for area in TREE]
    below = [entry.url for entry in TREE[4].below]
    # After the areas, the sound, the account, and what is below the cameras.
    assert paths[:16] == ["/cameras#main", "/", *areas, "summary", "summary", *below]


_AREAS_OUT_OF_VIEW = """
return [...document.querySelectorAll(".rail nav a, .rail summary")]
  .filter((link) => link.checkVisibility())
  .filter((link) => {
    const { left, right } = link.getBoundingClientRect();
    return left < 0 || right > innerWidth || link.scrollWidth > link.clientWidth;
  })
  .map((link) => link.textContent.trim());
"""


def test_all_areas_are_in_view_in_every_window(browser: Browser, staffed_hub: HubProcess) -> None:
    browser.sign_in(staffed_hub, "ada")
    out_of_view = {}
    for language in ("en", "zh"):
        browser.driver.add_cookie({"name": "sitehub_language", "value": language})
        browser.open(f"{staffed_hub.url}/jobs")
        for width in (320, 360, 390, 412, 430, 600, 800, 900, 1000, 1280):
            size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": True}
            browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            if names := browser.driver.execute_script(_AREAS_OUT_OF_VIEW):
                out_of_view[language, width] = names
    assert out_of_view == {}


def test_the_site_area_and_the_help_fit_a_phone(browser: Browser, staffed_hub: HubProcess) -> None:
    browser.sign_in(staffed_hub, "ada")
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    browser.open(f"{staffed_hub.url}/site")
    assert browser.find(".rail").rect["height"] <= 84  # 10 % of the screen.
    links = browser.find_all(".tabs a")
    urls = [link.get_attribute("href") or "" for link in links]
    assert len(urls) == len(TREE[-1].below)
    # All are in view: nothing tells a person that a row can be scrolled.
    edges = [(link.rect["x"], link.rect["x"] + link.rect["width"]) for link in links]
    assert [edge for edge in edges if edge[0] < 0 or edge[1] > 390] == []
    too_wide = []
    for url in [*urls, *(f"{staffed_hub.url}/help/{name}" for name in HELP_PAGES)]:
        browser.open(url)
        width = browser.driver.execute_script("return document.documentElement.scrollWidth")
        if width > 390:
            too_wide.append((url, width))
    assert too_wide == []
    assert browser.console_errors() == []


def test_the_pages_work_without_javascript(staffed_hub: HubProcess, browser: Browser) -> None:
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.sign_in(staffed_hub, "ada")
    browser.find('.rail a[href="/cameras"]').click()
    browser.find('.tabs a[href="/cameras/connect"]').click()
    browser.find('.head a[href="/cameras/add"]').click()
    browser.fill("sn", "Y3CA9PGDTKM7R1C")
    browser.fill("code", "12345678")
    browser.fill("name", "Gate")
    browser.click('[action="/cameras/add"] .button-main')
    browser.wait_until(
        lambda: browser.find("h1").text == "Gate", "the new camera's page does not open"
    )
    browser.click('.tabs a[href$="/manage"]')
    browser.click('.button-bad[href$="/remove"]')
    browser.click("main .button-bad")
    browser.wait_until(lambda: browser.find(".done").text, "the removal is not confirmed")
    assert json.loads(staffed_hub.cli("device", "list", "--json")) == []


def test_a_camera_is_configured_browsed_and_restarted(
    browser: Browser, busy_hub: HubProcess
) -> None:
    (camera,) = json.loads(busy_hub.cli("device", "list", "--json"))
    browser.sign_in(busy_hub, "ada")
    browser.open(f"{busy_hub.url}/cameras/{camera['did']}")

    # The browser refuses invalid values with the hub's own message.
    browser.click('.tabs a[href$="/settings"]')
    browser.fill("mini_face", "7")
    browser.click('[action$="/settings/face"] .button-main')
    message = browser.find('[name="mini_face"]').get_property("validationMessage")
    assert message == "A whole number from 30 to 500."
    browser.fill("mini_face", "44")
    browser.click('[action$="/settings/face"] .button-main')
    browser.wait_for_text("Send these settings for the first time?")
    browser.click('[action$="/settings/face"] .button-main')
    browser.wait_for_text("The camera has applied the settings for faces and people.")
    assert browser.find('[name="mini_face"]').get_attribute("value") == "44"

    # A month leads to a day.
    browser.click('.tabs a[href$="/captures"]')
    browser.click('.camera-parts a[href$="/recordings"]')
    browser.find(".month")
    if not browser.find_all(".month-count"):
        browser.click('.steps [rel="prev"]')
    browser.find("td:has(.month-count) a").click()
    browser.wait_until(lambda: browser.find_all(".files li"), "no recording of that day")

    # A recording is read from the camera, and plays.
    browser.click(".files button")
    script = "return (document.querySelector('video')?.readyState ?? 0) > 1"
    browser.wait_until(lambda: bool(browser.driver.execute_script(script)), "no video")

    # The captures show pictures that are read from the camera.
    browser.click('.tabs a[href$="/captures"]')
    browser.driver.find_element(By.LINK_TEXT, "7 days").click()
    script = "return [...document.querySelectorAll('.history img')].some(i => i.naturalWidth > 1)"
    browser.wait_until(
        lambda: bool(browser.driver.execute_script(script)), "no picture of a capture"
    )

    browser.click('.tabs a[href$="/manage"]')
    browser.click('main a[href$="/reboot"]')
    browser.click(".sheet .button-bad")
    browser.wait_for_text("The camera is restarting.")
    browser.wait_for_text("Offline")
    assert browser.console_errors() == []


def test_a_missing_picture_leaves_a_placeholder(
    browser: Browser, staffed_hub: HubProcess, tmp_path: Path
) -> None:
    key_file = tmp_path / "apikey.json"
    key_file.write_text(staffed_hub.cli("apikey", "add", "cameras"), "utf-8")
    with _simulated_camera(staffed_hub, "--apikey-file", key_file, "--fault", "no-pictures"):
        browser.sign_in(staffed_hub)
        browser.wait_for_text("1 online")
        (camera,) = json.loads(staffed_hub.cli("device", "list", "--json"))
        browser.open(f"{staffed_hub.url}/cameras/{camera['did']}/captures")
        browser.driver.find_element(By.LINK_TEXT, "7 days").click()
        first = ".history > :nth-child(1 of .card) .card-picture"
        browser.find(f"{first} svg")
        browser.wait_until(lambda: not browser.find_all(f"{first} img"), "the broken picture stays")
        assert browser.find_all(f"{first} svg")
        # Opened by its own link, it is a page with an error.
        browser.open(browser.find(first).get_attribute("href") or "")
        browser.wait_for_text("Page not found")


def test_a_person_is_added_to_a_camera_searched_for_and_deleted(
    browser: Browser, busy_hub: HubProcess, tmp_path: Path
) -> None:
    (camera,) = json.loads(busy_hub.cli("device", "list", "--json"))
    photo = tmp_path / "face.png"
    # As large as a photo of a phone, and not a JPEG.
    Image.effect_noise((1800, 2400), 60).convert("RGB").save(photo, compress_level=1)
    assert photo.stat().st_size > 5_000_000
    browser.sign_in(busy_hub, "ada")
    browser.open(f"{busy_hub.url}/cameras/{camera['did']}/people/list")
    script = "return [...document.querySelectorAll('.history img')].some(i => i.naturalWidth > 1)"
    browser.wait_until(lambda: bool(browser.driver.execute_script(script)), "no photo of a person")

    # The browser refuses invalid values with the hub's own message.
    browser.click("details:has(#add) > summary")
    browser.click("#add .button-main")
    message = browser.find('#add [name="photo"]').get_property("validationMessage")
    assert message == "Choose a photo."
    browser.find('#add [name="photo"]').send_keys(str(photo))
    for name, value in (("name", "Zoë"), ("pid", "0"), ("age", "34")):
        browser.fill(name, value, within="#add")
    for name in ("category", "gender"):
        Select(browser.find(f'#add [name="{name}"]')).select_by_value("2")
    browser.click("#add .button-main")
    message = browser.find('#add [name="pid"]').get_property("validationMessage")
    assert message == "A whole number from 1 to 18446744073709551615."
    browser.fill("pid", "4711", within="#add")
    browser.click("#add .button-main")
    browser.wait_for_text("The person was added to the camera.")
    browser.wait_for_text("Zoë")
    shown = "return (document.querySelector('.person img') ?? {}).naturalWidth"
    # The photo is read from the camera, in the reduced size that was sent.
    assert browser.wait_until(lambda: browser.driver.execute_script(shown), "no photo") == 900

    browser.click('.camera-parts a[href^="/search/photo"]')
    browser.fill("threshold", "0")
    browser.find('[name="photo"]').send_keys(str(photo))
    browser.click(".person-form > .actions .button-main")
    script = script.replace(".history", ".wall")
    browser.wait_until(
        lambda: bool(browser.driver.execute_script(script)), "no picture of a capture"
    )

    browser.open(f"{busy_hub.url}/cameras/{camera['did']}/people/4711")
    browser.click(".person .button-bad")
    browser.wait_for_text("Delete person 4711 from")
    browser.wait_for_text("Zoë")
    browser.click(".sheet button.button-bad")
    browser.wait_for_text("The person was deleted from the camera.")
    assert browser.console_errors() == []
