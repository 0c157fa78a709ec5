"""The entry point: runs the command line, and turns errors into one line and an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from hub.cli import sitehub
from hub.errors import hub_error_in, os_error_in, os_error_text
from hub.process import executable
from hub.process.bounded_end import exit_process

_DONE, _FAILED, _WRONG_USAGE = 0, 1, 2
#: The fields of a CommandOutcome, whose module a command does without.
_Outcome = tuple[int, str, bool]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command `sitehub`, or `python -m hub`, and exit."""
    executable.prepare_process()
    _open_missing_streams()
    for stream in (sys.stdout, sys.stderr):
        # Characters that the console cannot show must not end a command.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    exit_process(run(arguments) if arguments or sys.argv[1:] else _run_without_arguments())


def _open_missing_streams() -> None:
    """Open the null device for standard streams that are None, as in a service without a console.

    Opened in this order they get the descriptors 0 to 2, which no socket or database must have.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))


def _run_without_arguments() -> int:
    from hub.cli.run import double_click

    if double_click.is_double_click([]):
        return double_click.serve(lambda words: double_click.CommandOutcome(*_execute(words)))
    return run()


def run(arguments: Sequence[str] | None = None) -> int:
    """Execute one command line and return the exit status."""
    return _execute(arguments)[0]


def _execute(arguments: Sequence[str] | None) -> _Outcome:
    try:
        status = sitehub.main(arguments, prog_name="sitehub", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        return _WRONG_USAGE, "", False
    except (click.Abort, KeyboardInterrupt):
        return _failed("cancelled")
    except click.ClickException as error:
        return _failed(error.format_message())
    except Exception as error:
        from hub.process.data_directory import DirectoryInUse

        fault, refusal = hub_error_in(error), os_error_in(error)
        if fault is None and refusal is not None:
            return _failed(os_error_text(refusal))
        return _failed(
            fault.message if fault else f"internal error, {_report_text(error)}",
            already_running=isinstance(fault, DirectoryInUse) and fault.is_held_by_hub,
        )
    return status if isinstance(status, int) else _DONE, "", False


def _failed(message: str, *, already_running: bool = False) -> _Outcome:
    from hub.cli.output import print_line

    line = f"sitehub: {' '.join(message.split())}"
    print_line(line, err=True)
    return _FAILED, line, already_running


def _report_text(error: Exception) -> str:
    """Describe an unexpected error in one line, with where it was raised."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = (
        f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown location"
    )
    return f"please report it: {type(error).__name__}: {error} ({where})"


if __name__ == "__main__":
    main()
