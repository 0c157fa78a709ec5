"""The trial of an update: every end of it, and a power cut at every step.

The database here is a real SQLite file, and the programs are files that only have to be there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from hub.errors import StartFault
from hub.store.names import DATABASE
from hub.store.offline.database_copy import DatabaseFile
from hub.update.programs import MAX_HISTORY, Candidate, Programs, UpdateState, way_back
from hub.update.steps import Steps
from hub.update.trial import FAILED_OFTEN, INTERRUPTED, Choice, Trial

INSTALLED, NEW = "0.1.0", "0.2.0"


class PowerCut(BaseException):
    """The computer is off."""


class CutSteps(Steps):
    """Cuts the power before or after one step. A step that writes may leave half of its file."""

    def __init__(self, at: int = -1) -> None:
        self.count = 0
        self._at = at

    def write(self, path: Path, content: bytes) -> None:
        self._cut(lambda: path.with_name(f"{path.name}.new").write_bytes(content[:7]))
        super().write(path, content)
        self._cut()

    def rename(self, path: Path, target: Path) -> None:
        self._cut()
        super().rename(path, target)
        self._cut()

    def remove(self, path: Path) -> None:
        self._cut()
        super().remove(path)
        self._cut()

    def remove_tree(self, path: Path) -> None:
        self._cut()
        super().remove_tree(path)
        self._cut()

    def _cut(self, leave: Callable[[], object] = lambda: None) -> None:
        self.count += 1
        if self.count - 1 == self._at:
            leave()
            raise PowerCut


class FullSteps(Steps):
    """A disk that is full for one kind of step."""

    def __init__(self, full: str) -> None:
        self._full = full

    def write(self, path: Path, content: bytes) -> None:
        if self._full == "write":
            raise OSError(28, "No space left on device")
        super().write(path, content)


class Hub:
    """A data directory with the version 0.1.0 installed, and the starts of its hub."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.database = data_dir / DATABASE
        with closing(self.open()) as connection:
            connection.execute("CREATE TABLE record (text)")
            connection.execute("PRAGMA user_version = 1")

    def open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.database, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        return connection

    def trial(
        self,
        steps: Steps | None = None,
        installed: str = INSTALLED,
        now: Callable[[], float] = lambda: 1000.0,
    ) -> Trial:
        database = DatabaseFile(self.database, steps)
        return Trial(Programs(self.data_dir, steps), database, installed, now)

    def stage(
        self, version: str = NEW, steps: Steps | None = None, *, before: str = INSTALLED
    ) -> None:
        programs = Programs(self.data_dir, steps)
        incoming = programs.incoming()
        incoming.write_text(version)
        candidate = Candidate(version=version, before=before, phase="staged", by="user ann")
        programs.stage(incoming, candidate)

    def acknowledge(self, text: str) -> None:
        """Store a record, as a hub that serves does. It is then killed: its log stays."""
        connection = self.open()
        connection.execute("INSERT INTO record VALUES (?)", (text,))
        connection.close()

    def migrate(self) -> None:
        """Open the database as a newer version, and leave its write-ahead log behind."""
        with closing(self.open()) as connection:
            connection.execute("PRAGMA user_version = 2")
            connection.execute("DROP TABLE record")
            connection.execute("CREATE TABLE entry (text)")
            log = self.database.with_name(f"{DATABASE}-wal")
            left = log.read_bytes()
        log.write_bytes(left)

    def records(self) -> list[str]:
        """The records, read by the old version, which knows one schema only."""
        with closing(self.open()) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (1,)
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            return [text for (text,) in connection.execute("SELECT text FROM record")]

    @property
    def state(self) -> UpdateState:
        return Programs(self.data_dir).load()

    @property
    def ends(self) -> list[tuple[str, str, str]]:
        return [(one.version, one.result, one.reason) for one in self.state.history]

    def names(self) -> set[str]:
        return {path.name for path in (self.data_dir / "programs").iterdir()}


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    hub = Hub(tmp_path)
    hub.acknowledge("before")
    return hub


