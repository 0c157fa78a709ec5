"""The pages of people in a real Chromium: from a table to all cameras, a photo found, a crop."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image
from selenium.webdriver.common.keys import Keys

from tests.e2e.browser import PASSWORD, Browser
from tests.e2e.hub_process import HubProcess, copy_certificates
from tests.e2e.test_simulated import devices
from tests.e2e.waiting import wait_until

pytestmark = pytest.mark.browser

_CAMERAS = 3


@pytest.fixture(scope="module")
def demo(hub: HubProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub whose simulated cameras are all online, and with the administrator ada."""
    data_dir = tmp_path_factory.mktemp("demo") / "data"
    copy_certificates(hub.data_dir, data_dir)
    HubProcess(data_dir).cli(
        "user", "add", "ada", "--role=admin", "--password-stdin", stdin=PASSWORD
    )
    with closing(HubProcess(data_dir, arguments=("--demo", str(_CAMERAS)))) as process:
        process.start()
        with process.sync_client(headers=process.add_api_key()) as client:
            wait_until(lambda: [one["state"] for one in devices(client)] == ["online"] * _CAMERAS)
        yield process


@pytest.fixture
def signed_in(browser: Browser, demo: HubProcess) -> Browser:
    browser.sign_in(demo, "ada")
    return browser


def _picture(left: str, right: str) -> bytes:
    """A picture of two halves."""
    image = Image.new("RGB", (800, 400), left)
    image.paste(right, (400, 0, 800, 400))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _fetch(browser: Browser, path: str) -> bytes:
    """The bytes that the browser gets from a path of the hub."""
    script = """
        const done = arguments[1];
        fetch(arguments[0]).then((r) => r.arrayBuffer()).then((data) => {
          done(btoa(String.fromCharCode(...new Uint8Array(data))));
        });
    """
    return base64.b64decode(browser.driver.execute_async_script(script, path))


def test_from_a_table_and_a_zip_to_all_cameras(
    signed_in: Browser, demo: HubProcess, tmp_path: Path
) -> None:
    browser, table, photos = signed_in, tmp_path / "people.csv", tmp_path / "photos.zip"
    table.write_text("编号;姓名;工号\n900001;王小明;E-1\n900002;李小红;E-2\n", "gb18030")
    with zipfile.ZipFile(photos, "w") as archive:
        for number in ("900001", "900002"):
            archive.writestr(f"{number}.png", _picture("tan", "teal"))
    browser.open(f"{demo.url}/people/import")
    browser.find('[name="table"]').send_keys(str(table))
    browser.find('[name="photos"]').send_keys(str(photos))
    browser.click(".button-main")
    browser.wait_for_text("Import 2 people")
    assert browser.has_text("王小明")
    browser.click(".button-main")
    # The page of the job follows it.
    browser.wait_for_text("Completed")
    browser.open(f"{demo.url}/people")
    # The list follows what is typed, and so does the address.
    browser.find('[name="q"]').send_keys("小红")
    browser.wait_until(
        lambda: (
            [row.get_attribute("data-key") for row in browser.find_all("#people tbody tr")]
            == ["900002"]
        ),
        "the list does not follow",
    )
    assert "?q=" in browser.driver.current_url
    browser.click("#people th a")
    browser.wait_for_text(f"{_CAMERAS} of {_CAMERAS} cameras")
    assert browser.console_errors() == []


def test_many_people_are_removed_in_one_go_by_keyboard(
    signed_in: Browser, demo: HubProcess
) -> None:
    browser = signed_in
    pids = [demo.cli("person", "add", "--name", f"Leaver {n}").strip() for n in range(10)]
    browser.open(f"{demo.url}/people")
    browser.find('[name="q"]').send_keys("leaver")
    browser.wait_until(lambda: len(browser.find_all("#people tbody tr")) == 10, "not found")
    boxes = [f'[name="pid"][value="{pid}"]' for pid in pids[3:5]]
    for box in boxes:
        browser.find(box).send_keys(Keys.SPACE)
    # Someone else changes the person meanwhile: the row is new, and is selected still.
    demo.cli("person", "set", pids[3], "--department", "Harbour")
    browser.wait_for_text("Harbour")
    assert all(browser.find(box).is_selected() for box in boxes)
    browser.find(boxes[0]).send_keys(Keys.ENTER)
    browser.wait_for_text("Remove 2 people?")
    assert browser.has_text("Leaver 3")
    browser.click('.actions a[href="/people?q=leaver"]')
    browser.find('[data-select-all="pid"]').send_keys(Keys.ENTER)
    browser.find(".bulk .button-bad").send_keys(Keys.ENTER)
    browser.wait_for_text("Remove 10 people?")
    assert [one.text.split(" ")[1] for one in browser.find_all(".people-named li")] == list(
        "0123456789"
    )
    browser.find(".actions .button-bad").send_keys(Keys.ENTER)
    browser.wait_for_text("They were removed.")
    assert browser.has_text("No people match.")
    assert not browser.find(".bulk").is_displayed()
    assert browser.console_errors() == []


