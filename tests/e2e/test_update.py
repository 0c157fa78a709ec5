"""Updates of a real hub: good ones, and ones that are broken in every way, with all records kept.

From source, the new versions are scripts that run this source, or something worse. With $SITEHUB
they are the executable itself under another number, and `sitehub update` installs them.
"""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hub.update.programs import Candidate, Outcome, Programs, UpdateState
from hub.update.trial import FAILED_OFTEN
from tests.e2e.camera import Camera, Capture, upload
from tests.e2e.conftest import MakeHub
from tests.e2e.hub_process import SITEHUB, TIMEOUT_SECONDS, HubProcess
from tests.support.relabelled import relabel
from tests.support.update_files import script, signed

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the programs are shell scripts")

IS_EXECUTABLE = "SITEHUB" in os.environ
from_source = pytest.mark.skipif(IS_EXECUTABLE, reason="with the source only")
as_executable = pytest.mark.skipif(not IS_EXECUTABLE, reason="$SITEHUB names no executable")

#: Like `python -m hub`, but with another time for a new version.
_MAIN = (
    "from hub.process import launcher; launcher.TRIAL_SECONDS = {seconds}; "
    "from hub.__main__ import main; main()"
)
#: A version that migrates the database, acknowledges something to nobody, and fails.
_MIGRATES_AND_FAILS = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.executescript(
    "PRAGMA user_version = 9999; DELETE FROM record; ALTER TABLE device RENAME TO camera"
)
sys.exit("the migration went wrong")
"""
_RECORDS = "/api/hub/v1/records"


class UpdatedHub(HubProcess):
    """A hub with a new version to try. It waits `trial_seconds` for one."""

    trial_seconds = 60.0

    def command(self) -> list[str]:
        main = _MAIN.format(seconds=self.trial_seconds)
        return [sys.executable, "-c", main, *super().command()[len(SITEHUB) :]]

    def stage(self, run: str, version: str = "0.2.0") -> None:
        """Have a program with this shell command tried at the next start."""
        programs = Programs(self.data_dir)
        incoming = script(programs.incoming(), run=run)
        candidate = Candidate(version=version, before="0.1.0", phase="staged", by="command line")
        programs.stage(incoming, candidate)

    @property
    def state(self) -> UpdateState:
        return Programs(self.data_dir).load()

    @property
    def outcome(self) -> Outcome:
        assert self.state.candidate is None
        return self.state.history[-1]


def this_version() -> str:
    """The shell command that runs this source."""
    return f'exec {sys.executable} -m hub "$@"'


async def upload_some(hub: HubProcess, camera: Camera, did: str, count: int) -> None:
    async with (
        camera.connect(hub.device_url, hub.trust(), did) as (_, token),
        hub.client() as client,
    ):
        for _ in range(count):
            body = Capture.random(random.Random(), 100, 100, 100).body()
            assert await upload(client, token, body) == 200


async def count_records(hub: HubProcess) -> int:
    async with hub.client(headers=hub.add_api_key()) as client:
        items = (await client.get(_RECORDS, params={"limit": 1000})).json()["items"]
        for item in items:
            for path in item["images"].values():
                assert (await client.get(path)).status_code == 200
        # The hub reports its own problems as records, too.
        return sum(item["kind"] != "hub" for item in items)


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


async def wait_for(path: Path) -> None:
    with trio.fail_after(TIMEOUT_SECONDS):
        while True:
            if await trio.Path(path).exists():
                return
            await trio.sleep(0.02)


@pytest.fixture
def camera(tmp_path: Path) -> Camera:
    return Camera.make(tmp_path)


@pytest.fixture
def updated(make_hub: MakeHub, tmp_path: Path) -> Iterator[UpdatedHub]:
    """A hub that is not running; its data has certificates."""
    make_hub()
    with closing(UpdatedHub(tmp_path / "data")) as hub:
        yield hub


@from_source
async def test_a_version_that_works_takes_over_with_all_records(
    updated: UpdatedHub, camera: Camera
) -> None:
    updated.start()
    did = camera.enrol(updated)
    await upload_some(updated, camera, did, 3)
    assert updated.stop() == 0
    updated.stage(this_version())
    updated.start()
    assert (updated.outcome.version, updated.outcome.result) == ("0.2.0", "done")
    assert await count_records(updated) == 3
    await upload_some(updated, camera, did, 2)
    assert await count_records(updated) == 5
    assert updated.stop() == 0
    # It is what runs from now on.
    updated.start()
    assert len(children_of(updated.process.pid)) == 1
    assert await count_records(updated) == 5
    assert updated.stop() == 0


@from_source
@pytest.mark.parametrize(
    ("run", "reason"),
    [
        ("echo 'sitehub: no such library' >&2; exit 1", "no such library"),
        ("exit 7", "it ended with status 7"),
        ("kill -9 $$", "it ended with status 137"),
        ("exec sleep 1000", "it was not ready in time"),
        ("trap '' TERM; while :; do sleep 1; done", "it was not ready in time"),
        (
            f'exec {sys.executable} -c "$MIGRATES" "$SITEHUB_DATA/hub.sqlite"',
            "the migration went wrong",
        ),
    ],
    ids=["says why", "ends", "is killed", "hangs", "ignores signals", "migrates and fails"],
)
async def test_a_broken_version_is_undone_and_the_old_one_runs_with_all_records(
    run: str,
    reason: str,
    updated: UpdatedHub,
    camera: Camera,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MIGRATES", _MIGRATES_AND_FAILS)
    updated.start()
    did = camera.enrol(updated)
    await upload_some(updated, camera, did, 3)
    # Killed: what was acknowledged is in the write-ahead log only.
    updated.kill()
    updated.stage(run)
    if "not ready" in reason:
        updated.trial_seconds = 3.0
    updated.start()
    assert (updated.outcome.result, updated.outcome.reason) == ("undone", reason)
    assert await count_records(updated) == 3
    await upload_some(updated, camera, did, 1)
    assert await count_records(updated) == 4
    entries = updated.cli("audit")
    assert "update.undone  0.2.0" in entries
    assert updated.stop() == 0


@from_source
async def test_a_kill_in_the_middle_of_a_trial_leaves_a_hub_that_starts(
    updated: UpdatedHub, camera: Camera, tmp_path: Path
) -> None:
    updated.start()
    did = camera.enrol(updated)
    await upload_some(updated, camera, did, 3)
    assert updated.stop() == 0
    updated.stage(f"touch {tmp_path / 'begun'}; exec sleep 1000")
    updated.spawn()
    await wait_for(tmp_path / "begun")
    updated.kill()
    candidate = updated.state.candidate
    assert candidate is not None
    assert candidate.phase == "trying"
    updated.start()
    assert updated.outcome.result == "undone"
    assert await count_records(updated) == 3
    assert updated.stop() == 0


@from_source
async def test_a_trial_that_is_stopped_is_made_again_at_the_next_start(
    updated: UpdatedHub, tmp_path: Path
) -> None:
    updated.start()
    assert updated.stop() == 0
    updated.stage(f"touch {tmp_path / 'begun'}; exec sleep 1000")
    process = updated.spawn()
    await wait_for(tmp_path / "begun")
    assert updated.stop() == 143
    assert process.returncode == 143
    candidate = updated.state.candidate
    assert candidate is not None
    assert candidate.phase == "staged"


@from_source
def test_nothing_reaches_a_version_on_trial(updated: UpdatedHub) -> None:
    """Its ports are not those of the hub before it has confirmed itself."""
    updated.start()
    assert updated.stop() == 0
    updated.stage("exec sleep 1000")
    updated.trial_seconds = 3.0
    updated.spawn()
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while (candidate := updated.state.candidate) is not None:
        if candidate.phase == "trying":
            assert not updated.is_healthy()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@from_source
def test_the_exit_status_and_signals_of_the_new_version_are_those_of_the_hub(
    updated: UpdatedHub,
) -> None:
    updated.start()
    assert updated.stop() == 0
    updated.stage(this_version())
    updated.start()
    assert updated.stop() == 0
    program = Programs(updated.data_dir).program("0.2.0")
    assert program is not None
    script(program, run="exit 5")
    assert updated.spawn().wait(TIMEOUT_SECONDS) == 5


@from_source
async def test_a_version_that_works_once_and_then_keeps_failing_is_left_by_itself(
    updated: UpdatedHub, camera: Camera
) -> None:
    updated.start()
    did = camera.enrol(updated)
    assert updated.stop() == 0
    updated.stage(f'case "$SITEHUB_STARTED_AS" in trial*) {this_version()} ;; *) exit 5 ;; esac')
    updated.start()
    await upload_some(updated, camera, did, 3)
    assert updated.stop() == 0
    for _ in range(3):
        assert updated.spawn().wait(TIMEOUT_SECONDS) == 5
    updated.start()
    assert updated.outcome.result == "undone"
    assert updated.outcome.reason == FAILED_OFTEN
    assert await count_records(updated) == 3
    assert updated.stop() == 0


@from_source
def test_a_command_is_carried_out_by_the_new_version(updated: UpdatedHub) -> None:
    updated.start()
    assert updated.stop() == 0
    updated.stage(this_version())
    updated.start()
    assert updated.stop() == 0
    program = Programs(updated.data_dir).program("0.2.0")
    assert program is not None
    script(program, run='echo "the new version was asked: $*"')
    assert updated.cli("user", "list") == (
        f"the new version was asked: user list --data {updated.data_dir}\n"
    )
    assert updated.cli("version").startswith("sitehub ")


@from_source
def test_a_hub_from_source_is_not_updated(updated: UpdatedHub, tmp_path: Path) -> None:
    program = script(tmp_path / "new")
    words = [*SITEHUB, "update", str(program), "--data", str(updated.data_dir)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        "sitehub: this sitehub runs from source: update the source, and start it again\n"
    )


class Updating:
    """`sitehub update` on a running hub, by the executable."""

    def __init__(self, hub: HubProcess) -> None:
        self.hub = hub

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        words = (*SITEHUB, "update", *words, "--data", self.hub.data_dir)
        return subprocess.run(words, capture_output=True, text=True, timeout=240)

    def wait_until_healthy(self) -> None:
        deadline = time.monotonic() + 2 * TIMEOUT_SECONDS
        while not self.hub.is_healthy():
            assert time.monotonic() < deadline, self.hub.err
            time.sleep(0.1)


@pytest.fixture
def updating(make_hub: MakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Updating:
    folder = tmp_path / "unpacked"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return Updating(make_hub().start())


def new_version(folder: Path, version: str) -> Path:
    """The executable under another number, which is also its name."""
    return relabel(Path(SITEHUB[0]), folder / version, version)


@pytest.mark.skipif("SITEHUB_SIGN_KEY" not in os.environ, reason="the key of the build is unknown")
def test_an_executable_with_a_key_takes_only_what_is_signed_with_it(
    updating: Updating, tmp_path: Path
) -> None:
    new = new_version(tmp_path, "0.2.0")
    assert "not a signed update" in updating.run(new).stderr
    foreign = updating.run(signed(new))
    assert "not signed with the key that this sitehub was built with" in foreign.stderr
    key = load_pem_private_key(Path(os.environ["SITEHUB_SIGN_KEY"]).read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    done = updating.run(signed(new, key=key))
    assert done.returncode == 0, done.stderr
    updating.wait_until_healthy()
    assert updating.hub.stop() == 0


@as_executable
def test_an_executable_goes_back_by_hand(updating: Updating, tmp_path: Path) -> None:
    hub = updating.hub
    assert updating.run(new_version(tmp_path, "0.2.0"), "--unsigned").returncode == 0
    hub.add_api_key()
    done = updating.run("--undo")
    assert (done.returncode, done.stderr) == (0, "")
    assert "The hub runs version 0.1.0." in done.stdout
    updating.wait_until_healthy()
    assert "Version    0.1.0" in hub.cli("update", "--status")
    # What the newer version stored is there.
    assert "tests" in hub.cli("apikey", "list")
    assert hub.stop() == 0


@as_executable
async def test_a_running_executable_updates_itself_twice(
    updating: Updating, camera: Camera, tmp_path: Path
) -> None:
    hub = updating.hub
    did = camera.enrol(hub)
    await upload_some(hub, camera, did, 3)
    for version in ("0.2.0", "0.3.0"):
        done = updating.run(new_version(tmp_path, version), "--unsigned")
        assert done.returncode == 0, done.stderr
        assert f"The hub runs version {version}." in done.stdout
        updating.wait_until_healthy()
        assert f"sitehub {version}: " in hub.out
        assert await count_records(hub) == 3
    await upload_some(hub, camera, did, 2)
    assert await count_records(hub) == 5
    again = updating.run(tmp_path / "0.2.0", "--unsigned")
    assert again.returncode == 1
    assert "0.2.0 is not newer than 0.3.0, which is installed" in again.stderr
    assert hub.stop() == 0
    hub.start()
    assert await count_records(hub) == 5
    assert hub.stop() == 0


@as_executable
@pytest.mark.parametrize(
    ("run", "reason"),
    [
        ("echo 'sitehub: no such library' >&2; exit 1", "no such library"),
        ("exec sleep 1000", "it was not ready in time"),
        (
            # It opens the database, and fails before it is healthy.
            'exec {sitehub} "$@" --set tls.cert=none.pem --set tls.key=none.pem',
            "none.pem",
        ),
    ],
    ids=["ends", "hangs", "is not healthy"],
)
async def test_an_executable_that_is_broken_is_undone_and_the_hub_is_back(
    run: str, reason: str, updating: Updating, camera: Camera, tmp_path: Path
) -> None:
    hub = updating.hub
    did = camera.enrol(hub)
    await upload_some(hub, camera, did, 3)
    done = updating.run(script(tmp_path / "new", run=run.format(sitehub=SITEHUB[0])), "--unsigned")
    assert done.returncode == 1
    assert reason in done.stderr
    updating.wait_until_healthy()
    assert await count_records(hub) == 3
    with closing(sqlite3.connect(hub.data_dir / "hub.sqlite")) as connection:
        assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
    assert hub.stop() == 0
