"""The README and the pages in docs/ say what is true."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from babel.messages.pofile import read_po

from hub import metrics
from hub.cli import sitehub
from hub.config import SETTINGS, Setting, as_toml
from hub.services.problems import PROBLEMS
from hub.wire.commands.dialect import DIALECT, Command
from tests.web.device_api.test_uploads import PATHS
from web.pages.labels import WAITING
from web.pages.site.setting_forms import form_of

ROOT = Path(__file__).parent.parent
FILES = (ROOT / "README.md", *sorted(ROOT.glob(".github/*.md")), *sorted(ROOT.glob("docs/**/*.md")))


def name_of(file: Path) -> str:
    """`README.md`, `guard.md`, `zh/guard.md`."""
    folder = ROOT / "docs"
    return file.relative_to(folder if file.is_relative_to(folder) else ROOT).as_posix()


PAGES = {name_of(file): file.read_text("utf-8") for file in FILES}
README, DESIGN = PAGES["README.md"], PAGES["design.md"]
OPERATIONS, REFERENCE = PAGES["operations.md"], PAGES["reference.md"]


def rows_of_sections() -> Iterator[tuple[str, str, str, str]]:
    """The table "Where each section of the protocol is": section, uris, modules, test."""
    table = DESIGN.partition('<a id="sections"></a>')[2]
    for line in table.splitlines():
        if line.startswith("| ") and not line.startswith(("| section", "| ---")):
            section, uris, modules, test = line.strip("|").split("|")
            yield section.strip(), uris, modules, test


def anchors(page: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    words = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return words | set(re.findall(r'<a id="([^"]+)">', page))


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_every_link_of_a_page_leads_somewhere(file: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[name_of(file)]):
        path, _, anchor = target.partition("#")
        linked = (file.parent / path).resolve() if path else file
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(PAGES[name_of(linked)]), target


def test_the_site_of_the_documents_leads_to_each_of_them_once() -> None:
    nav = (ROOT / "packaging/mkdocs.yml").read_text("utf-8").partition("\nnav:\n")[2]
    pages = sorted(file.relative_to(ROOT).as_posix() for file in (*FILES, ROOT / "CHANGELOG.md"))
    assert sorted(re.findall(r": (\S+\.md)$", nav, re.MULTILINE)) == pages


WITH_CONTENTS = [name for name, page in PAGES.items() if re.search(r"^- \[.+\]\(#", page, re.M)]


@pytest.mark.parametrize("name", WITH_CONTENTS)
def test_the_contents_of_a_page_lead_to_each_of_its_headings_in_order(name: str) -> None:
    contents, _, text = PAGES[name].partition('\n<a id="')
    linked = re.findall(r"\]\(#([^)]+)\)", contents.partition("\n- ")[2])
    anchors_of_headings = re.findall(r'(?:^<a id="([^"]+)"></a>\n)?^## ', f'<a id="{text}', re.M)
    # The sections of the protocol are told by their numbers, several at once.
    assert [anchor for anchor in linked if not anchor[0].isdecimal()] == [
        anchor for anchor in anchors_of_headings if not anchor[:1].isdecimal()
    ]


@pytest.mark.parametrize("name", [name for name in PAGES if not name.startswith("zh/")])
def test_the_anchor_of_a_heading_shares_a_word_with_it(name: str) -> None:
    # So that an anchor which was left behind when its section moved is noticed.
    for anchor, heading in re.findall(r'<a id="([^"]+)"></a>\n#+ (.+)', PAGES[name]):
        words = re.findall(r"[a-z\d]+", heading.lower())
        assert any(word[:4] in anchor for word in words if len(word) > 2 or word in anchor), anchor


def test_every_problem_of_the_hub_is_explained_with_the_answer_of_healthz() -> None:
    table = OPERATIONS.partition("| condition | code | `/healthz` |")[2].partition("\n\n")[0]
    told: dict[str, str] = {}
    for row in table.splitlines()[2:]:
        _, codes, answer = row.strip("| ").split(" | ")
        told |= dict.fromkeys(re.findall(r"`([\w-]+)`", codes), answer)
    faults = [code for code, problem in PROBLEMS.items() if problem.level == "fault"]
    losses = [code for code, problem in PROBLEMS.items() if problem.is_loss]
    assert set(told) == set(PROBLEMS)
    assert {code for code in told if told[code] == "503"} == set(faults)
    assert {code for code in told if told[code] == "200, named in `degraded`"} == set(losses)


@pytest.mark.parametrize(
    ("page", "begin"),
    [("reference.md", "For `backup.folder`"), ("security.md", "| Who stole an administrator's")],
)
def test_every_setting_that_asks_for_the_password_is_named(page: str, begin: str) -> None:
    paragraph = PAGES[page].partition(begin)[2].partition("\n\n")[0].partition("\n|")[0]
    asking = {name for name in SETTINGS if form_of(name).risk and name != "backup.folder"}
    assert set(re.findall(r"`((?:devices|web)\.\w+)`", paragraph)) == asking


@pytest.mark.parametrize("name", PAGES)
def test_every_module_that_a_page_names_is_there(name: str) -> None:
    named = re.findall(r"`((?:hub|web|tests|packaging)/[\w/.]+)", PAGES[name])
    assert [path for path in named if not (ROOT / path.rstrip(".")).exists()] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_test_that_a_page_names_is_there(name: str) -> None:
    for path, test in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGES[name]):
        assert re.search(rf"def {test}\(", (ROOT / path).read_text("utf-8")), test


def test_what_the_code_cites_can_be_opened() -> None:
    sections = {f"1.{number}" for number in range(1, 17)} | {f"2.{n}" for n in range(1, 6)}
    assert anchors(PAGES["protocol.md"]) >= sections | {"sign", "codes"}
    assert anchors(PAGES["decisions.md"]) >= {f"d{number}" for number in range(1, 12)}


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.name)
def test_every_setting_is_documented_as_it_is(setting: Setting) -> None:
    cells = (f"`{setting.name}`", f"`{as_toml(setting.default)}`", setting.meaning, setting.allowed)
    assert f"| {' | '.join(cells)} |" in REFERENCE


def test_the_settings_that_apply_at_once_are_listed() -> None:
    listed = REFERENCE.partition("\nAt once: ")[2].partition("\n\n")[0]
    at_once = {name for name, setting in SETTINGS.items() if setting.at_once}
    assert set(re.findall(r"`([\w.]+)`", listed)) == at_once


def test_every_figure_of_metrics_is_documented() -> None:
    documented = set(re.findall(r"^\| `(\w+)(?:\{[\w,]+\})?` \|", REFERENCE, re.MULTILINE))
    for family in metrics.REGISTRY.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert name in documented


def test_every_command_is_documented() -> None:
    lines = REFERENCE.splitlines()
    context = click.Context(sitehub)
    for name in sitehub.list_commands(context):
        command = sitehub.get_command(context, name)
        assert command is not None
        if command.hidden:
            continue
        row = next(line for line in lines if line.startswith(f"| `sitehub {name}"))
        if isinstance(command, click.Group):
            shown = {name for name, inner in command.commands.items() if not inner.hidden}
            assert set(re.findall(r"`([\w-]+)`", row)) >= shown


def test_every_section_of_the_specification_has_its_row_in_order() -> None:
    named = [section.split(" ")[0].rstrip(",") for section, *_ in rows_of_sections()]
    chapter_1 = [f"1.{number}" for number in range(1, 17)]
    chapter_2 = [f"2.{number}" for number in range(1, 6)]
    assert [name for name in named if name != "not"] == [*chapter_1, *chapter_2, "3", "4"]


@pytest.mark.parametrize("command", DIALECT.commands, ids=lambda command: command.name)
def test_every_command_to_a_device_has_its_row(command: Command[Any, Any]) -> None:
    uris = ", ".join(f"`{uri}`" for uri in command.uris)
    rows = [section for section, named, *_ in rows_of_sections() if named.strip() == uris]
    assert len(rows) == 1
    assert rows[0].startswith(f"{command.section} " if command.section != "D3" else "not in it")


def test_every_path_of_the_devices_has_its_row() -> None:
    rows = list(rows_of_sections())
    named = {uri for _, uris, *_ in rows for uri in re.findall(r"`(/api/[^`]+)`", uris)}
    assert named == {path for _, path in PATHS} | {"/api/v1/server/time"}


def test_every_row_of_a_section_names_modules_and_a_test() -> None:
    for section, _, modules, test in rows_of_sections():
        assert re.findall(r"`([^`]+)`", modules), section
        assert re.fullmatch(r" `tests/[\w/]+\.py::\w+` ", test), section


def test_every_folder_of_the_tree_has_its_row() -> None:
    tree = DESIGN.partition('<a id="tree"></a>')[2].partition("<a id=")[0]
    packages = {
        path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "hub").glob("*/__init__.py")
    }
    listed = set(re.findall(r"^\| `([\w/]+)` \|", tree, re.MULTILINE))
    assert listed == packages | {"web", "tests", "packaging"}


def test_the_import_rule_is_the_one_that_is_checked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    shown = (
        DESIGN.partition('<a id="imports"></a>')[2].partition("```text\n")[2].partition("```")[0]
    )
    assert shown.splitlines() == [layer.replace(" | ", ", ") for layer in layers[1:]]


def test_the_pictures_are_there_and_all_are_shown() -> None:
    shown = {name for page in PAGES.values() for name in re.findall(r"/([\w-]+\.png)\)", page)}
    assert shown == {path.name for path in (ROOT / ".github").glob("*.png")}


def test_the_readme_is_short_and_says_first_what_an_installer_needs() -> None:
    headings = re.findall(r"^## (.+)$", README, re.MULTILINE)
    assert headings[:5] == [
        "Install it",
        "The first camera",
        "The second disk",
        "If something is wrong",
        "Try it",
    ]
    assert len(README.splitlines()) <= 160


def test_the_tests_that_the_security_page_names_exist() -> None:
    missing = []
    for path, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGES["security.md"]):
        file = ROOT / path
        if not file.is_file() or (name and f"def {name}(" not in file.read_text("utf-8")):
            missing.append(f"{path}::{name}")
    assert not missing


def test_the_table_of_asvs_has_each_chapter_of_level_2() -> None:
    table = PAGES["security.md"].partition('<a id="asvs"></a>')[2]
    states = re.findall(r"^\| [\d., to]+ \| .+? \| (.+?) \| .+ \|$", table, re.MULTILINE)
    assert set(states) - {"---"} == {"met", "partly", "not met", "n/a"}
    assert re.findall(r"^### V(\d+)", table, re.MULTILINE) == [str(n) for n in range(1, 15)]


#: For people at a site, in both languages.
FOR_THE_SITE = ("troubleshooting.md", "guard.md", "caretaker.md", "installer.md")
EXPLICIT_ANCHOR = re.compile(r'<a id="([^"]+)">')


def product_texts(language: str) -> dict[str, str]:
    """What the pages of the hub say in `en` or `zh`, by the English text."""
    with (ROOT / "web/translations/zh_CN.po").open("rb") as file:
        catalog = read_po(file)
    pairs: dict[str, str] = {}
    for message in catalog:
        sources = [message.id] if isinstance(message.id, str) else message.id
        said = [message.string] if isinstance(message.string, str) else message.string
        for number, source in enumerate(sources):
            pairs[source] = source if language == "en" else said[min(number, len(said) - 1)]
    return pairs


def quoted(text: str, language: str) -> list[str]:
    """What a page quotes of the product: *in italics* in English, “so” in Chinese."""
    words = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    one_line = re.sub(r"\s+", " ", words.replace("**", ""))
    return re.findall(r"\*([^*|]+)\*" if language == "en" else r"“([^”|]+)”", one_line)


def is_said(quote: str, texts: Iterable[str]) -> bool:
    """Whether `quote` is one of `texts`; "…" in it stands for anything."""
    pattern = re.compile(".*".join(map(re.escape, quote.split("…"))))
    return any(map(pattern.fullmatch, texts))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", FOR_THE_SITE)
def test_what_a_page_for_the_site_quotes_is_what_the_product_says(name: str, language: str) -> None:
    page = PAGES[name if language == "en" else f"zh/{name}"]
    texts = product_texts(language).values()
    names = [part for quote in quoted(page, language) for part in quote.split(" › ")]
    assert len(names) > (10 if name == "installer.md" else 20)
    assert [one for one in names if not is_said(one, texts)] == []


@pytest.mark.parametrize("name", FOR_THE_SITE)
def test_a_page_for_the_site_is_the_same_in_both_languages(name: str) -> None:
    english, chinese = PAGES[name], PAGES[f"zh/{name}"]
    assert EXPLICIT_ANCHOR.findall(english) == EXPLICIT_ANCHOR.findall(chinese)
    for part in (r"^#+ ", r"^\| ", r"^ *\d+\. ", r"^- ", r"```"):
        found = [len(re.findall(part, page, re.MULTILINE)) for page in (english, chinese)]
        assert found[0] == found[1], part
    assert f"](zh/{name})" in english
    assert f"](../{name})" in chinese


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_of_what_is_wrong_has_each_refusal_and_each_problem(language: str) -> None:
    page = PAGES["troubleshooting.md" if language == "en" else "zh/troubleshooting.md"]
    texts = product_texts(language)
    assert set(PROBLEMS) <= set(EXPLICIT_ANCHOR.findall(page))
    for code, sentence in WAITING.items():
        row = page.partition(f'<a id="{code}"></a>')[2]
        assert is_said(quoted(row, language)[0], [texts[sentence]]), code


@pytest.mark.parametrize("name", ["troubleshooting.md", "zh/troubleshooting.md"])
def test_every_row_of_what_is_wrong_can_be_linked(name: str) -> None:
    rows = [line for line in PAGES[name].splitlines() if line.startswith("| ")]
    heads = [row for row in rows if not row.startswith('| <a id="')]
    # Of each table, the names of its columns and the line below them.
    assert len(heads) == 2 * sum(row.startswith("| --- ") for row in rows)
