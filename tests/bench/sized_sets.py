"""What the measurements of the record log share: sets of some sizes, and percentiles."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

from tests.bench.record_sets import make_records


def measure_sets(measure: Callable[[Path, list[str]], Awaitable[None]], description: str) -> None:
    """Make a set of each size that the command line asks for, and `measure` it.

    `measure` gets the set's directory, and the names of the only questions to ask; all if empty.
    """
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("--records", type=int, nargs="+", default=[100_000, 1_000_000])
    arguments.add_argument("--sets", type=Path, help="where the sets are kept")
    arguments.add_argument("--only", nargs="*", default=[], help="questions by name")
    given = arguments.parse_args()
    with ExitStack() as stack:
        sets = given.sets or Path(stack.enter_context(TemporaryDirectory(prefix="sitehub-bench-")))
        for count in given.records:
            data_dir = sets / f"records-{count}"
            make_records(data_dir, count)
            print(f"\n{count:,} records")
            trio.run(measure, data_dir, given.only)


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
