"""How soon an alarm is on the guard's screen after the camera got its 200.

    python -m tests.bench.alarm_on_screen [--alarms 200] [--rate 0]

A real hub and a real Chromium, both on this machine; an alarm is on the screen in the first frame
that is painted after its card was inserted; when it was inserted is told as well, since painting
depends on the computer of the browser alone. `--rate`: captures per second of other cameras.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import httpx

from tests.e2e.browser import PASSWORD, Browser, open_chromium
from tests.e2e.camera import Camera, upload_sync
from tests.e2e.hub_process import SITEHUB, HubProcess

_API = "/api/hub/v1"
_WATCH = """
window.inserted = {};
window.painted = {};
const now = () => performance.timeOrigin + performance.now();
new MutationObserver(() => {
  const names = [...document.querySelectorAll("#alarms .alarm h2 a")].map((a) => a.textContent);
  for (const name of names) window.inserted[name] ??= now();
  requestAnimationFrame(() =>
    setTimeout(() => {
      for (const name of names) window.painted[name] ??= now();
    }),
  );
}).observe(document.querySelector("#alarms"), { childList: true });
"""


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alarms", type=int, default=200)
    parser.add_argument("--rate", type=float, default=0)
    return parser.parse_args()


def main() -> None:
    options = _parse()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with closing(HubProcess(directory / "data")) as hub:
            hub.start()
            hub.cli("user", "add", "mei", "--role", "guard", "--password-stdin", stdin=PASSWORD)
            with _other_cameras(hub, options.rate), open_chromium(directory / "profile") as browser:
                waits = _measure(hub, browser, directory, options.alarms)
                _report("in the page", [inserted for inserted, _ in waits])
                _report("on the screen", [painted for _, painted in waits])


def _measure(
    hub: HubProcess, browser: Browser, directory: Path, count: int
) -> list[tuple[float, float]]:
    """The milliseconds from each answer 200 until its alarm is in the page, and painted."""
    camera = Camera.make(directory)
    token = camera.join(hub)
    browser.sign_in(hub)
    browser.find("#sound[data-state]")
    browser.driver.execute_script(_WATCH)
    headers = hub.add_api_key()
    waits = []
    with hub.sync_client() as uploads, hub.sync_client(headers=headers) as api:
        for number in range(count):
            person = f"Person {number}"
            assert upload_sync(uploads, token, _capture(person, number)) == 200
            answered = time.time() * 1000
            inserted, painted = _times(browser, person)
            waits.append((inserted - answered, painted - answered))
            _close_all(api)
    return waits


def _capture(name: str, number: int) -> bytes:
    body = {"time": int(time.time()), "name": name, "uuid": str(10_000 + number), "category": 2}
    return json.dumps({"did": "", **body, "data": {}}).encode()


def _times(browser: Browser, name: str) -> tuple[float, float]:
    """When the alarm of this person was inserted and painted, in UNIX milliseconds."""
    script = "const at = window; const n = arguments[0];"
    script += "return at.painted[n] && [at.inserted[n], at.painted[n]]"
    inserted, painted = browser.wait_until(
        lambda: browser.driver.execute_script(script, name), f"no alarm for {name}"
    )
    return float(inserted), float(painted)


def _close_all(api: httpx.Client) -> None:
    """Close all alarms, so that the next one has a place on the page."""
    items = api.get(f"{_API}/alarms", params={"state": "new"}).json()["items"]
    answer = api.post(f"{_API}/alarms/close", json={"seqs": [one["seq"] for one in items]})
    assert answer.status_code == 200, answer.text


@contextmanager
def _other_cameras(hub: HubProcess, rate: float) -> Iterator[None]:
    if not rate:
        yield
        return
    key_file = hub.data_dir.with_name("apikey.json")
    key_file.write_text(hub.cli("apikey", "add", "cameras"), "utf-8")
    command = [*SITEHUB, "simulate", "--hub", "127.0.0.1", "--cameras", "4", "--rate", str(rate)]
    command += ["--web-port", str(hub.web_port), "--device-port", str(hub.device_port)]
    command += ["--apikey-file", str(key_file)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.kill()


def _report(what: str, waits: Sequence[float]) -> None:
    ordered = sorted(waits)

    def percentile(share: float) -> float:
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]

    print(
        f"{len(ordered)} alarms {what} after their 200: p50 {percentile(0.5):.0f} ms, "
        f"p95 {percentile(0.95):.0f} ms, p99 {percentile(0.99):.0f} ms, max {ordered[-1]:.0f} ms"
    )


if __name__ == "__main__":
    main()
