"""Writes pictures of every page in every look, width and language.

python -m tests.screenshots FOLDER            all of them
python -m tests.screenshots FOLDER --pages live cameras --looks dark --widths 390 --languages zh
python -m tests.screenshots FOLDER --empty    of a hub without cameras and records
python -m tests.screenshots --readme          the pictures of README.md, in place

It starts a hub of its own with a filled site, so nothing else has to run. Chromium and its driver
are needed. A picture is FOLDER/en-light-1280/cameras.png.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from tests.e2e.browser import open_chromium
from tests.e2e.filled_site import ADMIN, ZONE, open_empty_site, open_filled_site
from tests.e2e.pages import Page, find_pages
from tests.screenshots.camera import LANGUAGES, LOOKS, WIDTHS, PageCamera, View
from tests.screenshots.readme import PICTURES, take_readme_pictures
from tests.screenshots.states import STATES


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    if options.folder is None and not options.readme:
        _parser().error("give a FOLDER, or --readme")
    _live_in_zone_of_site()
    with tempfile.TemporaryDirectory(prefix="sitehub-screenshots-") as folder:
        took = _take_pictures(options, Path(folder))
    print(f"{took} pictures")
    return 0


def _parser() -> argparse.ArgumentParser:
    assert __doc__
    parser = argparse.ArgumentParser(
        prog="python -m tests.screenshots",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER")
    parser.add_argument("--pages", nargs="+", metavar="NAME", help="only these, and no others")
    parser.add_argument("--looks", nargs="+", choices=LOOKS, default=LOOKS)
    parser.add_argument("--widths", nargs="+", type=int, default=WIDTHS, metavar="PIXELS")
    parser.add_argument("--languages", nargs="+", choices=LANGUAGES, default=LANGUAGES)
    parser.add_argument("--empty", action="store_true", help="a hub without cameras and records")
    parser.add_argument("--readme", action="store_true", help="the pictures of README.md")
    return parser


def _live_in_zone_of_site() -> None:
    """Simulated cameras write the local time of this process; let their clocks be right."""
    if sys.platform != "win32":
        os.environ["TZ"] = ZONE
        time.tzset()


def _take_pictures(options: argparse.Namespace, folder: Path) -> int:
    open_site = open_empty_site if options.empty else open_filled_site
    with open_site(folder) as site:
        pages = find_pages(site)
        with open_chromium(folder / "profile") as browser:
            camera = PageCamera(browser, site.hub.url)
            camera.open("/sign-in")
            if options.readme:
                browser.sign_in(site.hub, ADMIN)
                take_readme_pictures(site, camera, pages)
                return len(PICTURES)
            wanted = _wanted([*pages, *STATES], options.pages)
            took = 0
            # Pages for everybody first: the browser stays signed in afterwards.
            for is_for_users, some in groupby(wanted, key=lambda page: page.is_for_users):
                if is_for_users:
                    browser.sign_in(site.hub, ADMIN)
                took += _take_each(camera, list(some), options)
            return took


def _wanted(pages: Sequence[Page], names: Sequence[str] | None) -> list[Page]:
    known = {page.name for page in pages}
    if unknown := set(names or ()) - known:
        raise SystemExit(f"no such page: {', '.join(sorted(unknown))}\nthere are: {sorted(known)}")
    chosen = [page for page in pages if names is None or page.name in names]
    return sorted(chosen, key=lambda page: page.is_for_users)


def _take_each(camera: PageCamera, pages: Sequence[Page], options: argparse.Namespace) -> int:
    took = 0
    for language in options.languages:
        camera.speak(language)
        for page in pages:
            start = time.monotonic()
            camera.open(page.path)
            for look in options.looks:
                for width in options.widths:
                    view = View(look, width, language)
                    camera.take(view, options.folder / view.folder / f"{page.name}.png")
                    took += 1
            print(f"{language} {page.name}: {time.monotonic() - start:.1f} s", flush=True)
    return took


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
