"""The hub that the tests of this folder send to; each of its workers starts one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.fuzz.hub import FuzzHub


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FuzzHub]:
    with closing(FuzzHub(tmp_path_factory.mktemp("fuzz"), tls=False)) as hub:
        hub.prepare()
        hub.start()
        yield hub
