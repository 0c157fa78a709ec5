"""The hub as a web app in a real Chromium: when it is away, and notifications of alarms."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.e2e.browser import Browser
from tests.e2e.camera import Camera, Capture, upload_sync
from tests.e2e.hub_process import HubProcess

pytestmark = pytest.mark.browser

#: Notifications are kept in place of being shown, and the tab says that it is in the background.
_KEEP_NOTIFICATIONS = """
window.notified = [];
window.asked = 0;
window.Notification = class extends EventTarget {
  static permission = "default";
  static async requestPermission() {
    window.asked += 1;
    return (Notification.permission = sessionStorage.permission = "granted");
  }
  constructor(title, options) { super(); window.notified.push([title, options, this]); }
  close() {}
};
if (sessionStorage.permission) Notification.permission = sessionStorage.permission;
ServiceWorkerContainer.prototype.getRegistration = async () => undefined;
const visibilityState = { get: () => sessionStorage.visible ?? "visible" };
Object.defineProperty(document, "visibilityState", visibilityState);
"""
#: Runs the service worker in a page, clicks a notification, and answers what became of which tab.
_CLICK = """
const [script, scope, urls, url, answer] = arguments;
const heard = {}, events = [];
const tabOf = (one) => ({
  url: one,
  focus: async () => events.push(["focus", one]),
  navigate: async (to) => events.push(["navigate", to]),
});
const clients = {
  matchAll: async () => urls.map(tabOf),
  openWindow: async (to) => events.push(["open", to]),
};
const names = ["addEventListener", "registration", "clients"];
const listen = (kind, act) => (heard[kind] = act);
new Function(...names, script)(listen, { scope }, clients);
const notification = { close() {}, data: { url } };
heard.notificationclick({ notification, waitUntil: (done) => done.then(() => answer(events)) });
"""
_WORKER = Path(__file__).parents[2] / "web/static/away.js"
_HOST = "https://intranet.example.org"
_NOTIFIED = "return window.notified.map(([title, { body, tag }]) => [title, body, tag])"


def test_a_hub_that_is_away_is_told_and_its_page_opens_by_itself(
    staffed_hub: HubProcess, browser: Browser
) -> None:
    browser.sign_in(staffed_hub)
    browser.wait_until(
        lambda: browser.driver.execute_async_script(
            "navigator.serviceWorker.ready.then(() => arguments[0](true))"
        ),
        "no service worker",
    )
    staffed_hub.kill()
    browser.open(f"{staffed_hub.url}/cameras")
    browser.wait_for_text("The hub cannot be reached")
    assert browser.has_text("无法连接系统")
    staffed_hub.start()
    browser.find("body[data-signed-in]")
    assert browser.driver.current_url == f"{staffed_hub.url}/cameras"
    # It keeps nothing.
    assert browser.driver.execute_async_script("caches.keys().then(arguments[0])") == []


def test_alarms_are_notified_while_no_page_is_visible_and_only_once(
    staffed_hub: HubProcess, camera: Camera, browser: Browser
) -> None:
    token, rng = camera.join(staffed_hub, "--name", "Gate"), Random(5)

    def sees_somebody_listed() -> None:
        capture = Capture.random(rng, 300, 300, 300, category=2)
        with staffed_hub.sync_client() as client:
            assert upload_sync(client, token, capture.body()) == 200

    browser.run_before_each_page(_KEEP_NOTIFICATIONS)
    browser.sign_in(staffed_hub)
    browser.open(f"{staffed_hub.url}/account")
    assert browser.driver.execute_script("return window.asked") == 0
    browser.click('[data-notify-action="on"]')
    browser.find('[data-notify-action="off"]')
    assert browser.driver.execute_script("return window.asked") == 1

    sees_somebody_listed()
    browser.find("[data-alarm-count]:not([hidden])")
    assert browser.driver.execute_script(_NOTIFIED) == []

    browser.driver.execute_script(
        "sessionStorage.visible = 'hidden'; document.dispatchEvent(new Event('visibilitychange'))"
    )
    sees_somebody_listed()
    browser.wait_until(lambda: browser.driver.execute_script(_NOTIFIED), "no notification")
    ((title, body, tag),) = browser.driver.execute_script(_NOTIFIED)
    assert title.startswith("Critical: ")
    assert "Gate" in body
    assert tag == "alarm-2"

    browser.driver.execute_script("window.notified[0][2].dispatchEvent(new Event('click'))")
    browser.wait_until(
        lambda: browser.driver.current_url.endswith("/alarms/2"), "the alarm was not opened"
    )
    assert browser.console_errors() == []


@pytest.mark.parametrize("prefix", ["", "/hub"])
def test_a_click_on_a_notification_takes_a_tab_of_this_hub_that_is_no_wall(
    browser: Browser, prefix: str
) -> None:
    browser.open("about:blank")
    script, alarm = _WORKER.read_text("utf-8"), f"{prefix}/alarms/2"
    # Of another application, of another hub, and of one whose name begins alike.
    others = [f"{_HOST}/cameras", f"{_HOST}/other/", f"{_HOST}{prefix}2/"] if prefix else []

    def click(*tabs: str) -> object:
        urls = [*others, *(f"{_HOST}{prefix}{tab}" for tab in tabs)]
        arguments = (script, f"{_HOST}{prefix}/", urls, alarm)
        return browser.driver.execute_async_script(_CLICK, *arguments)

    for tabs, taken in (
        (("/wall?look=dark", "/cameras", "/"), "/cameras"),
        (("/",), "/"),
        (("/walls",), "/walls"),
    ):
        assert click(*tabs) == [["focus", f"{_HOST}{prefix}{taken}"], ["navigate", alarm]]
    for tabs in (("/wall", "/wall#x"), ()):
        assert click(*tabs) == [["open", alarm]]