def test_a_photo_is_cropped_by_keyboard_before_it_is_sent(
    signed_in: Browser, demo: HubProcess, tmp_path: Path
) -> None:
    browser, picture = signed_in, tmp_path / "photo.png"
    picture.write_bytes(_picture("red", "blue"))
    browser.open(f"{demo.url}/people/add")
    browser.fill("name", "Cropped")
    browser.find('[name="photo"]').send_keys(str(picture))
    browser.wait_for_text("400 pixels wide")
    box = browser.find("[data-crop-box]")
    # From the middle to the right edge, then smaller.
    box.send_keys(Keys.ARROW_RIGHT * 20 + "-" * 4)
    browser.wait_until(lambda: not browser.has_text("400 pixels wide"), "it is not smaller")
    browser.click(".person-form > .actions .button-main")
    browser.wait_for_text("The person was added")
    pid = browser.driver.current_url.rpartition("/")[2].partition("?")[0]
    with Image.open(io.BytesIO(_fetch(browser, f"/people/{pid}/photo"))) as photo:
        assert photo.width == photo.height < 400
        for x in (2, photo.width - 3):
            red, _, blue = photo.convert("RGB").getpixel((x, 5))  # type: ignore[misc]
            assert blue > 200 > 60 > red
    assert browser.console_errors() == []


def test_a_photo_finds_its_sightings_on_two_cameras(signed_in: Browser, demo: HubProcess) -> None:
    browser = signed_in
    # Somebody of the demo, whom its cameras have seen.
    browser.open(f"{demo.url}/people/100001")
    browser.click('a[href^="/search/photo?"]')
    browser.wait_for_text("pixels wide")
    browser.click(".person-form > .actions .button-main")
    browser.wait_for_text("Completed")
    assert "/search/photo/" in browser.driver.current_url
    assert not browser.has_text("gave no result")
    cameras = {link.text for link in browser.find_all("#hits-title ~ .wall .card-camera a")}
    assert len(cameras) >= 2
    # The result has an address.
    address = browser.driver.current_url
    browser.open(f"{demo.url}/jobs")
    browser.click(f'a[href="{address.removeprefix(demo.url)}"]')
    browser.find(".found-page .card")
    # Who is in the register already leads there.
    browser.click('.found-page .card a[href="/people/100001"]')
    browser.find('a[href="/people/100001/edit"]')
    assert browser.console_errors() == []


#: What a page shows beyond the edge of the screen, or cuts off in a table.
_TOO_WIDE = """
const width = document.documentElement.clientWidth;
const cut = [...document.querySelectorAll(".table-frame")]
  .filter((frame) => frame.scrollWidth > frame.clientWidth + 1);
return [document.documentElement.scrollWidth > width ? "page" : "", ...cut.map(() => "table")]
  .filter(Boolean);
"""


@pytest.mark.parametrize("width", [390, 1280])
def test_long_names_fit_the_screen(signed_in: Browser, demo: HubProcess, width: int) -> None:
    browser, name = signed_in, "W" * 64
    group = demo.cli("group", "add", f"{name[:-4]}{width}", "--device", "1").strip()
    pid = demo.cli("person", "add", "--name", name, "--group", group).strip()
    plates = demo.cli("plate-list", "add", f"{name[:-4]}{width}").strip()
    screen = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    too_wide = {}
    for path in (
        "/people",
        f"/people/{pid}",
        f"/people/{pid}/edit",
        f"/people/{pid}/remove",
        f"/people/remove?pid={pid}",
        "/cameras/groups",
        f"/cameras/groups/{group}",
        f"/cameras/groups/{group}/remove",
        "/cameras/1/people",
        "/cameras/many",
        "/search/photo",
        "/alarms/rules",
        "/alarms/plates",
        f"/alarms/plates/{plates}",
        f"/alarms/plates/{plates}/remove",
    ):
        browser.open(f"{demo.url}{path}")
        if found := browser.driver.execute_script(_TOO_WIDE):
            too_wide[path] = found
    assert too_wide == {}
