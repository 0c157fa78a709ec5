"""Make the Debian package from the executable in one directory.

    python packaging/deb.py dist/onedir dist

It installs /usr/lib/sitehub, a link in /usr/bin, and the unit of the service. Unlike the one-file
executable, a directory is not unpacked at each start. It belongs to root, so the service cannot
change it. Prints the path of the package.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from hub import __version__  # noqa: E402
from hub.service_manager.linux.unit import unit_text  # noqa: E402
from hub.store.sqlite.migrate import migrations  # noqa: E402

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_GLIBC_VERSION = re.compile(rb"\0GLIBC_(\d+)\.(\d+)\0")
_ELF = b"\x7fELF"


def main() -> None:
    program, out = Path(sys.argv[1]), Path(sys.argv[2])
    package = out / f"sitehub_{__version__}_{_architecture()}.deb"
    with tempfile.TemporaryDirectory() as made:
        tree = Path(made) / "tree"
        lay_out(program, tree)
        write_control(tree)
        date = _source_date()
        _normalise(tree, int(date))
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(tree), str(package)],
            env={**os.environ, "SOURCE_DATE_EPOCH": date},
            stdout=subprocess.DEVNULL,
            check=True,
        )
    print(package)


def lay_out(program: Path, tree: Path) -> None:
    """Lay the files out as they will be installed."""
    shutil.copytree(program, tree / "usr/lib/sitehub", symlinks=True)
    (tree / "usr/bin").mkdir()
    (tree / "usr/bin/sitehub").symlink_to("../lib/sitehub/sitehub")
    units = tree / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    unit = unit_text(PurePosixPath("/usr/bin/sitehub"))
    (units / "sitehub.service").write_text(unit, "utf-8")
    documents = tree / "usr/share/doc/sitehub"
    documents.mkdir(parents=True)
    shutil.copy(ROOT / "LICENSE", documents / "copyright")
    if (licences := program.with_name("LICENCES.txt")).exists():
        shutil.copy(licences, documents)


def write_control(tree: Path) -> None:
    control = tree / "DEBIAN"
    size = sum(path.lstat().st_size for path in tree.rglob("*")) // 1024
    control.mkdir()
    oldest, newest = str(min(migrations())), str(max(migrations()))
    for script in ("preinst", "postinst", "prerm", "postrm"):
        text = (ROOT / "packaging/debian" / script).read_text("utf-8")
        text = text.replace("@OLDEST_SCHEMA@", oldest).replace("@SCHEMA@", newest)
        (control / script).write_text(text, "utf-8")
    (control / "control").write_text(
        f"""\
Package: sitehub
Version: {__version__}
Architecture: {_architecture()}
Maintainer: the sitehub founders <sitehub@sitehub.invalid>
Installed-Size: {size}
Depends: libc6 (>= {needed_glibc(tree)}), zlib1g, passwd, init-system-helpers (>= 1.54)
Section: net
Priority: optional
Description: hub of one site's face-recognising cameras
 Cameras connect to it and upload what they see, and guards watch it live in a
 browser. It keeps everything in one directory, and needs no other server, no
 cloud and no internet. It runs as a service on the ports 8443 and 8444.
""",
        "utf-8",
    )


def needed_glibc(tree: Path) -> str:
    """Return the newest version of glibc that one of the binaries requires."""
    found = {
        (int(major), int(minor))
        for path in tree.rglob("*")
        if path.is_file() and (content := path.read_bytes()).startswith(_ELF)
        for major, minor in _GLIBC_VERSION.findall(content)
    }
    return "{}.{}".format(*max(found))


def _architecture() -> str:
    return _ARCHITECTURES[platform.machine()]


def _normalise(tree: Path, date: int) -> None:
    """Set times and modes, so that every build is the same and the service's user can read it."""
    scripts = tree / "DEBIAN"
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or os.access(path, os.X_OK)
            is_script = path.parent == scripts and path.name != "control"
            path.chmod(0o755 if runs or is_script else 0o644)
    for path in (*tree.rglob("*"), tree):
        os.utime(path, (date, date), follow_symlinks=False)


def _source_date() -> str:
    """Return the time of the last commit: the same source gives the same package."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return given
    if shutil.which("git") and (ROOT / ".git").exists():
        log = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
        return subprocess.run(log, capture_output=True, check=True, text=True).stdout.strip()
    # The source came as an archive, whose files have that time.
    return str(int((ROOT / "pyproject.toml").stat().st_mtime))


if __name__ == "__main__":
    main()
