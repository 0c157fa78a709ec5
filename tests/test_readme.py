"""What the README says is so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from hub.cli import sitehub
from hub.config import SETTINGS, Setting, as_toml
from hub.wire.commands.dialect import DIALECT, Command
from tests.web.device_api.test_uploads import PATHS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def sections() -> Iterator[tuple[str, str, str, str]]:
    """The rows of the table of the specification: section, uris, modules, test."""
    table = README.partition("## The specification\n")[2].partition("\n## ")[0]
    for line in table.splitlines():
        if line.startswith("| ") and not line.startswith(("| section", "| ---")):
            section, uris, modules, test = line.strip("|").split("|")
            yield section.strip(), uris, modules, test


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.name)
def test_every_setting_is_in_the_readme_as_it_is(setting: Setting) -> None:
    cells = (f"`{setting.name}`", f"`{as_toml(setting.default)}`", setting.meaning, setting.allowed)
    assert f"| {' | '.join(cells)} |" in README


def test_every_test_that_the_readme_names_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", README)
    assert len(named) >= 5
    for path, name in named:
        assert re.search(rf"def {name}\(", (ROOT / path).read_text("utf-8")), name


def test_every_section_of_the_specification_is_in_its_table_once_and_in_order() -> None:
    named = [section.split(" ")[0].rstrip(",") for section, *_ in sections()]
    chapter_1 = [f"1.{number}" for number in range(1, 17)]
    chapter_2 = [f"2.{number}" for number in range(1, 6)]
    assert [name for name in named if name != "not"] == [*chapter_1, *chapter_2, "三", "四"]


@pytest.mark.parametrize("command", DIALECT.commands, ids=lambda command: command.name)
def test_every_command_to_a_device_is_in_the_table(command: Command[Any, Any]) -> None:
    uris = ", ".join(f"`{uri}`" for uri in command.uris)
    (section,) = (section for section, named, *_ in sections() if named.strip() == uris)
    assert section.startswith(f"{command.section} " if command.section != "D3" else "not in it")


def test_every_path_of_the_devices_is_in_the_table() -> None:
    named = {uri for _, uris, *_ in sections() for uri in re.findall(r"`(/api/[^`]+)`", uris)}
    assert named == {path for _, path in PATHS} | {"/api/v1/server/time"}


def test_every_row_of_the_table_names_modules_and_a_test_that_are_there() -> None:
    for section, _, modules, test in sections():
        paths = re.findall(r"`([^`]+)`", modules)
        assert paths, section
        assert [path for path in paths if not (ROOT / path).is_file()] == []
        # test_every_test_that_the_readme_names_is_there looks whether it is.
        assert re.fullmatch(r" `tests/[\w/]+\.py::\w+` ", test), section


def test_every_command_is_in_the_readme() -> None:
    for name, command in sitehub.commands.items():
        row = next(line for line in README.splitlines() if line.startswith(f"| `sitehub {name}"))
        if isinstance(command, click.Group):
            shown = {name for name, inner in command.commands.items() if not inner.hidden}
            assert set(re.findall(r"`([\w-]+)`", row)) >= shown


def test_every_folder_of_the_layout_is_there_and_has_its_line() -> None:
    listed = set(re.findall(r"^\| `([\w/]+)` \|", README, re.MULTILINE))
    packages = {
        path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "hub").glob("*/__init__.py")
    }
    assert listed == packages | {"web", "tests", "packaging"}


def test_the_pictures_are_there_and_all_are_shown() -> None:
    shown = set(re.findall(r"!\[[^]]*\]\(([^)]+)\)", README))
    assert shown == {f".github/{path.name}" for path in (ROOT / ".github").glob("*.png")}
