"""Real processes: a shared hub for tests that do not stop it, and hubs for single tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.e2e.browser import PASSWORD, Browser
from tests.e2e.camera import Camera
from tests.e2e.chromium import SharedChromium
from tests.e2e.faketime import FakeClock, make_fake_clock
from tests.e2e.faulty_disk import FaultyDisk, compile_library
from tests.e2e.filled_site import FilledSite, make_filled_site, open_copy
from tests.e2e.hub_process import HubProcess, copy_certificates
from tests.support.shared_folder import shared_folder

MakeHub = Callable[..., HubProcess]

_HERE = Path(__file__).parent
#: What is tried of real processes each time: the way of a record, and the guarantees.
_SHORT = ("test_site.py", "test_guarantees.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All others are long: a process takes seconds to start, a browser more, a fleet a minute."""
    for item in items:
        if item.path.parent == _HERE and item.path.name not in _SHORT:
            item.add_marker(pytest.mark.long)


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub shared by the whole test run. Tests may add to it, but not stop it."""
    with closing(HubProcess(tmp_path_factory.mktemp("hub") / "data")) as process:
        yield process.start()


@pytest.fixture
def make_hub(hub: HubProcess, tmp_path: Path) -> Iterator[MakeHub]:
    """Make a hub for one test, not started yet. Settings are those of `--set`."""
    with ExitStack() as stack:

        def make(
            *settings: str,
            data_dir: Path | None = None,
            environment: Mapping[str, str] | None = None,
        ) -> HubProcess:
            path = data_dir or tmp_path / "data"
            if not path.exists():
                copy_certificates(hub.data_dir, path)
            process = HubProcess(path, settings, environment=environment)
            return stack.enter_context(closing(process))

        yield make


@pytest.fixture(scope="session")
def staffed_data(hub: HubProcess, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory to copy: it has a user of each role, vic, mei and ada, with PASSWORD."""
    data_dir = tmp_path_factory.mktemp("staffed") / "data"
    copy_certificates(hub.data_dir, data_dir)
    for name, role in (("vic", "viewer"), ("mei", "guard"), ("ada", "admin")):
        words = ("user", "add", name, "--role", role, "--password-stdin")
        HubProcess(data_dir).cli(*words, stdin=PASSWORD)
    return data_dir


@pytest.fixture
def staffed_hub(make_hub: MakeHub, staffed_data: Path, tmp_path: Path) -> HubProcess:
    """A running hub for one test, with the users vic (viewer), mei (guard) and ada (admin)."""
    shutil.copytree(staffed_data, tmp_path / "data")
    return make_hub().start()


@pytest.fixture(scope="session")
def filled_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site whose every page shows something, made once for all workers, for `open_copy`."""
    return shared_folder(tmp_path_factory, "filled", make_filled_site)


@pytest.fixture(scope="session")
def filled_site(
    filled_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FilledSite]:
    """A hub of that site, shared by all tests of a worker. They only look at it."""
    with open_copy(filled_folder, tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedChromium]:
    with closing(SharedChromium(tmp_path_factory.mktemp("chromium"))) as chromium:
        yield chromium


@pytest.fixture
def browser(chromium: SharedChromium) -> Iterator[Browser]:
    """A browser that was never used before."""
    with chromium.new_profile() as browser:
        yield browser


@pytest.fixture
def fake_clock(tmp_path: Path) -> FakeClock:
    """A wall clock to set; pass its `environment` to `make_hub`."""
    return make_fake_clock(tmp_path)


@pytest.fixture(scope="session")
def disk_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of `faulty_disk`, which may also record what is written."""
    return compile_library(tmp_path_factory.mktemp("disk"))


@pytest.fixture
def faulty_disk(disk_library: Path, tmp_path: Path) -> Iterator[FaultyDisk]:
    """A disk that can fail or hang; pass its `environment` to `make_hub`."""
    with closing(FaultyDisk(disk_library, tmp_path)) as disk:
        yield disk


@pytest.fixture
def camera(tmp_path: Path) -> Camera:
    """A new camera with a unique serial number, not enrolled yet."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: it signs as a camera does")
    number = abs(hash(tmp_path)) % 10**10
    return Camera.make(tmp_path, sn=f"Y3CTE{number:010d}")
