"""The help: the pages of docs/ for people at the site, in the user's language."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import trio
from markupsafe import Markup
from quart import Blueprint, Response, abort, request

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


#: What a question is compared with: words of letters and digits, and Chinese characters.
_WORD = re.compile(r"[^\W_\u4e00-\u9fff]+|[\u4e00-\u9fff]+")
_ANCHOR = re.compile(r'<a id="([^"]+)"></a>')
#: Each row or section that can be led to begins with an anchor.
_BETWEEN = re.compile(r"\n(?=(?:\| )?<a id)")
#: The head of a table whose rows follow one by one.
_HEAD = re.compile(r"\|.*\n\|[-| ]+\|\s*$")
_MAX_QUESTION, _MAX_FOUND = 100, 6


class Passage(NamedTuple):
    """What answers one question: a section, or a row of a table."""

    name: str
    anchor: str
    heading: str
    text: str


class Found(NamedTuple):
    link: str
    title: str
    heading: str
    text: Markup


@blueprint.get("/<name>", role="signed-in")
async def show(name: str) -> Response:
    if name not in PAGES:
        abort(404)
    question = request.args.get("q", "").strip()[:_MAX_QUESTION]
    folder = "zh" if language.current().tag.startswith("zh") else ""
    text, found = Markup(), list[Found]()
    if question:
        found = await trio.to_thread.run_sync(_search, folder, question)
    else:
        text = await trio.to_thread.run_sync(lambda: _render(_read(folder, name)))
    return await page(
        "help.html", text=text, found=found, question=question, name=name, pages=PAGES
    )


def _read(folder: str, name: str) -> str:
    """Return the page as Markdown, without what is for readers of the repository. Blocks."""
    docs = _WEB / "help"
    if not docs.is_dir():
        docs = _WEB.parent / "docs"
    text = (docs / folder / f"{name}.md").read_text("utf-8")
    return _PICTURE.sub("", _LANGUAGES.sub("", text))


def _render(text: str) -> Markup:
    """Return it as HTML. Nothing of it is kept: it is seldom read. Blocks."""
    # Imported when somebody reads, since few do.
    from markdown_it import MarkdownIt

    text = _LINK.sub(_as_link, text)
    # To a screen reader, <a> is a link without a name. "sound" is an id of every page already.
    text = _ANCHOR.sub(r'<span id="help-\1"></span>', text)
    # The files are the hub's own, and have anchors in HTML.
    return Markup(MarkdownIt("commonmark").enable("table").render(text))


def _search(folder: str, question: str) -> list[Found]:
    """Return what says most of the question's words: rare ones, in few words. Blocks."""
    passages = [one for name in PAGES for one in _passages(name, _read(folder, name))]
    texts = [_terms(f"{one.heading} {one.text}") for one in passages]
    usual = sum(map(len, texts)) / len(texts)
    scores = [0.0] * len(texts)
    for term in _terms(question):
        having = [place for place, text in enumerate(texts) if _has(text, term)]
        # Longer words mean more: "print", not "how".
        weight = min(len(term), 4) * math.log(len(texts) / max(len(having), 1))
        for place in having:
            scores[place] += weight / (3 + len(texts[place]) / usual)
    best = sorted(range(len(texts)), key=lambda place: -scores[place])[:_MAX_FOUND]
    return [_as_found(passages[place]) for place in best if scores[place] > scores[best[0]] / 3]


def _terms(text: str) -> set[str]:
    """Return the words, and of Chinese each character and each pair of neighbours."""
    terms = set()
    for word in _WORD.findall(text.casefold()):
        if word[0] < "\u4e00":
            terms.add(word)
        else:
            terms.update(word, (word[at : at + 2] for at in range(len(word) - 1)))
    return terms


def _has(words: set[str], term: str) -> bool:
    """Whether one of them is the term, or begins with it if it is long enough to be telling."""
    return term in words or (len(term) > 3 and any(word.startswith(term) for word in words))


def _passages(name: str, text: str) -> Iterator[Passage]:
    heading = ""
    for part in _BETWEEN.split(text)[1:]:
        anchor, text = _ANCHOR.findall(part)[0], _HEAD.sub("", _ANCHOR.sub("", part)).strip()
        if text.startswith("#"):
            line, _, text = text.partition("\n")
            heading = line.lstrip("# ")
        if text:
            # A row alone is no table.
            text = text if "\n" in text else text.strip("| ").replace(" | ", "\n\n")
            yield Passage(name, anchor, heading, _LINK.sub(r"\1", text))


def _as_found(passage: Passage) -> Found:
    link = f"/help/{passage.name}#help-{passage.anchor}"
    return Found(link, PAGES[passage.name], passage.heading, _render(passage.text))


def _as_link(link: re.Match[str]) -> str:
    """The link, if it stays within the help; else its text."""
    text, path, anchor = link[1], link[2].removesuffix(".md"), link[3]
    anchor = f"#help-{anchor[1:]}" if anchor else ""
    return f"[{text}]({path}{anchor})" if not path or path in PAGES else text
