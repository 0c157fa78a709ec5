"""The help: the pages of docs/ for people at the site, in the user's language."""

from __future__ import annotations

import re
from pathlib import Path

import trio
from markupsafe import Markup
from quart import Blueprint, Response, abort

from web import language
from web.language import N_
from web.pages.layout import page

blueprint = Blueprint("help", __name__, url_prefix="/help")

#: Those of docs/, or their copies beside the installed pages.
_WEB = Path(__file__).parents[1]
#: Pictures show pages that the reader has.
_PICTURE = re.compile(r"^!\[.*\n", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]*)\]\(([^)#\s]*)(#[^)\s]*)?\)")
#: "English · [中文](zh/guard.md)": the page of the hub is in the user's language.
_LANGUAGES = re.compile(r"^.*English.* · .*中文.*\n", re.MULTILINE)

#: Each page and its title.
PAGES = {
    "troubleshooting": N_("When something is wrong"),
    "guard": N_("For guards"),
    "caretaker": N_("For caretakers"),
    "installer": N_("For installers"),
}


@blueprint.get("/<name>", role="signed-in")
async def show(name: str) -> Response:
    if name not in PAGES:
        abort(404)
    folder = "zh" if language.current().tag.startswith("zh") else ""
    text = await trio.to_thread.run_sync(_read, folder, name)
    return await page("help.html", text=text, name=name, pages=PAGES)


def _read(folder: str, name: str) -> Markup:
    """Return the page as HTML. Nothing of it is kept: it is seldom read. Blocks."""
    # Imported when somebody reads, since few do.
    from markdown_it import MarkdownIt

    docs = _WEB / "help"
    if not docs.is_dir():
        docs = _WEB.parent / "docs"
    text = (docs / folder / f"{name}.md").read_text("utf-8")
    text = _LINK.sub(_as_link, _PICTURE.sub("", _LANGUAGES.sub("", text)))
    # To a screen reader, <a> is a link without a name. "sound" is an id of every page already.
    text = re.sub(r'<a id="([^"]+)"></a>', r'<span id="help-\1"></span>', text)
    # The files are the hub's own, and have anchors in HTML.
    return Markup(MarkdownIt("commonmark").enable("table").render(text))


def _as_link(link: re.Match[str]) -> str:
    """The link, if it stays within the help; else its text."""
    text, path, anchor = link[1], link[2].removesuffix(".md"), link[3]
    anchor = f"#help-{anchor[1:]}" if anchor else ""
    return f"[{text}]({path}{anchor})" if not path or path in PAGES else text
