"""The bill of materials names the components of files, each with its licence."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import trio

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bill() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bill", ROOT / "packaging" / "bill.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["bill"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def no_freezer_needed(bill: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave PyInstaller out: the environment of the tests does not have it."""
    monkeypatch.setattr(bill, "_ALWAYS", ("sitehub", "tzdata"))


def test_a_file_is_attributed_to_its_package(bill: ModuleType) -> None:
    contents = [("trio._core", str(Path(trio.__file__).parent / "_core" / "__init__.py"))]
    parts = {part.name: part for part in bill.components_of(contents)}
    assert parts.keys() == {"CPython", "sitehub", "trio", "tzdata"}
    assert parts["trio"].version == trio.__version__
    assert parts["trio"].purl == f"pkg:pypi/trio@{trio.__version__}"
    assert parts["trio"].licence == "MIT OR Apache-2.0"
    assert parts["trio"].texts


def test_the_same_components_give_the_same_bill(bill: ModuleType) -> None:
    one, other = (json.dumps(bill.bill_of(bill.components_of([]), "1.0")) for _ in range(2))
    assert one == other
    assert '"bomFormat": "CycloneDX"' in one


def test_the_licences_contain_the_text_of_each(bill: ModuleType) -> None:
    text = "\n".join(bill.licences_of(bill.components_of([])))
    assert "sitehub" in text
    assert "Permission is hereby granted, free of charge" in text
