"""The pictures of README.md and docs: which page each shows, and how it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from tests.e2e.filled_site import FilledSite
from tests.e2e.pages import Page
from tests.screenshots.camera import PageCamera, View

FOLDER = Path(__file__).parents[2] / ".github"
#: The name of the picture, and of the page that it shows.
PICTURES = {
    "live": "live",
    "people": "people-pid",
    "search": "search-photo-id",
    "cameras": "cameras",
    "recordings": "cameras-did-recordings",
    "trace": "cameras-did-trace",
}
_VIEW = View(width=1400)
#: A picture with a palette is a third of the size.
_COLOURS = 256


def take_readme_pictures(
    site: FilledSite, camera: PageCamera, pages: Sequence[Page], folder: Path = FOLDER
) -> None:
    """Write these pictures into `folder`: light, in English, what the window shows."""
    by_name = {page.name: page for page in pages}
    camera.speak("en")
    for name, page in PICTURES.items():
        if name != "live":
            # Only the first picture is about alarms; each page would tell of them.
            site.acknowledge_alarms()
        target = folder / f"{name}.png"
        camera.open(by_name[page].path)
        camera.take(_VIEW, target, whole=False)
        with Image.open(target) as picture:
            reduced = picture.convert("RGB").quantize(_COLOURS)
        reduced.save(target, optimize=True)
