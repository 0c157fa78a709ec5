"""Which program a start runs, and the trial of a new one.

    staged ──start──▶ trying ──healthy──▶ confirmed
      ▲                 │
      └─stopped by hand─┤
                        └─fails, hangs, is killed, power cut──▶ undone

Each arrow is one write of the state, made durable before anything is done that depends on it:
"trying" is on the disk before the program is started, and the copy of the database before that. So
whatever a start finds, it knows what to do: "trying" at a start means that the trial did not
succeed. A program on trial serves nobody before it has confirmed itself, so that what the copy of
the database does not have was never acknowledged.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from hub.errors import HubError
from hub.update.programs import (
    MAX_HISTORY,
    Candidate,
    Outcome,
    Programs,
    UpdateState,
    version_key,
    way_back,
)

INTERRUPTED = "the computer or the hub was stopped before the new version was ready"

#: Who goes back if a new version fails often.
HUB = "hub"
FAILED_OFTEN = "it failed several times in its first minutes"
NOT_READY = "it was not ready in time"
PROGRAM_MISSING = "its program is missing"


#: A new version that fails so often ...
_MAX_FAILURES = 3
#: ... within this time after it was confirmed is left again.
_PROBATION_SECONDS = 600.0


class TrialDatabase(Protocol):
    """The database of the data directory, while no hub uses it."""

    def copy(self, target: Path) -> None:
        """Make a durable copy; nothing is at `target` before it is complete. Raises OSError."""

    def stamp(self) -> str:
        """Return a text that changes with the database; empty if that cannot be said."""

    def put_back(self, copy: Path) -> None:
        """Replace the database by the copy, which is used up.

        Repeating an interrupted call completes it. Raises OSError.
        """


class Choice(Struct, frozen=True):
    """The program to run; `program` None is the installed one."""

    version: str
    program: Path | None = None
    is_on_trial: bool = False


class Trial:
    """Decides about programs of a data directory, whose lock the caller holds."""

    def __init__(
        self,
        programs: Programs,
        database: TrialDatabase,
        installed: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`installed` is the version of the installed program."""
        self._programs = programs
        self._database = database
        self._installed = installed
        self._now = now

    def choose(self) -> Choice:
        """Undo a trial that did not succeed, begin one that is due, and return what to run.

        Raises OSError if the outcome of a trial cannot be recorded; the same is done again at the
        next start.
        """
        state = self._programs.load()
        if state.candidate is not None and state.candidate.phase == "trying":
            state = self.undo(INTERRUPTED)
        if state.candidate is None:
            return self._current(state)
        return self._begin(state, state.candidate)

    def prepare(self) -> None:
        """Copy the database for a trial now, so that the start that begins it is fast.

        Does nothing if no update is staged. If this fails, the start does it.
        """
        state = self._programs.load()
        if state.candidate is None or state.candidate.phase != "staged":
            return
        with suppress(OSError, HubError):
            self._database.copy(self._programs.database_copy(state.candidate.version))
            candidate = replace(state.candidate, copied=self._database.stamp())
            self._programs.save(replace(state, candidate=candidate))

    def current(self) -> Choice:
        """Return the program to run without any trial."""
        return self._current(self._programs.load())

    def confirm(self) -> None:
        """Make the program on trial the current one. Raises OSError; it is then not confirmed."""
        state = self._programs.load()
        candidate = _on_trial(state)
        if candidate is None:
            return
        has_program = self._programs.program(candidate.version) is not None
        current = candidate.version if has_program else ""
        confirmed = replace(
            state, current=current, previous=state.current, candidate=None, failures=0
        )
        outcome = self._outcome(candidate, "done")
        if candidate.by == HUB:
            outcome = replace(
                outcome,
                version=candidate.before,
                before=candidate.version,
                result="undone",
                reason=FAILED_OFTEN,
            )
        self._record(confirmed, outcome)

    def undo(self, reason: str) -> UpdateState:
        """Put the database back, and return to the current program. Returns the new state."""
        state = self._programs.load()
        candidate = state.candidate
        if candidate is None:
            return state
        copy = self._programs.database_copy(candidate.version)
        # A copy that is gone was put back before an earlier call was interrupted.
        if candidate.phase == "trying" and copy.exists():
            self._database.put_back(copy)
        outcome = self._outcome(candidate, "undone", reason)
        return self._record(replace(state, candidate=None), outcome)

    def note_failure(self) -> None:
        """Note that the current program failed. If it is new, and does so often, leave it again.

        What it has acknowledged stays: the version before is tried on the database as it is. If
        that one cannot use it, the current program stays.
        """
        state = self._programs.load()
        last = state.history[-1] if state.history else None
        if last is None or last.result != "done" or last.version != state.current:
            return
        if abs(self._now() - last.at / 1000) > _PROBATION_SECONDS:
            return
        state = replace(state, failures=state.failures + 1)
        if state.failures == _MAX_FAILURES and (version := way_back(state)):
            candidate = Candidate(
                version=version,
                before=state.current,
                phase="staged",
                by=HUB,
                at=int(self._now() * 1000),
                goes_back=True,
            )
            state = replace(state, candidate=candidate)
        self._programs.save(state)

    def postpone(self) -> None:
        """Put the database back, and try the program again at the next start."""
        state = self._programs.load()
        if (candidate := _on_trial(state)) is None:
            return
        copy = self._programs.database_copy(candidate.version)
        if copy.exists():
            self._database.put_back(copy)
        self._programs.save(replace(state, candidate=replace(candidate, phase="staged", copied="")))

    def _begin(self, state: UpdateState, candidate: Candidate) -> Choice:
        program = self._programs.program(candidate.version)
        if program is None and candidate.version != self._installed:
            return self._current(self.undo(PROGRAM_MISSING))
        if not candidate.goes_back and not self._is_newer(candidate.version, state):
            return self._current(self.undo("a newer version is installed"))
        try:
            self._copy_unless_done(candidate)
        except (OSError, HubError) as error:
            return self._current(self.undo(f"the database could not be copied: {error}"))
        self._programs.save(replace(state, candidate=replace(candidate, phase="trying")))
        return Choice(candidate.version, program, is_on_trial=True)

    def _copy_unless_done(self, candidate: Candidate) -> None:
        copy = self._programs.database_copy(candidate.version)
        is_done = candidate.copied and candidate.copied == self._database.stamp() and copy.exists()
        if not is_done:
            self._database.copy(copy)

    def _current(self, state: UpdateState) -> Choice:
        """Return the current program; the installed one if that is as new, or there is no other."""
        if self._is_newer(state.current or self._installed, UpdateState()):
            program = self._programs.program(state.current)
            if program is not None:
                return Choice(state.current, program)
        return Choice(self._installed)

    def _is_newer(self, version: str, state: UpdateState) -> bool:
        others = (self._installed, state.current or self._installed)
        return version_key(version) > max(map(version_key, others))

    def _record(self, state: UpdateState, outcome: Outcome) -> UpdateState:
        state = replace(state, history=(*state.history, outcome)[-MAX_HISTORY:])
        self._programs.save(state)
        self._programs.clean(state)
        return state

    def _outcome(self, candidate: Candidate, result: str, reason: str = "") -> Outcome:
        return Outcome(
            version=candidate.version,
            before=candidate.before,
            result="done" if result == "done" else "undone",
            at=int(self._now() * 1000),
            by=candidate.by,
            address=candidate.address,
            reason=reason,
        )


def _on_trial(state: UpdateState) -> Candidate | None:
    candidate = state.candidate
    return candidate if candidate is not None and candidate.phase == "trying" else None