def test_without_an_update_the_installed_program_runs(hub: Hub) -> None:
    assert not Programs(hub.data_dir).exist()
    assert hub.trial().choose() == Choice(INSTALLED)


def test_an_update_is_tried_at_the_next_start_and_runs_once_it_is_confirmed(hub: Hub) -> None:
    hub.stage()
    choice = hub.trial().choose()
    program = hub.data_dir / "programs" / NEW / "sitehub"
    assert choice == Choice(NEW, program, is_on_trial=True)
    assert program.stat().st_mode & 0o777 == 0o700
    hub.trial(installed=NEW).confirm()
    assert hub.ends == [(NEW, "done", "")]
    assert hub.trial().choose() == Choice(NEW, program)
    # The copy of the database is not needed any more.
    assert hub.names() == {"state.json", NEW}


def test_an_update_that_fails_is_undone_with_the_database_from_before(hub: Hub) -> None:
    hub.stage()
    hub.trial().choose()
    hub.migrate()
    hub.trial().undo("it ended with status 1")
    assert hub.records() == ["before"]
    assert hub.ends == [(NEW, "undone", "it ended with status 1")]
    assert hub.trial().choose() == Choice(INSTALLED)
    assert hub.names() == {"state.json"}


def test_a_start_that_finds_a_trial_undoes_it(hub: Hub) -> None:
    hub.stage()
    hub.trial().choose()
    hub.migrate()
    assert hub.trial().choose() == Choice(INSTALLED)
    assert hub.records() == ["before"]
    assert hub.ends == [(NEW, "undone", INTERRUPTED)]


def test_a_trial_that_is_stopped_by_hand_begins_again(hub: Hub) -> None:
    hub.stage()
    hub.trial().choose()
    hub.migrate()
    hub.trial().postpone()
    assert hub.records() == ["before"]
    hub.acknowledge("meanwhile")
    assert hub.trial().choose().is_on_trial
    hub.migrate()
    hub.trial().undo("it broke")
    assert hub.records() == ["before", "meanwhile"]


def test_a_copy_that_was_made_before_the_start_is_used_unless_the_database_changed(
    hub: Hub,
) -> None:
    hub.stage()
    hub.trial().prepare()
    copy = hub.data_dir / "programs" / f"before-{NEW}.sqlite"
    made = copy.stat().st_ino
    hub.trial().choose()
    assert copy.stat().st_ino == made
    hub.trial().postpone()
    hub.trial().prepare()
    made = copy.stat().st_ino
    hub.acknowledge("after the copy")
    hub.trial().choose()
    assert copy.stat().st_ino != made
    hub.migrate()
    hub.trial().undo("it broke")
    assert hub.records() == ["before", "after the copy"]


def test_preparing_without_an_update_changes_nothing(hub: Hub) -> None:
    hub.trial().prepare()
    assert not Programs(hub.data_dir).exist()


def test_confirming_without_a_trial_changes_nothing(hub: Hub) -> None:
    hub.trial().confirm()
    hub.stage()
    hub.trial().confirm()
    assert hub.ends == []
    assert hub.trial().choose().is_on_trial


def test_the_previous_version_is_kept_and_the_one_before_removed(hub: Hub) -> None:
    for version in ("0.2.0", "0.3.0", "0.4.0"):
        hub.stage(version)
        hub.trial().choose()
        hub.trial().confirm()
    assert hub.names() == {"state.json", "0.3.0", "0.4.0"}
    assert (hub.state.previous, hub.state.current) == ("0.3.0", "0.4.0")
    hub.stage("0.5.0")
    hub.trial().choose()
    hub.trial().undo("it broke")
    assert hub.trial().choose().version == "0.4.0"
    assert hub.names() == {"state.json", "0.3.0", "0.4.0"}


def test_an_installed_program_that_is_as_new_runs_instead(hub: Hub) -> None:
    hub.stage()
    hub.trial().choose()
    hub.trial().confirm()
    assert hub.trial(installed="0.2.0").choose() == Choice("0.2.0")
    assert hub.trial(installed="0.3.0").choose() == Choice("0.3.0")


