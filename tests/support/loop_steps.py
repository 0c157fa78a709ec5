"""How long the tasks of a test keep the event loop, in processor time of its thread.

Processor time, not the time of the clock: other programs do not count. The garbage collector does
not run meanwhile, since in a test it visits far more than in a hub.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

import trio


class Steps(trio.abc.Instrument):
    """The longest step of the tasks with this name; a step ends where a task waits."""

    def __init__(self, name: str) -> None:
        self.longest = 0.0
        self._name = name
        self._began = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._began = time.thread_time_ns() if self._name in task.name else 0

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if self._began:
            self.longest = max(self.longest, (time.thread_time_ns() - self._began) / 1e9)


@contextmanager
def measured_steps(name: str) -> Iterator[Steps]:
    """Measure the tasks whose names contain `name`."""
    steps = Steps(name)
    trio.lowlevel.add_instrument(steps)
    gc.disable()
    try:
        yield steps
    finally:
        gc.enable()
        trio.lowlevel.remove_instrument(steps)
