"""A fake of the Windows service control manager, which runs on any system."""

from __future__ import annotations

import threading
from collections.abc import Callable

from hub.service_manager.windows.control_manager import Phase, Report

_TIMEOUT_SECONDS = 30.0


class FakeControlManager:
    """Calls the service in separate threads, as Windows does."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.reports: list[Report] = []
        self._refuses = refuses
        self._reported = threading.Condition()
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
        with self._reported:
            self.reports.append(report)
            self._reported.notify_all()

    def control(self, number: int) -> int:
        """Send a control code to the service, and return its response."""
        assert self._handle is not None
        responses: list[int] = []
        sender = threading.Thread(target=lambda: responses.append(self._handle(number)))  # type: ignore[misc]
        sender.start()
        sender.join(_TIMEOUT_SECONDS)
        return responses[0]

    def wait_for(self, phase: Phase) -> None:
        with self._reported:
            assert self._reported.wait_for(
                lambda: any(report.phase == phase for report in self.reports), _TIMEOUT_SECONDS
            )

    @property
    def phases(self) -> list[Phase]:
        """The reported phases, without repetitions."""
        phases = [report.phase for report in self.reports]
        return [phase for i, phase in enumerate(phases) if i == 0 or phases[i - 1] != phase]
