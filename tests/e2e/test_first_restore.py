"""A backup that is restored in place of the set-up, by a real hub, which starts itself again."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio

from tests.e2e.axe import find_problems, load_axe
from tests.e2e.browser import Browser
from tests.e2e.conftest import MakeHub
from tests.e2e.hub_process import TIMEOUT_SECONDS, HubProcess
from tests.e2e.load import RECORDS
from tests.e2e.seeds import SEEDS
from tests.support.backups import make_backup
from tests.support.clock import FrozenClock
from tests.support.hub_services import PASSWORD


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A backup of a site with two records, and the administrator ada."""
    file = tmp_path / "usb" / "site.backup"
    trio.run(partial(make_backup, tmp_path / "earlier", file, FrozenClock()))
    return file


@pytest.fixture
def new_hub(make_hub: MakeHub) -> HubProcess:
    # A process of its own, since it starts itself again.
    return make_hub(environment={"LANGUAGE": "en"})


@pytest.fixture
def visitor(new_hub: HubProcess) -> Iterator[httpx.Client]:
    with httpx.Client(verify=False, timeout=TIMEOUT_SECONDS) as client:
        yield client


def test_the_restored_hub_comes_up_by_itself(
    new_hub: HubProcess, backup: Path, visitor: httpx.Client
) -> None:
    new_hub.start()
    address = f"{new_hub.setup_link}/restore"
    page = visitor.get(address, params={"folder": str(backup.parent)})
    assert "Harbour" in page.text
    assert begin(visitor, address, backup) == 303
    wait_until_restored(visitor, address)
    assert sign_in(visitor, new_hub) == 303
    headers = new_hub.add_api_key()
    with closing(new_hub.sync_client(headers=headers)) as client:
        assert len(client.get(RECORDS, params={"kind": "face"}).json()["items"]) == 2
    assert new_hub.stop() == 0


@pytest.mark.browser
def test_a_browser_chooses_or_sends_the_file(
    new_hub: HubProcess, backup: Path, browser: Browser
) -> None:
    new_hub.start()
    load_axe(browser)
    browser.open(f"{new_hub.setup_link}/restore?folder={backup.parent}")
    assert browser.find_all("input[type=radio]")
    assert list(find_problems(browser)) == []
    browser.find("input[type=file]").send_keys(str(backup))
    browser.click("form[data-upload] button")
    browser.wait_for_text("The backup is restored")
    assert list(find_problems(browser)) == []
    browser.wait_for_text("Sign in")
    assert browser.console_errors() == []


def test_kill_9_leaves_the_new_hub_or_the_restored_one(
    new_hub: HubProcess, backup: Path, visitor: httpx.Client
) -> None:
    for seed in SEEDS:
        new_hub.start()
        if sign_in(visitor, new_hub) == 303:
            return
        address = f"{new_hub.setup_link}/restore"
        assert begin(visitor, address, backup) == 303
        time.sleep(random.Random(seed).uniform(0, 1))
        new_hub.kill()
        visitor.cookies.clear()
    new_hub.start()
    has_ada = sign_in(visitor, new_hub) == 303
    assert has_ada or visitor.get(f"{new_hub.setup_link}/restore").status_code == 200


def begin(visitor: httpx.Client, address: str, backup: Path) -> int:
    form = {"backup": str(backup), "csrf_token": csrf(visitor.get(address).text)}
    return visitor.post(address, data=form).status_code


def sign_in(visitor: httpx.Client, hub: HubProcess) -> int:
    page = visitor.get(f"{hub.url}/sign-in").text
    form = {"name": "ada", "password": PASSWORD, "next": "/", "csrf_token": csrf(page)}
    return visitor.post(f"{hub.url}/sign-in", data=form).status_code


def csrf(page: str) -> str:
    return str(re.findall(r'name="csrf_token" value="([^"]+)"', page)[0])


def wait_until_restored(visitor: httpx.Client, address: str) -> None:
    """Reload the page as a browser does, until it leads to the restored hub."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        try:
            if visitor.get(address).status_code == 303:
                return
        except httpx.TransportError:
            pass  # it is starting again
        time.sleep(0.2)
    raise AssertionError("the restored hub did not start")
