"""The service control manager of Windows, as far as a service notices it, on any system."""

from __future__ import annotations

import threading
from collections.abc import Callable

from hub.service_manager.windows.control_manager import Phase, Report

_PATIENCE_SECONDS = 30.0


class FakeControlManager:
    """Calls back in threads of its own, as Windows does."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.reports: list[Report] = []
        self._refuses = refuses
        self._heard = threading.Condition()
        self._handle: Callable[[int], int] | None = None

    def dispatch(self, main: Callable[[], None]) -> None:
        if self._refuses:
            raise OSError(1063, "the process was not started by the manager")
        work = threading.Thread(target=main)
        work.start()
        work.join()

    def register(self, handle: Callable[[int], int]) -> None:
        self._handle = handle

    def report(self, report: Report) -> None:
        with self._heard:
            self.reports.append(report)
            self._heard.notify_all()

    def control(self, number: int) -> int:
        """What somebody asks of the service, in a thread that is not the service's."""
        assert self._handle is not None
        answers: list[int] = []
        asking = threading.Thread(target=lambda: answers.append(self._handle(number)))  # type: ignore[misc]
        asking.start()
        asking.join(_PATIENCE_SECONDS)
        return answers[0]

    def wait_for(self, phase: Phase) -> None:
        with self._heard:
            assert self._heard.wait_for(
                lambda: any(report.phase == phase for report in self.reports), _PATIENCE_SECONDS
            )

    @property
    def phases(self) -> list[Phase]:
        """Without repeats."""
        told = [report.phase for report in self.reports]
        return [phase for i, phase in enumerate(told) if i == 0 or told[i - 1] != phase]