def test_an_update_that_is_older_than_what_was_installed_since_is_not_tried(hub: Hub) -> None:
    hub.stage()
    assert hub.trial(installed="0.3.0").choose() == Choice("0.3.0")
    assert hub.ends == [(NEW, "undone", "a newer version is installed")]


def test_a_missing_program_is_not_tried_and_a_missing_current_one_not_run(hub: Hub) -> None:
    hub.stage()
    (hub.data_dir / "programs" / NEW / "sitehub").unlink()
    assert hub.trial().choose() == Choice(INSTALLED)
    hub.stage()
    hub.trial().choose()
    hub.trial().confirm()
    (hub.data_dir / "programs" / NEW / "sitehub").unlink()
    assert hub.trial().choose() == Choice(INSTALLED)


def test_a_new_version_that_keeps_failing_is_left_with_what_it_acknowledged(hub: Hub) -> None:
    hub.stage()
    hub.trial().choose()
    hub.trial(installed=NEW).confirm()
    hub.acknowledge("by the new version")
    for _ in range(2):
        hub.trial().note_failure()
        assert hub.trial().choose().version == NEW
    hub.trial().note_failure()
    assert hub.trial().choose() == Choice(INSTALLED, is_on_trial=True)
    hub.trial().confirm()
    assert hub.trial().choose() == Choice(INSTALLED)
    assert hub.records() == ["before", "by the new version"]
    assert hub.ends == [(NEW, "done", ""), (NEW, "undone", FAILED_OFTEN)]
    # This is no update to leave again.
    for _ in range(5):
        hub.trial().note_failure()
    assert hub.trial().choose() == Choice(INSTALLED)


def test_a_new_version_that_keeps_failing_stays_if_the_old_one_cannot_use_its_data(
    hub: Hub,
) -> None:
    hub.stage()
    hub.trial().choose()
    hub.trial().confirm()
    for _ in range(3):
        hub.trial().note_failure()
    assert hub.trial().choose().is_on_trial
    hub.trial().undo("the database was written by a newer sitehub")
    for _ in range(5):
        hub.trial().note_failure()
        assert hub.trial().choose().version == NEW


def test_a_failure_long_after_the_update_is_no_reason_to_leave_it(hub: Hub) -> None:
    hub.stage()
    hub.trial().choose()
    hub.trial().confirm()
    later = hub.trial(now=lambda: 1000.0 + 3600.0)
    for _ in range(5):
        later.note_failure()
    assert hub.trial().choose().version == NEW
    assert hub.state.failures == 0


def test_the_way_back_is_the_version_before_the_current_one(hub: Hub) -> None:
    assert way_back(hub.state) == ""
    for version in ("0.2.0", "0.3.0"):
        before = hub.trial().choose().version
        hub.stage(version, before=before)
        hub.trial().choose()
        hub.trial().confirm()
    assert way_back(hub.state) == "0.2.0"


def test_links_are_not_run(hub: Hub, tmp_path: Path) -> None:
    hub.stage()
    program = hub.data_dir / "programs" / NEW / "sitehub"
    program.rename(tmp_path / "elsewhere")
    program.symlink_to(tmp_path / "elsewhere")
    assert hub.trial().choose() == Choice(INSTALLED)
    folder = hub.data_dir / "programs"
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved")
    with pytest.raises(StartFault, match="is a link"):
        hub.trial().choose()


def test_a_state_that_cannot_be_read_means_the_newest_program(hub: Hub) -> None:
    hub.stage()
    hub.trial().choose()
    hub.trial().confirm()
    (hub.data_dir / "programs" / "state.json").write_bytes(b"\0\0\0")
    assert hub.trial().choose().version == NEW


def test_the_history_is_bounded(hub: Hub) -> None:
    for _ in range(MAX_HISTORY + 3):
        hub.stage()
        hub.trial().undo("it broke")
    assert len(hub.state.history) == MAX_HISTORY


