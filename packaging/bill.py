"""Write the bill of materials of the executable (CycloneDX, JSON), and all licences.

    python packaging/bill.py build/pyinstaller/contents.json dist

It runs in the environment of the build, and describes the packages installed there.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import sqlite3
import ssl
import subprocess
import sys
import sysconfig
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

#: In the executable, but not in the list of files: the bootloader, and packages in archives.
_ALWAYS = ("sitehub", "pyinstaller", "tzdata")
_LICENCE_FILE = re.compile(r"^(licen[cs]e|copying|notice|copyright)", re.IGNORECASE)
_RULE = "=" * 78

#: Libraries that belong to no package: prefix of the file -> name and version.
_BY_FILE = {
    "libcrypto": ("OpenSSL", ssl.OPENSSL_VERSION.split()[1]),
    "libssl": ("OpenSSL", ssl.OPENSSL_VERSION.split()[1]),
    "sqlite3": ("SQLite", sqlite3.sqlite_version),
    "libsqlite3": ("SQLite", sqlite3.sqlite_version),
}


@dataclass(frozen=True)
class Component:
    """One component, with a name and a licence of its own."""

    name: str
    version: str
    #: See https://github.com/package-url; empty if there is none.
    purl: str = ""
    #: An SPDX expression or a name.
    licence: str = ""
    texts: tuple[Path, ...] = ()
    #: Components linked into it, according to its own bill.
    within: tuple[dict[str, Any], ...] = field(default=(), compare=False)


def components_of(contents: Iterable[tuple[str, str]]) -> list[Component]:
    """Return the components that `contents` (name inside, path of the source) belongs to."""
    owners = _owners()
    found = {_of_python(), *(_of_distribution(metadata.distribution(name)) for name in _ALWAYS)}
    for _, source in contents:
        path = Path(source)
        owner = owners.get(str(path)) or owners.get(str(path.resolve()))
        if owner is not None:
            found.add(_of_distribution(owner))
        elif _is_library(path) and not _belongs_to_python(path):
            found.add(_of_library(path))
    return sorted(found, key=lambda part: part.name.lower())


def _owners() -> dict[str, metadata.Distribution]:
    return {
        str(distribution.locate_file(file)): distribution
        for distribution in metadata.distributions()
        for file in distribution.files or ()
    }


def _is_library(path: Path) -> bool:
    return path.is_absolute() and (path.suffix.lower() == ".dll" or ".so" in path.name)


def _belongs_to_python(path: Path) -> bool:
    """Return whether a file belongs to the interpreter, including its extension modules."""
    own = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}
    return any(root in path.parents for root in own) or "python" in path.name.lower()


def _of_python() -> Component:
    roots = (Path(sysconfig.get_path("stdlib")), Path(sys.base_prefix))
    texts = [root / "LICENSE.txt" for root in roots if (root / "LICENSE.txt").exists()]
    version = platform.python_version()
    return Component(
        "CPython", version, f"pkg:generic/python@{version}", "PSF-2.0", tuple(texts[:1])
    )


def _of_distribution(distribution: metadata.Distribution) -> Component:
    name, version = distribution.name, distribution.version
    info = [file for file in distribution.files or () if file.parts[0].endswith(".dist-info")]
    return Component(
        name,
        version,
        f"pkg:pypi/{name.lower().replace('_', '-')}@{version}",
        _licence_of(distribution.metadata),
        tuple(
            Path(str(distribution.locate_file(file)))
            for file in info
            if _LICENCE_FILE.match(file.name)
        ),
        tuple(
            component
            for file in info
            if file.parent.name == "sboms"
            for component in _components_of(Path(str(distribution.locate_file(file))))
        ),
    )


def _licence_of(about: Any) -> str:
    """Return the licence from the current or the old metadata field, or a classifier."""
    said = about.get("License-Expression") or about.get("License") or ""
    if said and "\n" not in said and len(said) < 100:
        return str(said)
    classifiers = [line for line in about.get_all("Classifier", ()) if line.startswith("License")]
    return ", ".join(line.rpartition(" :: ")[2] for line in classifiers)


def _components_of(bill: Path) -> Iterator[dict[str, Any]]:
    """Return the components that a package's own bill lists."""
    kept = ("type", "name", "version", "purl", "licenses")
    for component in json.loads(bill.read_text("utf-8")).get("components", ()):
        yield {key: component[key] for key in kept if key in component}


def _of_library(path: Path) -> Component:
    package = _debian_package(path)
    if package is not None:
        name, version = package
        text = Path("/usr/share/doc") / name / "copyright"
        return Component(name, version, f"pkg:deb/debian/{name}@{version}", texts=(text,))
    known = [about for prefix, about in _BY_FILE.items() if path.name.startswith(prefix)]
    return Component(*known[0]) if known else Component(path.name, "")


def _debian_package(path: Path) -> tuple[str, str] | None:
    if shutil.which("dpkg-query") is None:
        return None
    # With a merged /usr the package may list its file under either path.
    for candidate in {path, path.resolve(), Path(str(path.resolve()).removeprefix("/usr"))}:
        owner = _output("dpkg-query", "--search", str(candidate)).partition(":")[0]
        if owner:
            return owner, _output("dpkg-query", "--show", "--showformat=${Version}", owner)
    return None


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""


def bill_of(parts: Iterable[Component], version: str) -> dict[str, Any]:
    components = [_component(part) for part in parts if part.name != "sitehub"]
    inside = json.dumps(components, sort_keys=True)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        # The same components give the same bill.
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, inside)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "sitehub",
                "name": "sitehub",
                "version": version,
                "licenses": [{"license": {"id": "MIT"}}],
            }
        },
        "components": components,
    }


def _component(part: Component) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": f"{part.name}@{part.version}",
        "name": part.name,
        "version": part.version,
    }
    if part.purl:
        component["purl"] = part.purl
    if part.licence:
        component["licenses"] = [{"license": {"name": part.licence}}]
    if part.within:
        component["components"] = list(part.within)
    return component


def licences_of(parts: Iterable[Component]) -> Iterator[str]:
    """Return all licence texts, each after the licence's name."""
    for part in parts:
        yield f"{_RULE}\n{part.name} {part.version}".rstrip()
        if part.licence:
            yield f"Licence: {part.licence}"
        yield _RULE
        for text in part.texts:
            yield text.read_text("utf-8", errors="replace").strip()
        yield ""


def main() -> None:
    contents, out = Path(sys.argv[1]), Path(sys.argv[2])
    parts = components_of(json.loads(contents.read_text("utf-8")))
    bill = bill_of(parts, metadata.version("sitehub"))
    (out / "sitehub.cdx.json").write_text(json.dumps(bill, indent=2), "utf-8")
    (out / "LICENCES.txt").write_text("\n".join(licences_of(parts)), "utf-8")
    print(f"{len(parts)} parts inside: sitehub.cdx.json, LICENCES.txt")
    if unclear := [part.name for part in parts if not (part.licence or part.texts)]:
        print(f"no licence was found for: {', '.join(unclear)}", file=sys.stderr)


if __name__ == "__main__":
    main()
