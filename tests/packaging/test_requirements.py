"""packaging/requirements.txt: what an executable is built of."""

from __future__ import annotations

import re
from pathlib import Path

PACKAGING = Path(__file__).parents[2] / "packaging"
#: PyInstaller wants it on macOS alone, where nothing is built.
ELSEWHERE = {"macholib"}


def versions(name: str) -> dict[str, str]:
    found = re.findall(r"^([\w.-]+)==(\S+)", (PACKAGING / name).read_text("utf-8"), re.MULTILINE)
    return {one.lower().replace("_", "-"): version for one, version in found}


def test_an_executable_is_built_of_the_versions_that_are_tested() -> None:
    built = versions("requirements.txt")
    assert {"trio", "quart", "pyinstaller", "hatchling"} <= built.keys()
    tested = versions("constraints.txt")
    assert {one: version for one, version in built.items() if one not in ELSEWHERE}.items() <= (
        tested.items()
    )


def test_each_requirement_has_the_hashes_of_its_files() -> None:
    text = (PACKAGING / "requirements.txt").read_text("utf-8")
    for requirement in re.split(r"^(?=\w)", text, flags=re.MULTILINE)[1:]:
        name, *hashes = requirement.rstrip().split(" \\\n    ")
        assert hashes, name
        for one in hashes:
            assert re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", one), name
