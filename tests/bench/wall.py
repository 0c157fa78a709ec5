"""What the wall costs the browser while many cameras report, and how soon a card is on the screen.

    python -m tests.bench.wall [--rate 64] [--seconds 60]

A real hub and a real Chromium, both on this machine. Sixteen cameras send `--rate` captures a
second in all, which were drawn beforehand. One more camera uploads twice a second; its cards are
timed from the answer 200 to the first frame after they were inserted. Script, style and layout are
told as shares of one core, in processor time of the page's main thread, as far as other programs
leave it a core.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import trio

from tests.bench.alarm_on_screen import _token
from tests.bench.drawn_load import DrawnLoad
from tests.bench.hub_process import HOST
from tests.e2e.browser import PASSWORD, Browser, open_chromium
from tests.e2e.camera import Camera, upload_sync
from tests.e2e.hub_process import HubProcess

_WATCH = """
window.painted = {};
const now = () => performance.timeOrigin + performance.now();
new MutationObserver((changes) => {
  const names = [];
  for (const { addedNodes } of changes) {
    for (const node of addedNodes) {
      const name = node.querySelector?.("h3")?.textContent ?? "";
      if (name.startsWith("Timed ")) names.push(name);
    }
  }
  if (!names.length) return;
  requestAnimationFrame(() =>
    setTimeout(() => {
      for (const name of names) window.painted[name] ??= now();
    }),
  );
}).observe(document.querySelector("#wall"), { childList: true });
"""
#: The bytes of the pictures on the wall, as thumbnails and as they are.
_WEIGH = """
const done = arguments[0];
const urls = [...document.querySelectorAll("#wall .card-picture img")].map((one) => one.src);
const sizeOf = async (url) => (await (await fetch(url)).arrayBuffer()).byteLength;
const total = async (wanted) => {
  const sizes = await Promise.all(wanted.map(sizeOf));
  return sizes.reduce((sum, size) => sum + size, 0);
};
(async () => {
  done([urls.length, await total(urls), await total(urls.map((url) => url.split("?")[0]))]);
})();
"""
CAMERAS = 16
#: So long captures come before the first is timed: the wall fills.
_WARM_UP_SECONDS = 5.0
_TIMES = ("ScriptDuration", "LayoutDuration", "RecalcStyleDuration", "TaskDuration")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with closing(HubProcess(directory / "data")) as hub:
            hub.start()
            hub.cli("user", "add", "mei", "--role", "guard", "--password-stdin", stdin=PASSWORD)
            with open_chromium(directory / "profile") as browser:
                _measure(hub, browser, directory, options.rate, options.seconds)


def _measure(
    hub: HubProcess, browser: Browser, directory: Path, rate: float, seconds: float
) -> None:
    tokens = add_cameras(hub, directory, CAMERAS)
    token = _add(hub, Camera.make(directory))
    load = DrawnLoad(HOST, hub.web_port, tokens, rate, seconds + _WARM_UP_SECONDS)
    with drawn(load) as start:
        browser.sign_in(hub)
        start()
        time.sleep(_WARM_UP_SECONDS)
        # Alarms are measured on their own.
        browser.driver.execute_script("document.querySelector('#alarms').remove()")
        browser.driver.execute_script(_WATCH)
        browser.driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
        began, before, first = time.monotonic(), metrics(browser), browser.wall_seqs()[0]
        answered = _upload(hub, token, seconds)
        took, after, last = time.monotonic() - began, metrics(browser), browser.wall_seqs()[0]
        painted = browser.driver.execute_script("return window.painted")
    browser.driver.set_script_timeout(60)
    count, small, whole = browser.driver.execute_async_script(_WEIGH)
    waits = sorted(painted[name] - at for name, at in answered.items() if name in painted)
    print(f"{(last - first) / took:.0f} records a second, {took:.0f} s")
    seen = f"{len(waits)} of {len(answered)}"
    print(f"cards on the screen after their 200: {_percentiles(waits)}, {seen}")
    for name in _TIMES:
        print(f"{name}: {(after[name] - before[name]) / took:.1%} of a core")
    heap = [one["JSHeapUsedSize"] / 1e6 for one in (before, after)]
    print(f"heap: {heap[0]:.1f} MB before, {heap[1]:.1f} MB after; {after['Nodes']:.0f} nodes")
    print(f"{count} pictures: {small / 1e3:.0f} kB as thumbnails, {whole / 1e3:.0f} kB as they are")


def add_cameras(hub: HubProcess, directory: Path, count: int) -> dict[str, str]:
    """Add so many cameras; return their tokens by serial number."""
    cameras = [Camera.make(directory, f"Y3CWALL{number:08d}") for number in range(count)]
    return {camera.sn: _add(hub, camera) for camera in cameras}


def _add(hub: HubProcess, camera: Camera) -> str:
    """Add the camera; return its token."""
    did = hub.add_device(camera.sn, camera.code, camera.public_key)
    return trio.run(_token, hub, camera, did)


@contextmanager
def drawn(load: DrawnLoad) -> Iterator[Callable[[], None]]:
    """Draw the captures of a load; what is yielded lets them be sent."""
    command = [sys.executable, "-m", "tests.bench.drawn_load"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        try:
            process.stdin.write(msgspec.json.encode(load) + b"\n")
            process.stdin.flush()
            process.stdout.readline()

            def start() -> None:
                assert process.stdin
                process.stdin.write(b"\n")
                process.stdin.flush()

            yield start
        finally:
            process.kill()


def _upload(hub: HubProcess, token: str, seconds: float) -> dict[str, float]:
    """Upload twice a second; return when each was answered, in UNIX milliseconds, by name."""
    answered: dict[str, float] = {}
    ends = time.monotonic() + seconds
    with hub.sync_client() as client:
        while time.monotonic() < ends:
            name = f"Timed {len(answered)}"
            body = {"did": "", "time": int(time.time()), "name": name, "category": 1, "data": {}}
            assert upload_sync(client, token, json.dumps(body).encode()) == 200
            answered[name] = time.time() * 1000
            time.sleep(0.5)
        time.sleep(1)
    return answered


def metrics(browser: Browser) -> dict[str, float]:
    """What Chromium counts of the page (`Performance.getMetrics`), after collecting garbage."""
    browser.driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    found = browser.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return {one["name"]: float(one["value"]) for one in found}


def _percentiles(ordered: Sequence[float]) -> str:
    def percentile(share: float) -> float:
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]

    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return ", ".join(f"{name} {percentile(share):.0f} ms" for name, share in shares.items())


if __name__ == "__main__":
    main()
