"""What a person sees, in a real Chromium: from the first run to a wall that heals by itself."""

from __future__ import annotations

import csv
import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from tests.e2e.conftest import MakeHub
from tests.e2e.hubprocess import SITEHUB, HubProcess
from tests.e2e.screen import PASSWORD, Screen, chromium

pytestmark = pytest.mark.browser


@contextmanager
def _simulated_camera(hub: HubProcess, *options: str | Path) -> Iterator[None]:
    """A camera in a process of its own, which sees a lot."""
    command = [*SITEHUB, "simulate", "--hub", "127.0.0.1", "--cameras", "1"]
    command += ["--rate", "20", "--seed", "7", *map(str, options)]
    command += ["--web-port", str(hub.web_port), "--device-port", str(hub.device_port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.kill()


@pytest.fixture
def busy_hub(make_hub: MakeHub, tmp_path: Path) -> Iterator[HubProcess]:
    """A hub with a camera that is in, and mei, who keeps guard."""
    hub = make_hub().start()
    hub.cli("user", "add", "mei", "--role", "guard", "--password-stdin", stdin=PASSWORD)
    key_file = tmp_path / "apikey.json"
    key_file.write_text(hub.cli("apikey", "add", "cameras"), "utf-8")
    with _simulated_camera(hub, "--apikey-file", key_file):
        yield hub


def _first_run(screen: Screen, hub: HubProcess) -> None:
    screen.until(lambda: "/setup/" in hub.out, "no link was printed")
    screen.open(hub.setup_link)
    screen.type("name", "mei")
    screen.type("password", PASSWORD)
    screen.type("site_name", "Harbour East")
    Select(screen.one('[name="zone"]')).select_by_visible_text("Asia/Shanghai")
    screen.press(".button-main")
    screen.wait_for("Connect your cameras")


def test_from_the_first_run_to_a_picture_on_the_wall(
    screen: Screen, make_hub: MakeHub, tmp_path: Path
) -> None:
    hub = make_hub().start()
    _first_run(screen, hub)
    screen.wait_for("No cameras are waiting")
    csv_file = tmp_path / "cameras.csv"
    with _simulated_camera(hub, "--write-csv", csv_file):
        # It shows by itself while one watches, and takes its code and its key right there.
        screen.one(".knock")
        with csv_file.open(encoding="utf-8", newline="") as file:
            camera = next(csv.DictReader(file))
        knock = f'.knock[data-key="{camera["sn"]}"]'
        screen.type("code", camera["code"], within=knock)
        screen.type("name", "Main gate", within=knock)
        screen.type("key", (tmp_path / camera["key"]).read_text("utf-8"), within=knock)
        # Another one knocks meanwhile: what is being typed stays.
        with _simulated_camera(hub, "--seed", "8"):
            screen.until(lambda: len(screen.all(".knock")) == 2, "the other does not show")
        assert screen.one(f'{knock} [name="code"]').get_attribute("value") == camera["code"]
        screen.press(f"{knock} .button-main")
        screen.wait_for("The camera was accepted")
        screen.press('.rail a[href="/"]')
        screen.until(screen.pictures_are_loaded, "no picture on the wall")
        screen.wait_for("Main gate")
        screen.wait_for("1 online")

        # The wall stands while one looks at it, and says what waits.
        ActionChains(screen.driver).move_to_element(screen.one(".card")).perform()
        top = screen.wall()[0]
        pill = screen.one("[data-pill]")
        screen.until(pill.is_displayed, "nothing new is told of")
        assert screen.wall()[0] == top
        pill.click()
        screen.until(lambda: screen.wall()[0] > top, "the new ones do not come in")

        # A record opens in place, and "back" closes it.
        screen.press(".card-link")
        screen.one("dialog[open] .record-pictures img")
        assert "/records/" in screen.driver.current_url
        screen.driver.back()
        screen.until(lambda: not screen.all("dialog[open]"), "the record stays open")

        screen.press(".menu summary")
        screen.press('.menu button[value="zh"]')
        screen.wait_for("全部摄像机")
        assert screen.one("html").get_attribute("lang") == "zh-CN"
        assert screen.complaints() == []


def test_a_lost_connection_shows_and_heals_without_a_gap(
    screen: Screen, busy_hub: HubProcess
) -> None:
    screen.sign_in(busy_hub)
    screen.until(lambda: len(screen.wall()) >= 3, "nothing comes in")
    busy_hub.stop()
    screen.wait_for("The connection to the hub is lost")
    last = screen.wall()[0]
    busy_hub.start()
    screen.until(lambda: not screen.one("#connection").is_displayed(), "it does not heal")
    screen.until(lambda: screen.wall()[0] > last + 3, "nothing comes in again")
    shown = screen.wall()
    with busy_hub.blocking_client(headers=busy_hub.add_api_key()) as client:
        query = {"after": shown[-1] - 1, "limit": 1000}
        stored = client.get("/api/hub/v1/records", params=query).json()["items"]
    seqs = [record["seq"] for record in stored]
    assert shown == sorted((seq for seq in seqs if seq <= shown[0]), reverse=True)
    assert screen.complaints() == []


#: As if all that the page shows had come between the look at the last number and that at the wall.
_NUMBERED_BEFORE = """
document.addEventListener("readystatechange", () => {
  const isParsed = document.readyState === "interactive";
  if (isParsed && document.querySelector("#wall > *")) document.body.dataset.seq = "0";
});
"""


def test_a_record_that_came_while_the_page_was_made_is_shown_once(
    screen: Screen, busy_hub: HubProcess
) -> None:
    screen.sign_in(busy_hub)
    screen.until(lambda: len(screen.wall()) >= 3, "nothing comes in")
    screen.run_in_each_page(_NUMBERED_BEFORE)
    screen.driver.refresh()
    screen.until(screen.wall, "the wall is empty")
    top = screen.wall()[0]
    screen.until(lambda: screen.wall()[0] > top, "nothing comes in")
    shown = screen.wall()
    assert shown == sorted(set(shown), reverse=True)


def test_two_tabs_share_one_stream(screen: Screen, busy_hub: HubProcess) -> None:
    screen.sign_in(busy_hub)
    screen.until(screen.wall, "nothing comes in")
    first = screen.driver.current_window_handle
    screen.driver.switch_to.new_window("tab")
    screen.open(busy_hub.url)
    second = screen.driver.current_window_handle
    top = screen.wall()[0]
    screen.until(lambda: screen.wall()[0] > top, "the second tab is told nothing")
    screen.open(f"{busy_hub.url}/metrics")
    assert screen.sees("sitehub_stream_readers 1.0")
    # The one that read goes, and the other one takes over.
    screen.open(busy_hub.url)
    screen.driver.switch_to.window(first)
    screen.driver.close()
    screen.driver.switch_to.window(second)
    top = screen.wall()[0]
    screen.until(lambda: screen.wall()[0] > top, "nobody takes over")


_LISTEN_WHEN_TOLD = """
const fetchNow = window.fetch;
window.fetch = async (url, options) => {
  while (String(url).startsWith("/stream") && !window.listens) {
    await new Promise((done) => setTimeout(done, 20));
  }
  return fetchNow(url, options);
};
"""


def hub_of_an_old_page(screen: Screen, make_hub: MakeHub) -> HubProcess:
    """Its page was loaded before the camera was added, and does not listen until it is told to."""
    hub = make_hub().start()
    hub.cli("user", "add", "mei", "--role", "guard", "--password-stdin", stdin=PASSWORD)
    screen.run_in_each_page(_LISTEN_WHEN_TOLD)
    screen.sign_in(hub)
    screen.wait_for("No cameras yet")
    hub.cli("device", "add", "--sn", "Y3CA9PGDTKM7R1C", "--code", "12345678", "--name", "Gate")
    return hub


def test_a_page_shows_what_changed_before_it_began_to_listen(
    screen: Screen, make_hub: MakeHub
) -> None:
    hub_of_an_old_page(screen, make_hub)
    screen.driver.execute_script("window.listens = true")
    screen.wait_for("Gate")


def test_who_is_on_the_way_to_another_page_gets_there(screen: Screen, make_hub: MakeHub) -> None:
    hub = hub_of_an_old_page(screen, make_hub)
    with (
        socket.create_server(("127.0.0.1", 0)) as slow,
        hub.blocking_client(headers=hub.add_api_key()) as client,
    ):
        # Not at once: the driver would wait for the page to come.
        go = "setTimeout(url => { location.assign(url); window.listens = 1 }, 100, arguments[0])"
        screen.driver.execute_script(go, f"http://127.0.0.1:{slow.getsockname()[1]}/")
        way, _ = slow.accept()
        with way:
            # Now the page that is left is told that it is out of date.
            listens = "sitehub_stream_readers 1.0"
            screen.until(lambda: listens in client.get("/metrics").text, "it does not listen")
            way.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nArrived")
            screen.wait_for("Received")


def test_a_code_is_tried_while_it_is_typed(
    screen: Screen, make_hub: MakeHub, tmp_path: Path
) -> None:
    hub = make_hub().start()
    _first_run(screen, hub)
    csv_file = tmp_path / "cameras.csv"
    with _simulated_camera(hub, "--write-csv", csv_file):
        screen.one(".knock")
        with csv_file.open(encoding="utf-8", newline="") as file:
            camera = next(csv.DictReader(file))
        knock = f'.knock[data-key="{camera["sn"]}"]'
        screen.type("code", camera["code"], within=knock)
        screen.wait_for("There is no key to verify its signature with")
        screen.type("key", (tmp_path / camera["key"]).read_text("utf-8"), within=knock)
        screen.wait_for("Matches the camera's signature.")
        screen.type("code", camera["code"][:-1], within=knock)
        screen.wait_for("The security code does not match the camera's signature.")
        assert hub.cli("device", "list", "--json").strip() == "[]"
        screen.one(f'{knock} [name="code"]').send_keys(camera["code"][-1])
        screen.wait_for("Matches the camera's signature.")
        screen.press(f"{knock} .button-main")
        screen.wait_for("The camera was accepted")


def test_a_trace_shows_what_happens_and_is_held_on_demand(
    screen: Screen, busy_hub: HubProcess
) -> None:
    def newest() -> int:
        script = "return +document.querySelector('.trace [data-number]')?.dataset.number || 0"
        return int(screen.driver.execute_script(script))

    def latest() -> int:
        last = busy_hub.cli("device", "trace", "1", "--json").splitlines()[-1]
        return int(json.loads(last)["number"])

    busy_hub.cli("user", "add", "ann", "--role", "admin", "--password-stdin", stdin=PASSWORD)
    screen.sign_in(busy_hub, "ann")
    screen.open(f"{busy_hub.url}/cameras/1/trace")
    screen.until(lambda: newest() > 0, "nothing shows")
    screen.wait_for("POST /api/v1/")
    shown = newest()
    screen.until(lambda: newest() > shown, "nothing more comes")
    screen.one("[data-pause]").send_keys(Keys.ENTER)
    held = newest()
    screen.until(lambda: latest() > held, "the camera says nothing")
    assert newest() == held
    screen.wait_for("Paused")
    screen.one("[data-pause]").send_keys(Keys.ENTER)
    screen.until(lambda: newest() > held, "it does not go on")
    assert len(screen.all(".exchange")) <= 200
    assert screen.complaints() == []


def test_the_list_of_cameras_changes_while_one_looks_and_types(
    screen: Screen, make_hub: MakeHub, tmp_path: Path
) -> None:
    hub = make_hub().start()
    rows = "".join(f"SN{n:04},12345678,Camera {n:02}\n" for n in range(1, 41))
    (tmp_path / "many.csv").write_text(f"sn,code,name\n{rows}", "utf-8")
    hub.cli("device", "import", str(tmp_path / "many.csv"))
    hub.cli("user", "add", "mei", "--role", "viewer", "--password-stdin", stdin=PASSWORD)
    screen.sign_in(hub)
    screen.open(f"{hub.url}/cameras")
    screen.press('[rel="next"]')
    screen.wait_for("Camera 40")
    screen.type("name", "era 0")

    def tells(state: str) -> Callable[[], bool]:
        return lambda: state in screen.one('tr[data-key="40"]').text

    # A row that becomes again what it was at first is shown so.
    for done, state in (("disable", "Disabled"), ("enable", "Offline"), ("disable", "Disabled")):
        hub.cli("device", done, "40")
        screen.until(tells(state), f"the camera is not shown as {state}")
    assert screen.one('[name="name"]').get_attribute("value") == "era 0"
    screen.press(".camera-find button")
    screen.until(lambda: len(screen.all("tr[data-key]")) == 9, "not those that were looked for")
    screen.press('.segments a[href*="state=disabled"]')
    screen.wait_for("No camera matches.")
    assert screen.complaints() == []


def test_all_is_reached_by_keyboard(screen: Screen, make_hub: MakeHub) -> None:
    hub = make_hub().start()
    hub.cli("user", "add", "mei", "--role", "admin", "--password-stdin", stdin=PASSWORD)
    screen.sign_in(hub)
    screen.open(f"{hub.url}/cameras")
    reached = []
    for _ in range(9):
        ActionChains(screen.driver).send_keys(Keys.TAB).perform()
        focused = screen.driver.switch_to.active_element
        reached.append(focused.get_attribute("href") or focused.tag_name)
    paths = [url.removeprefix(hub.url) for url in reached]
    assert paths[:6] == ["/cameras#main", "/", "/", "/cameras", "/firmware", "summary"]
    assert {"/cameras/connect", "/cameras/add"} <= set(paths)


def test_the_pages_work_without_javascript(make_hub: MakeHub, tmp_path: Path) -> None:
    hub = make_hub().start()
    hub.cli("user", "add", "mei", "--role", "admin", "--password-stdin", stdin=PASSWORD)
    with chromium(tmp_path / "profile") as screen:
        screen.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        screen.sign_in(hub)
        screen.one('.rail a[href="/cameras"]').click()
        screen.one('.head a[href="/cameras/add"]').click()
        screen.type("sn", "Y3CA9PGDTKM7R1C")
        screen.type("code", "12345678")
        screen.type("name", "Gate")
        screen.press("main .button-main")
        screen.until(lambda: screen.one("h1").text == "Gate", "the new camera's page")
        screen.press('.tabs a[href$="/manage"]')
        screen.press('.button-bad[href$="/remove"]')
        screen.press("main .button-bad")
        screen.until(lambda: screen.one(".done").text, "that it was removed")


def test_one_camera_is_set_looked_through_and_restarted(
    screen: Screen, busy_hub: HubProcess
) -> None:
    busy_hub.cli("user", "add", "ada", "--role", "admin", "--password-stdin", stdin=PASSWORD)
    (camera,) = json.loads(busy_hub.cli("device", "list", "--json"))
    screen.sign_in(busy_hub, "ada")
    screen.open(f"{busy_hub.url}/cameras/{camera['did']}")

    # The browser refuses what the hub would, in its words; what is right is taken.
    screen.press('.tabs a[href$="/settings"]')
    screen.type("mini_face", "7")
    screen.press('[action$="/settings/face"] .button-main')
    told = screen.one('[name="mini_face"]').get_property("validationMessage")
    assert told == "A whole number from 30 to 500."
    screen.type("mini_face", "44")
    screen.press('[action$="/settings/face"] .button-main')
    screen.wait_for("The camera has applied the settings for faces and people.")
    assert screen.one('[name="mini_face"]').get_attribute("value") == "44"

    # A month opens into a day.
    screen.press('.tabs a[href$="/recordings"]')
    screen.one(".month")
    if not screen.all(".month-count"):
        screen.press('.steps [rel="prev"]')
    screen.one("td:has(.month-count) a").click()
    screen.until(lambda: screen.all(".files li"), "no recording of that day")

    # What it captured itself shows with its pictures, which are read from it.
    screen.press('.tabs a[href$="/captures"]')
    screen.driver.find_element(By.LINK_TEXT, "7 days").click()
    script = "return [...document.querySelectorAll('.history img')].some(i => i.naturalWidth > 1)"
    screen.until(lambda: bool(screen.driver.execute_script(script)), "no picture of a capture")

    screen.press('.camera-head a[href$="/reboot"]')
    screen.press(".sheet .button-bad")
    screen.wait_for("The camera is restarting.")
    screen.wait_for("Offline")
    assert screen.complaints() == []


def test_a_picture_that_a_camera_does_not_have_leaves_its_place_empty(
    screen: Screen, make_hub: MakeHub, tmp_path: Path
) -> None:
    hub = make_hub().start()
    hub.cli("user", "add", "mei", "--role", "guard", "--password-stdin", stdin=PASSWORD)
    key_file = tmp_path / "apikey.json"
    key_file.write_text(hub.cli("apikey", "add", "cameras"), "utf-8")
    with _simulated_camera(hub, "--apikey-file", key_file, "--fault", "no-pictures"):
        screen.sign_in(hub)
        screen.until(lambda: '"online"' in hub.cli("device", "list", "--json"), "no camera")
        (camera,) = json.loads(hub.cli("device", "list", "--json"))
        screen.open(f"{hub.url}/cameras/{camera['did']}/captures")
        screen.driver.find_element(By.LINK_TEXT, "7 days").click()
        first = ".history > :nth-child(1 of .card) .card-picture"
        screen.one(f"{first} svg")
        screen.until(lambda: not screen.all(f"{first} img"), "a broken picture")
        # In a tab of its own it is a page that says so.
        screen.open(screen.one(first).get_attribute("href") or "")
        screen.wait_for("Page not found")


def test_a_person_is_added_to_a_camera_searched_for_and_deleted(
    screen: Screen, busy_hub: HubProcess, tmp_path: Path
) -> None:
    busy_hub.cli("user", "add", "ada", "--role", "admin", "--password-stdin", stdin=PASSWORD)
    (camera,) = json.loads(busy_hub.cli("device", "list", "--json"))
    photo = tmp_path / "face.png"
    # As large as a phone's, and no JPEG.
    Image.effect_noise((1800, 2400), 60).convert("RGB").save(photo)
    assert photo.stat().st_size > 5_000_000
    screen.sign_in(busy_hub, "ada")
    screen.open(f"{busy_hub.url}/cameras/{camera['did']}/people")
    script = "return [...document.querySelectorAll('.history img')].some(i => i.naturalWidth > 1)"
    screen.until(lambda: bool(screen.driver.execute_script(script)), "no photo of a person")

    # The browser refuses what the hub would, in its words; what is right is taken.
    screen.press('[href$="/people/add"]')
    screen.press(".person-form .button-main")
    told = screen.one('[name="photo"]').get_property("validationMessage")
    assert told == "Choose a photo."
    screen.one('[name="photo"]').send_keys(str(photo))
    for name, value in (("name", "Zoë"), ("pid", "0"), ("age", "34")):
        screen.type(name, value)
    for name in ("category", "gender"):
        Select(screen.one(f'[name="{name}"]')).select_by_value("2")
    screen.press(".person-form .button-main")
    told = screen.one('[name="pid"]').get_property("validationMessage")
    assert told == "A whole number from 1 to 18446744073709551615."
    screen.type("pid", "4711")
    screen.press(".person-form .button-main")
    screen.wait_for("The person was added to the camera.")
    screen.wait_for("Zoë")
    shown = "return (document.querySelector('.person img') ?? {}).naturalWidth"
    # The photo is read from the camera, as small as it was sent there.
    assert screen.until(lambda: screen.driver.execute_script(shown), "no photo") == 900

    screen.press('.tabs a[href$="/search"]')
    screen.type("threshold", "0")
    screen.one('[name="photo"]').send_keys(str(photo))
    screen.press(".search-form .button-main")
    screen.wait_for("like the photo")
    screen.until(lambda: bool(screen.driver.execute_script(script)), "no picture of a capture")

    screen.open(f"{busy_hub.url}/cameras/{camera['did']}/people/4711")
    screen.press(".person .button-bad")
    screen.wait_for("Delete person 4711 from")
    screen.wait_for("Zoë")
    screen.press(".sheet button.button-bad")
    screen.wait_for("The person was deleted from the camera.")
    assert screen.complaints() == []
