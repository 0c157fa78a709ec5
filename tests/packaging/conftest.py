"""Debian packages with a program that only notifies systemd that it is ready."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hub import __version__

ROOT = Path(__file__).parent.parent.parent

_PROGRAM = """\
#!/bin/sh
# {version}
umask > "$SITEHUB_DATA/started"
systemd-notify --ready
exec sleep infinity
"""


def make_package(folder: Path, version: str) -> Path:
    """Make a package; `version` is a comment in its program, the package's version is fixed."""
    program = folder / version / "onedir"
    (program / "_internal").mkdir(parents=True)
    (program / "sitehub").write_text(_PROGRAM.format(version=version))
    (program / "sitehub").chmod(0o700)
    shutil.copy("/bin/true", program / "_internal" / "library.so")
    script = str(ROOT / "packaging" / "deb.py")
    words = [sys.executable, script, str(program), str(program.parent)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    package = Path(done.stdout.strip())
    assert package.name.startswith(f"sitehub_{__version__}_")
    return package


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with old.deb, new.deb, and failing.deb, whose unpacking fails."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("there is no dpkg-deb here")
    folder = tmp_path_factory.mktemp("packages")
    for version in ("old", "new"):
        make_package(folder, version).rename(folder / f"{version}.deb")
    _make_failing_package(folder)
    return folder


def _make_failing_package(folder: Path) -> None:
    new, tree, package = (str(folder / name) for name in ("new.deb", "failing", "failing.deb"))
    subprocess.run(["dpkg-deb", "--raw-extract", new, tree], check=True)
    (folder / "failing" / "DEBIAN" / "preinst").write_text("#!/bin/sh\nexit 1\n")
    subprocess.run(["dpkg-deb", "--build", tree, package], check=True, capture_output=True)
