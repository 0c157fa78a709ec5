"""The page on which an administrator updates the hub."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from quart import Response

from hub.update.programs import Outcome, Programs, UpdateState
from hub.update.trial import INTERRUPTED
from tests.support.browsing import Visitor
from tests.support.clock import FrozenClock
from tests.support.page_site import PageSite, open_page_site
from tests.support.update_files import KEY, script, signed

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the programs are shell scripts")


class Operator(Visitor):
    """A visitor who sends update files."""

    async def send_file(
        self, content: bytes, *, token: str | None = None, part: bool = False
    ) -> Response:
        token = self.token if token is None else token
        field = 'Content-Disposition: form-data; name="{}"'
        head = field.format("csrf_token") + f"\r\n\r\n{token}\r\n--edge\r\n"
        head += field.format("file") + '; filename="it.update"\r\n\r\n'
        headers = {"Content-Type": "multipart/form-data; boundary=edge"}
        self.response = await self._client.post(
            "/site/update/file",
            data=b"--edge\r\n" + head.encode() + content + b"\r\n--edge--\r\n",
            headers=headers | ({"X-Part": "1"} if part else {}),
        )
        self.text = (await self.response.get_data()).decode()
        return self.response


@pytest.fixture
async def site(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[PageSite]:
    async with open_page_site(tmp_path / "data", clock, update_key=KEY.public_key()) as site:
        yield site


@pytest.fixture
async def admin(site: PageSite) -> Operator:
    admin = await Operator.signed_in(site)
    await admin.get("/site")
    return admin


async def test_a_file_is_checked_shown_and_installed_once_it_is_confirmed(
    admin: Operator, site: PageSite, tmp_path: Path
) -> None:
    assert "This hub runs version 0.1.0." in admin.text
    await admin.send_file(signed(script(tmp_path / "new")).read_bytes())
    assert admin.goes_to == "/site#version"
    await admin.get("/site")
    assert "Install version 0.2.0?" in admin.text
    offer = site.services.upkeep.updates.offer
    assert offer is not None
    assert offer.sha256[:32] in admin.text
    # Nothing has changed yet.
    assert site.services.upkeep.updates.candidate is None
    await admin.send("/site/update/install", sha256=offer.sha256)
    assert admin.goes_to == "/site#version"
    await admin.get("/site/update/now")
    assert "Version 0.2.0 is being installed" in admin.text
    assert 'href="/site#version">Check again' in admin.text
    assert ("user admin", "update.install", "0.2.0") in await site.audited()


async def test_only_the_file_that_was_shown_is_installed(
    admin: Operator, site: PageSite, tmp_path: Path
) -> None:
    await admin.send_file(signed(script(tmp_path / "new")).read_bytes())
    await admin.send("/site/update/install", sha256="0" * 64)
    assert site.services.upkeep.updates.candidate is None


async def test_a_file_can_be_discarded(admin: Operator, site: PageSite, tmp_path: Path) -> None:
    await admin.send_file(signed(script(tmp_path / "new")).read_bytes())
    await admin.send("/site/update/discard")
    await admin.get("/site")
    assert "Choose" not in admin.text
    assert "Update file" in admin.text
    assert list((site.services.core.data_dir / "programs").iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("plain", "This is not an update file for this hub."),
        ("foreign", "The signature of the file is not valid."),
        ("short", "The file is damaged or incomplete."),
        ("old", "Version 0.1.0 is not newer than the installed version 0.1.0."),
        ("other", "The file is for a different type of computer (windows-x86_64)."),
        ("broken", "does not work on this computer: the settings are bad. Nothing was changed."),
        ("none", "The file was not received completely."),
    ],
)
async def test_a_file_is_refused_with_what_to_do(
    kind: str, sentence: str, admin: Operator, site: PageSite, tmp_path: Path
) -> None:
    program = script(tmp_path / "new")
    broken = script(tmp_path / "broken", self_test="echo the settings are bad >&2; exit 1")
    good = signed(program).read_bytes()
    files = {
        "plain": program.read_bytes(),
        "short": good[:-1],
        "old": signed(script(tmp_path / "old", version="0.1.0"), version="0.1.0").read_bytes(),
        "foreign": signed(program, key=Ed25519PrivateKey.generate()).read_bytes(),
        "other": signed(program, platform="windows-x86_64").read_bytes(),
        "broken": signed(broken).read_bytes(),
    }
    if kind == "none":
        await admin.send("/site/update/file")
    else:
        await admin.send_file(files[kind])
    assert admin.response.status_code == 400
    assert sentence in admin.text
    assert site.services.upkeep.updates.offer is None
    assert list((site.services.core.data_dir / "programs").iterdir()) == []
    # A script gets the form alone.
    if kind != "none":
        await admin.send_file(files[kind], part=True)
        assert admin.text.lstrip().startswith("<form")
        assert sentence in admin.text


async def test_a_form_without_its_token_stores_nothing(
    admin: Operator, site: PageSite, tmp_path: Path
) -> None:
    good = signed(script(tmp_path / "new")).read_bytes()
    assert (await admin.send_file(good, token="0" * 64)).status_code == 403
    assert site.services.upkeep.updates.offer is None
    folder = site.services.core.data_dir / "programs"
    assert not folder.exists() or list(folder.iterdir()) == []


async def test_a_hub_without_a_key_says_how_it_is_updated(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with open_page_site(tmp_path / "data", clock) as site:
        admin = await Operator.signed_in(site)
        await admin.get("/site")
        assert "sitehub update FILE" in admin.text
        assert "data-upload" not in admin.text
        await admin.send_file(signed(script(tmp_path / "new")).read_bytes())
        assert admin.response.status_code == 400
        assert site.services.upkeep.updates.offer is None


async def test_how_earlier_updates_ended_is_told(admin: Operator, site: PageSite) -> None:
    def end(version: str, **fields: str) -> Outcome:
        whole = {"before": "0.1.0", "result": "done", "by": "command line", **fields}
        return Outcome(version=version, at=1_795_608_000_000, **whole)  # type: ignore[arg-type]

    ends = (end("0.2.0", by="user ann"), end("0.3.0", result="undone", reason=INTERRUPTED))
    Programs(site.services.core.data_dir).save(UpdateState(history=ends))
    await site.services.upkeep.updates.load()
    await admin.get("/site")
    assert "The update to version 0.3.0 failed and was rolled back" in admin.text
    assert "Rolled back: the computer or the hub was stopped before" in admin.text
    assert admin.text.index("0.1.0 → 0.3.0") < admin.text.index("0.1.0 → 0.2.0")
    await admin.send("/site/update/noted")
    await admin.get("/site")
    assert "The last update failed" not in admin.text
    assert "Rolled back: the computer" in admin.text
