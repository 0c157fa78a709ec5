"""Help: the pages of docs/ for people at the site."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from urllib.parse import quote

import pytest

import web
from hub.services.problems import PROBLEMS
from tests.support.browsing import Visitor
from tests.support.page_site import PageSite
from web.pages.help import PAGES
from web.pages.labels import WAITING


@pytest.mark.parametrize(
    ("language", "heading"), [("en", "When something is wrong"), ("zh", "出了问题怎么办")]
)
async def test_the_help_has_a_row_for_each_refusal_and_problem_in_the_users_language(
    guard: Visitor, language: str, heading: str
) -> None:
    await guard.get("/help/troubleshooting", Accept_Language=language)
    assert f"<h1>{heading}</h1>" in guard.text
    assert set(WAITING) | set(PROBLEMS) <= set(re.findall(r'<span id="help-([^"]+)">', guard.text))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", PAGES)
async def test_each_link_of_the_help_leads_to_a_page_or_row_of_the_help(
    guard: Visitor, name: str, language: str
) -> None:
    async def article(of: str) -> str:
        await guard.get(f"/help/{of}", Accept_Language=language)
        return guard.text.partition("<article")[2].partition("</article>")[0]

    text = await article(name)
    assert "style=" not in text
    assert "![" not in text
    assert "<p>!" not in text
    for path, anchor in re.findall(r'href="([^"#]*)#?([^"]*)"', text):
        assert path in ("", *PAGES)
        assert not anchor or f'id="{anchor}"' in await article(path or name)


@pytest.mark.parametrize(
    ("language", "question", "anchors"),
    [
        ("en", "A camera is RED", {"offline", "is-refused"}),
        ("en", "no sound", {"sound"}),
        ("en", "forgot password", {"password"}),
        ("en", "what do the police need", {"keep"}),
        ("zh", "摄像机红了怎么办", {"offline", "is-refused"}),
        ("zh", "停电", {"power-cut"}),
        ("zh", "没有声音", {"sound"}),
    ],
)
async def test_a_question_in_ones_own_words_finds_the_row_that_answers_it(
    guard: Visitor, language: str, question: str, anchors: set[str]
) -> None:
    await guard.get(f"/help/guard?q={quote(question)}", Accept_Language=language)
    found = re.findall(r'<h2><a href="/help/\w+#help-([^"]+)"', guard.text)
    assert anchors <= set(found[:3])
    assert "<script" not in guard.text.partition("<article")[2].partition("</article>")[0]


async def test_a_question_that_nothing_answers_is_said_and_kept_in_its_field(
    guard: Visitor,
) -> None:
    await guard.get("/help/guard?q=" + quote("<b>xyzzy"))
    assert "Nothing found." in guard.text
    assert 'value="&lt;b&gt;xyzzy"' in guard.text


async def test_the_menu_leads_to_the_help_and_an_unknown_page_of_it_is_not_found(
    guard: Visitor,
) -> None:
    await guard.get("/alarms")
    assert 'href="/help/troubleshooting"' in guard.text
    for path in ("/help/operations", "/help/..%2Fguard", "/help/guard.md"):
        assert (await guard.get(path)).status_code == 404


async def test_the_help_needs_a_sign_in(hub: PageSite) -> None:
    visitor = Visitor(hub)
    assert "/sign-in" in (await visitor.get("/help/guard")).headers["Location"]


def test_an_installed_hub_has_each_page_of_the_help() -> None:
    root = Path(web.__file__).parents[1]
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert wheel == {f"docs/{name}.md": f"web/help/{name}.md" for name in PAGES} | {
        "docs/zh": "web/help/zh"
    }
    assert {path.stem for path in (root / "docs/zh").iterdir()} == set(PAGES)