def test_a_database_that_cannot_be_copied_is_not_tried_on(hub: Hub) -> None:
    hub.stage()
    (hub.data_dir / "programs" / f"before-{NEW}.sqlite.partial").mkdir()
    assert hub.trial().choose() == Choice(INSTALLED)
    [(_, result, reason)] = hub.ends
    assert result == "undone"
    assert reason.startswith("the database could not be copied: ")


def test_on_a_full_disk_the_trial_waits_and_its_end_is_recorded_later(hub: Hub) -> None:
    hub.stage()
    with pytest.raises(OSError, match="No space"):
        hub.trial(FullSteps("write")).choose()
    assert hub.state.candidate is not None
    assert hub.trial().current() == Choice(INSTALLED)
    hub.trial().choose()
    hub.migrate()
    with pytest.raises(OSError, match="No space"):
        hub.trial(FullSteps("write")).choose()
    # The old version runs, with its database, and what it acknowledges now stays.
    assert hub.trial().current() == Choice(INSTALLED)
    hub.acknowledge("meanwhile")
    assert hub.trial().choose() == Choice(INSTALLED)
    assert hub.records() == ["before", "meanwhile"]


class Life:
    """What happens to a hub from an update on, with the power cut at one step."""

    def __init__(self, hub: Hub, new_version_works: bool, copies_early: bool) -> None:
        self.hub = hub
        self.works = new_version_works
        self.copies_early = copies_early
        self.acknowledged = ["before"]

    def run(self, steps: Steps) -> None:
        """Stage the update, and start the hub until it serves."""
        self.hub.stage(steps=steps)
        if self.copies_early:
            self.hub.trial(steps).prepare()
        self.start(steps)

    def start(self, steps: Steps) -> str:
        """Start the hub; return the version that serves. Each acknowledges one record."""
        while (choice := self.hub.trial(steps).choose()).is_on_trial:
            self.hub.migrate()
            if self.works:
                self.hub.trial(steps, installed=NEW).confirm()
            else:
                self.hub.trial(steps).undo("it broke")
        if choice.version == INSTALLED:
            text = f"record {len(self.acknowledged)}"
            self.hub.acknowledge(text)
            self.acknowledged.append(text)
        return choice.version


def steps_of(make: Callable[[Path], Life], tmp_path: Path) -> int:
    steps = CutSteps()
    make(tmp_path / "count").run(steps)
    return steps.count


@pytest.mark.parametrize("early", [False, True], ids=["", "copied early"])
@pytest.mark.parametrize("works", [False, True], ids=["broken update", "good update"])
def test_after_a_power_cut_at_any_step_the_hub_starts_with_all_records(
    works: bool, early: bool, tmp_path: Path
) -> None:
    def life(folder: Path) -> Life:
        folder.mkdir()
        hub = Hub(folder)
        hub.acknowledge("before")
        return Life(hub, works, early)

    count = steps_of(life, tmp_path)
    assert count > 15
    versions = set()
    for at in range(count):
        one = life(tmp_path / f"cut {at}")
        with suppress(PowerCut):
            one.run(CutSteps(at))
        # Twice: what is left is clean.
        for _ in range(2):
            version = one.start(Steps())
            versions.add(version)
            if version == INSTALLED:
                assert one.hub.records() == one.acknowledged
        assert one.hub.state.candidate is None
    assert versions == ({INSTALLED, NEW} if works else {INSTALLED})


@pytest.mark.parametrize("second", range(0, 40, 3))
def test_a_second_power_cut_while_a_trial_is_undone_changes_nothing(
    second: int, tmp_path: Path
) -> None:
    tmp_path.joinpath("hub").mkdir()
    hub = Hub(tmp_path / "hub")
    hub.acknowledge("before")
    hub.stage()
    hub.trial().choose()
    hub.migrate()
    with suppress(PowerCut):
        hub.trial(CutSteps(second)).choose()
    assert hub.trial().choose() == Choice(INSTALLED)
    assert hub.records() == ["before"]
