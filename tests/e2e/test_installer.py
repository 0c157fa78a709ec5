"""What an installer does on a phone: from the first run to cameras that work."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from tests.e2e.browser import PASSWORD, Browser, open_chromium
from tests.e2e.conftest import MakeHub
from tests.e2e.hub_process import HubProcess
from tests.e2e.test_browser import _simulated_camera

pytestmark = pytest.mark.browser

_PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
#: Chromium for Linux has no detector. This one finds what `localStorage.qr` holds.
_DETECTOR = """
window.BarcodeDetector = class {
  static async getSupportedFormats() { return ["qr_code"]; }
  async detect() { return localStorage.qr ? [{ rawValue: localStorage.qr }] : []; }
};
"""


class Installer:
    """A browser on a phone that photographs QR codes."""

    def __init__(self, browser: Browser, photo: Path) -> None:
        self.browser = browser
        self._photo = photo
        Image.new("RGB", (64, 64), "white").save(photo)
        browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", _PHONE)
        browser.run_before_each_page(_DETECTOR)

    def click(self, selector: str) -> None:
        """Click without a hover, as a touch does, wherever it is on the page."""
        self.browser.find(selector)
        self.browser.driver.execute_script(
            f"document.querySelector({json.dumps(selector)}).click()"
        )

    def scan(self, text: str, within: str) -> None:
        """Photograph a QR code that holds `text` for a form."""
        self.browser.find(f"html.reads-qr {within} [data-qr]")
        self.browser.driver.execute_script("localStorage.qr = arguments[0]", text)
        self.browser.find(f"{within} [data-qr]").send_keys(str(self._photo))

    def value(self, name: str, within: str) -> str:
        return str(self.browser.find(f'{within} [name="{name}"]').get_property("value"))

    def assert_fits(self) -> None:
        """Nothing lies beside the screen."""
        width = self.browser.driver.execute_script("return document.documentElement.scrollWidth")
        assert width <= 390, self.browser.driver.current_url


def _cameras(csv_file: Path) -> Iterator[dict[str, str]]:
    with csv_file.open(encoding="utf-8", newline="") as file:
        for camera in csv.DictReader(file):
            yield {**camera, "key": csv_file.with_name(camera["key"]).read_text("utf-8")}


def _first_run(installer: Installer, hub: HubProcess) -> None:
    browser = installer.browser
    browser.wait_until(lambda: "/setup/" in hub.out, "no setup link is printed")
    browser.open(hub.setup_link)
    for name, text in (("name", "mei"), ("password", PASSWORD), ("site_name", "Harbour East")):
        browser.fill(name, text)
    installer.click(".button-main")
    browser.wait_for_text("Step 2 of 2")


def test_an_installer_on_a_phone_connects_cameras_and_replaces_one(
    browser: Browser, make_hub: MakeHub, tmp_path: Path
) -> None:
    hub = make_hub().start()
    installer = Installer(browser, tmp_path / "label.png")
    _first_run(installer, hub)
    sheet = tmp_path / "cameras.csv"
    with _simulated_camera(hub, "--cameras", "2", "--write-csv", sheet):
        browser.wait_until(
            lambda: len(browser.find_all(".pending")) == 2, "two cameras do not ask to connect"
        )
        one, other = _cameras(sheet)
        first, second = (
            f".pending[data-key={json.dumps(camera['sn'])}]" for camera in (one, other)
        )
        installer.assert_fits()

        # The label of another camera fills in nothing; the right one is checked at once.
        installer.scan(json.dumps({"SN": other["sn"], "code": other["code"]}), first)
        browser.wait_for_text("This is the label of another camera.")
        assert installer.value("code", first) == ""
        installer.scan(one["key"], first)
        browser.wait_for_text("Read from the QR code.")
        assert installer.value("key", first) == one["key"].strip()
        installer.scan(f"https://example.org/?sn={one['sn']}&code={one['code']}", first)
        browser.find(f"{first} .code-fits")
        browser.fill("name", "Main gate", within=first)
        installer.click(f"{first} .button-main")

        # The page stays in its step until the picture is there, and shows it in place.
        browser.wait_for_text("The camera was accepted")
        assert browser.has_text("Step 2 of 2")
        browser.wait_for_text("The first picture is here.")
        browser.find(".arrival img[data-last-picture-of]")
        installer.assert_fits()

        # The list of cameras opens at its top, where the waiting camera is.
        browser.open(f"{hub.url}/cameras")
        assert browser.find(second).rect["y"] < 844
        assert browser.driver.execute_script("return scrollY") == 0
        installer.click(f'{second} [formaction="/cameras/ignored"]')
        browser.wait_for_text("1 camera is ignored")
        assert browser.find_all(second) == []
        installer.click('a[href="/cameras/connect#ignored"]')
        installer.click("#ignored .button-small")
        browser.wait_for_text("The camera is shown again")
        installer.assert_fits()

        # It takes the place of the first one, which is chosen by its name.
        browser.open(f"{hub.url}/cameras")
        installer.click(f'{second} [href*="/replace"]')
        Select(browser.find('[name="replaces"]')).select_by_visible_text("Main gate · Online")
        installer.scan(f"SN: {other['sn']}\nSecurity code: {other['code']}", ".narrow")
        key_file = tmp_path / "other.pem"
        key_file.write_text(other["key"], "ascii")
        browser.find('.narrow [name="key_file"]').send_keys(str(key_file))
        browser.find(".narrow .code-fits")
        installer.assert_fits()
        installer.click(".narrow .button-main")
        # The first one works: nobody throws it out by a slip of the finger.
        browser.wait_for_text("Main gate is online. Replace it anyway?")
        installer.assert_fits()
        assert browser.find('.narrow [name="code"]').get_attribute("value") == other["code"]
        installer.click('[name="although_online"]')
        installer.click(".narrow .button-main")
        browser.wait_for_text(f"It replaces the camera with the serial number {one['sn']}.")
        browser.wait_until(
            lambda: (
                [
                    (camera["name"], camera["sn"], camera["state"])
                    for camera in json.loads(hub.cli("device", "list", "--json"))
                ]
                == [("Main gate", other["sn"], "online")]
            ),
            "the new camera is not online",
        )

        # The first settings are listed before they are sent.
        (camera,) = json.loads(hub.cli("device", "list", "--json"))
        browser.open(f"{hub.url}/cameras/{camera['did']}/settings")
        installer.click('[action$="/settings/recording"] .button-main')
        browser.wait_for_text("Send these settings for the first time?")
        installer.assert_fits()
        installer.click('[action$="/settings/recording"] .button-main')
        browser.wait_for_text("The camera has applied the recording settings.")
        browser.find('a[href^="/cameras/many/recording?"]')

        # What the camera has stored opens in place, and the arrows lead to older captures.
        days = "from=2020-01-01T00:00:00&until=2099-12-31T23:59:59"
        browser.open(f"{hub.url}/cameras/{camera['did']}/captures?{days}")
        browser.find(".list-end")
        times = [time.text for time in browser.find_all(".history .card:has(a) time")]
        assert times == sorted(times, reverse=True)
        assert len(times) > 1
        installer.click(".history a.card-picture")
        shown = "#capture-dialog[open] [data-time]"
        assert browser.find(shown).text == times[0]
        browser.driver.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
        browser.wait_until(lambda: browser.find(shown).text == times[1], "the arrow does nothing")
        installer.assert_fits()
        installer.click("[data-close]")
        assert browser.find_all("#capture-dialog[open]") == []
        assert browser.console_errors() == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("AB12CD34", {"plain": "AB12CD34"}),
        (' {"serialNo": 12, "Security_Code": "x y"} ', {"sn": "12", "code": "x y"}),
        ("sitehub://add?sn=A&code=1%2B2", {"sn": "A", "code": "1+2"}),
        ("https://example.org/buy", {}),
        ("序列号：A;安全码：B", {"sn": "A", "code": "B"}),
        ("two words", {}),
        ("[1, 2]", {}),
        ("-----BEGIN PUBLIC KEY-----\nMI", {"key": "-----BEGIN PUBLIC KEY-----\nMI"}),
    ],
)
def test_a_qr_code_holds_a_code_a_label_or_a_key(
    text: str, found: dict[str, str], reader: Browser
) -> None:
    assert _parse(reader, text) == found


def test_a_key_in_a_qr_code_may_be_bare_base64(reader: Browser) -> None:
    body = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQ" + "C" * 178
    pem = str(_parse(reader, body)["key"])
    assert pem.startswith("-----BEGIN PUBLIC KEY-----\nMIGfMA0")
    assert "".join(pem.splitlines()[1:-1]) == body
    assert _parse(reader, json.dumps({"key": body}))["key"] == pem


@pytest.fixture(scope="module")
def reader(hub: HubProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser on a page of the hub, to load its modules."""
    with open_chromium(tmp_path_factory.mktemp("reader")) as browser:
        browser.open(f"{hub.url}/sign-in")
        yield browser


def _parse(browser: Browser, text: str) -> dict[str, str]:
    script = """
    const [text, done] = arguments;
    const main = document.querySelector("script[type=module]").src;
    import(new URL("qr.js", main)).then(({ parseQr }) => done(parseQr(text)));
    """
    found: dict[str, str] = browser.driver.execute_async_script(script, text)
    return found
