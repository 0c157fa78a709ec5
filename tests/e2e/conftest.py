"""Real processes: one hub for whoever leaves it as it was, and hubs of one's own for the others."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.e2e.camera import Camera
from tests.e2e.hubprocess import HubProcess, lend_certificates
from tests.e2e.screen import Screen, chromium

MakeHub = Callable[..., HubProcess]


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub that runs through the whole test run; add to it, but do not stop it."""
    with closing(HubProcess(tmp_path_factory.mktemp("hub") / "data")) as process:
        yield process.start()


@pytest.fixture
def make_hub(hub: HubProcess, tmp_path: Path) -> Iterator[MakeHub]:
    """Make a hub of one's own, not started yet, with settings as `--set` takes them."""
    with ExitStack() as stack:

        def make(*settings: str, data_dir: Path | None = None) -> HubProcess:
            path = data_dir or tmp_path / "data"
            if not path.exists():
                lend_certificates(hub.data_dir, path)
            return stack.enter_context(closing(HubProcess(path, settings)))

        yield make


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Screen]:
    with chromium(tmp_path / "profile") as screen:
        yield screen


@pytest.fixture
def camera(tmp_path: Path) -> Camera:
    """A camera that no hub knows yet, with a serial number of its own."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not there to sign as a camera does")
    number = abs(hash(tmp_path)) % 10**10
    return Camera.make(tmp_path, sn=f"Y3CTE{number:010d}")
