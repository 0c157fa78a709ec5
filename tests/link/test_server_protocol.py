"""A version of wsproto without the private attributes that are read stops the import."""

from __future__ import annotations

import runpy
import tomllib
from pathlib import Path

import pytest
import wsproto.connection

from hub.link import server_protocol


class WithoutDecoders(wsproto.connection.Connection):
    """A later wsproto might have another class inside."""

    def __init__(self, connection_type: wsproto.connection.ConnectionType) -> None:
        super().__init__(connection_type)
        self._proto = object()  # type: ignore[assignment]


def test_an_import_with_another_wsproto_names_the_versions_that_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wsproto.connection, "Connection", WithoutDecoders)
    with pytest.raises(ImportError, match=r"_frame_decoder.*Install wsproto>=1\.2,<1\.4") as error:
        runpy.run_path(server_protocol.__file__)
    assert error.value.name == "wsproto"


def test_the_versions_that_work_are_those_that_the_project_requires() -> None:
    project = Path(__file__).parents[2] / "pyproject.toml"
    required = tomllib.loads(project.read_text("utf-8"))["project"]["dependencies"]
    assert f"wsproto{server_protocol.WSPROTO_VERSIONS}" in required
