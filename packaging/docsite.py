"""Build the documents as a site in build/docs/site, or fail at a link that leads nowhere.

It needs the extra `docs`: pip install -c packaging/constraints.txt -e '.[docs]'
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "build/docs/source"
#: As they lie in the repository, so that their links hold.
COPIED = ("README.md", "CHANGELOG.md", "docs/**/*.md", ".github/*.md", ".github/*.png")


def with_wide_lists(lines: list[str]) -> Iterator[str]:
    """The lines, with what belongs to an item of a list as far to the right as MkDocs wants it."""
    in_code = False
    for line in lines:
        in_code ^= line.startswith("```")
        yield line if in_code else re.sub(r"^ {2,3}(?! )", "    ", line)


def copy_documents() -> None:
    shutil.rmtree(SOURCE, ignore_errors=True)
    for pattern in COPIED:
        for file in ROOT.glob(pattern):
            copy = SOURCE / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if file.suffix == ".md":
                lines = file.read_text("utf-8").splitlines()
                copy.write_text("\n".join(with_wide_lists(lines)), "utf-8")
            else:
                shutil.copyfile(file, copy)


if __name__ == "__main__":
    copy_documents()
    config = ROOT / "packaging/mkdocs.yml"
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", str(config)]
    sys.exit(subprocess.run(build).returncode)
