"""The list of pages, and pictures of them as `python -m tests.screenshots` takes them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from tests.e2e.browser import Browser
from tests.e2e.filled_site import FilledSite
from tests.e2e.pages import find_pages
from tests.screenshots.camera import PageCamera, View
from tests.screenshots.readme import FOLDER, PICTURES
from tests.screenshots.states import STATES

pytestmark = pytest.mark.browser


def test_the_pages_are_found_by_following_links(filled_site: FilledSite) -> None:
    pages = {page.name: page.path for page in find_pages(filled_site)}
    assert pages["live"] == "/"
    assert re.match(r"/cameras/\d+/recordings/[\d-]+", pages["cameras-did-recordings-day"])
    assert {
        "jobs-id",
        "people-pid-edit",
        "search-kept-id",
        "docs",
        "sign-in",
        "setup-token",
    } <= set(pages)
    assert set(PICTURES.values()) <= set(pages)
    # The page that /reports leads to.
    assert "reports-kind" in pages
    # Parts of pages, event streams and downloads.
    assert not {"alarms-table", "stream", "strip", "cameras-export.csv"} & set(pages)


def test_states_are_pages_with_names_of_their_own(filled_site: FilledSite) -> None:
    names = [page.name for page in (*find_pages(filled_site), *STATES)]
    assert len(names) == len(set(names))
    with filled_site.signed_in() as client:
        assert {client.get(page.path).status_code for page in STATES} == {200}


def test_a_picture_has_the_width_look_and_language_asked_for(
    filled_site: FilledSite, browser: Browser, tmp_path: Path
) -> None:
    camera = PageCamera(browser, filled_site.hub.url)
    camera.open("/sign-in")
    camera.speak("zh")
    camera.open("/sign-in")
    camera.take(View("dark", 390, "zh"), tmp_path / "dark.png")
    camera.take(View("light", 1280, "zh"), tmp_path / "light.png")
    assert browser.has_text("登录")
    with Image.open(tmp_path / "dark.png") as dark, Image.open(tmp_path / "light.png") as light:
        assert (dark.size, light.size) == ((390, 844), (1280, 900))
        assert max(_corner(dark)) < 80
        assert min(_corner(light)) > 180


def test_the_command_takes_all_pictures_of_the_documents() -> None:
    assert {path.stem for path in FOLDER.glob("*.png")} == set(PICTURES)


def _corner(picture: Image.Image) -> tuple[int, int, int]:
    red, green, blue = picture.convert("RGB").getpixel((3, 3))  # type: ignore[misc]
    return red, green, blue
