"""What the wall has in memory after as many cards as an hour of 64 captures a second brings.

    python -m tests.bench.wall_hour [--cards 230400] [--per-second 640]

A real hub and a real Chromium. Captures are sent for ten seconds, and the page's own messages of
them are given to it again and again as new records, several times as fast as they would come.
Prints what the page has in memory ten times, each time after its garbage was collected.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.bench.drawn_load import DrawnLoad
from tests.bench.hub_process import HOST
from tests.bench.wall import CAMERAS, add_cameras, drawn, metrics
from tests.e2e.browser import PASSWORD, Browser, open_chromium
from tests.e2e.hub_process import HubProcess

_STEPS = 10
_SAMPLE_SECONDS = 10.0
#: Keep what the tab that reads the stream tells the other tabs of new records.
_LISTEN = """
window.sample = [];
window.channel = new BroadcastChannel("sitehub");
channel.onmessage = ({ data }) => { if (data.name === "card") sample.push(data.data); };
"""
#: Give so many cards, so many a second, as if the other tab had told of them.
_GIVE = """
const [count, perSecond, done] = arguments;
window.given ??= 0;
const minutes = (n) => Math.floor(n / sample.length) * 120_000;
window.last ??= sample.at(-1).seq;
function next() {
  const card = sample[given % sample.length];
  const seq = last + 1;
  const html = card.html
    .replace(`data-key="${card.seq}"`, `data-key="${seq}"`)
    .replace(/data-at="(\\d+)"/g, (_, at) => `data-at="${Number(at) + minutes(given)}"`);
  channel.postMessage({ name: "card", data: { ...card, seq, after: last, html } });
  last = seq;
  given += 1;
}
const began = performance.now();
let sent = 0;
const timer = setInterval(() => {
  const due = Math.min(count, Math.floor(((performance.now() - began) / 1000) * perSecond));
  while (sent < due) { next(); sent += 1; }
  if (sent >= count) { clearInterval(timer); setTimeout(done, 1000); }
}, 50);
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cards", type=int, default=230_400)
    parser.add_argument("--per-second", type=int, default=640)
    options = parser.parse_args()
    with _sampled_page() as browser:
        browser.driver.set_script_timeout(3600)
        browser.driver.execute_cdp_cmd("Performance.enable", {})
        _tell(browser, 0)
        for step in range(_STEPS):
            browser.driver.execute_async_script(_GIVE, options.cards // _STEPS, options.per_second)
            _tell(browser, (step + 1) * (options.cards // _STEPS))


@contextmanager
def _sampled_page() -> Iterator[Browser]:
    """A page that has had the captures of some seconds, and keeps the messages of them."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with closing(HubProcess(directory / "data")) as hub:
            hub.start()
            hub.cli("user", "add", "mei", "--role", "guard", "--password-stdin", stdin=PASSWORD)
            load = DrawnLoad(
                HOST, hub.web_port, add_cameras(hub, directory, CAMERAS), 64, _SAMPLE_SECONDS
            )
            with drawn(load) as start, open_chromium(directory / "profile") as browser:
                browser.sign_in(hub)
                browser.driver.execute_script(_LISTEN)
                start()
                time.sleep(_SAMPLE_SECONDS + 2)
                yield browser


def _tell(browser: Browser, given: int) -> None:
    found = metrics(browser)
    shown = len(browser.wall_seqs())
    print(
        f"{given:>8,} cards given, {shown} shown: heap {found['JSHeapUsedSize'] / 1e6:.2f} MB,"
        f" {found['Nodes']:.0f} nodes, {found['JSEventListeners']:.0f} listeners",
        flush=True,
    )


if __name__ == "__main__":
    main()
