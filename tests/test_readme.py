"""What the README says is so."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from hub.cli import sitehub
from hub.config import SETTINGS, Setting, as_toml

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.name)
def test_every_setting_is_in_the_readme_as_it_is(setting: Setting) -> None:
    cells = (f"`{setting.name}`", f"`{as_toml(setting.default)}`", setting.meaning, setting.allowed)
    assert f"| {' | '.join(cells)} |" in README


def test_every_test_that_holds_a_promise_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", README)
    assert len(named) >= 5
    for path, name in named:
        assert re.search(rf"def {name}\(", (ROOT / path).read_text("utf-8")), name


def test_every_command_is_in_the_readme() -> None:
    for name, command in sitehub.commands.items():
        row = next(line for line in README.splitlines() if line.startswith(f"| `sitehub {name}"))
        if isinstance(command, click.Group):
            assert set(re.findall(r"`([\w-]+)`", row)) >= set(command.commands)


def test_every_folder_of_the_layout_is_there_and_has_its_line() -> None:
    listed = set(re.findall(r"^\| `([\w/]+)` \|", README, re.MULTILINE))
    packages = {
        path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "hub").glob("*/__init__.py")
    }
    assert listed == packages | {"web", "tests", "packaging"}


def test_the_pictures_are_there_and_all_are_shown() -> None:
    shown = set(re.findall(r"!\[[^]]*\]\(([^)]+)\)", README))
    assert shown == {f".github/{path.name}" for path in (ROOT / ".github").glob("*.png")}
