"""`sitehub doctor`: checks whether everything is well, and says what to do if not."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.cli.options import data_option
from hub.errors import HubError, StartFault

if TYPE_CHECKING:
    from hub.config import Config
    from hub.process.data_directory import Holder
    from hub.services.doctor.check_context import CheckContext
    from hub.services.doctor.findings import CheckName, Finding

_DONE, _FAILED = 0, 1
_WORDS = {"ok": "ok", "warning": "warning", "failed": "FAILED"}
_PROGRESS_SECONDS = 0.5
#: A hub that takes longer for the quick checks does not respond.
_RESPONSE_SECONDS = 20.0


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@click.option("--quick", is_flag=True, help="Skip the checks that read everything that is stored.")
@click.option(
    "--rebuild",
    "way",
    flag_value="rebuild",
    help="Restore the records that the packs hold and the database lacks.",
)
@click.option(
    "--set-aside",
    "way",
    flag_value="set-aside",
    help="Go on without those records; keep them in media/set-aside.",
)
@click.option(
    "--bring-back",
    "way",
    flag_value="bring-back",
    help="Like --rebuild, and restore what is in media/set-aside as well.",
)
@click.option(
    "--with-erased",
    is_flag=True,
    help="With --bring-back: even if this may restore records of people who were erased since.",
)
@click.option(
    "--accept-lost",
    "way",
    flag_value="accept-lost",
    help="Acknowledge lost pictures and changes, so that they are no longer reported.",
)
@data_option()
def doctor(data_dir: Path, as_json: bool, quick: bool, way: str | None, with_erased: bool) -> int:
    """Check whether everything is well, and say what to do if not.

    Works with a running hub, which it does not disturb, and without one. One line for each check:
    ok, warning or FAILED. Exit status: 0, or 1 if any check failed.

    With --rebuild, --set-aside or --bring-back nothing is checked. Use them if the hub does not
    start because its database is older than its packs, or missing; the hub must not be running.
    --accept-lost stops reporting pictures and changes that are lost for good; it works beside a
    running hub.
    """
    from hub.cli.output import print_json
    from hub.cli.recovery import run_bring_back, run_rebuild, run_set_aside

    if with_erased and way != "bring-back":
        raise click.UsageError("--with-erased is for --bring-back")
    if way in ("rebuild", "bring-back"):
        with _Progress(sys.stderr.isatty()) as progress:

            def show(part: float) -> None:
                progress.show("records", part)

            if way == "rebuild":
                run_rebuild(data_dir, show)
            else:
                run_bring_back(data_dir, show, with_erased=with_erased)
        return _DONE
    if way == "set-aside":
        run_set_aside(data_dir)
        return _DONE
    if way == "accept-lost":
        _accept_lost(data_dir)
        return _DONE

    findings: list[Finding] = []
    with _Progress(sys.stderr.isatty()) as progress:
        for finding in _examine(data_dir, progress, quick=quick):
            findings.append(finding)
            if not as_json:
                progress.clear()
                _print(finding)
    if as_json:
        print_json([_as_object(finding) for finding in findings])
    return _FAILED if any(finding.state == "failed" for finding in findings) else _DONE


def _accept_lost(data_dir: Path) -> None:
    from hub.cli.output import print_line
    from hub.cli.requests import execute
    from hub.process.control.status import AcceptLostPictures

    for text in execute(data_dir, AcceptLostPictures()) or ["nothing new is lost"]:
        print_line(text)


def _examine(data_dir: Path, progress: _Progress, *, quick: bool) -> Iterator[Finding]:
    """Yield the findings of the checks as they become known."""
    from hub.process import data_directory
    from hub.services.doctor.checks import run_quick, run_slow
    from hub.services.doctor.findings import failed, ok

    data_directory.act_for_owner(data_dir)
    holder = data_directory.holder_of(data_dir)
    config, problem = _config(data_dir)
    context = _check_context(data_dir, config, holder)
    found = _ask(data_dir) if context.hub is not None else None
    if found is not None:
        yield from found
    else:
        if context.hub is not None:
            yield failed("hub", "hub-silent", process=str(context.hub))
        if problem:
            yield failed("settings", "settings-bad", reason=problem)
        else:
            yield ok("settings", "settings-ok")
        yield from run_quick(context)
    if not quick:
        yield from run_slow(context, progress.show)


def _config(data_dir: Path) -> tuple[Config, str]:
    """Return the settings, or the defaults and what is wrong with the settings."""
    from hub.config import Config
    from hub.config_sources import load

    try:
        return load(data_dir, environment=os.environ), ""
    except StartFault as fault:
        return Config(), fault.message


def _check_context(data_dir: Path, config: Config, holder: Holder | None) -> CheckContext:
    from hub.services.doctor.check_context import CheckContext
    from hub.services.site import host_zone_name

    return CheckContext(
        data_dir=data_dir,
        config=config,
        now=time.time,
        hub=holder.pid if holder is not None and holder.role == "hub" else None,
        zone=config.site.timezone or host_zone_name(),
    )


def _ask(data_dir: Path) -> list[Finding] | None:
    """Have the running hub run the quick checks; None if it does not respond."""
    from hub.process.control import client
    from hub.process.control.status import RunQuickChecks

    with suppress(HubError):
        return client.ask_running_hub(data_dir, RunQuickChecks(), _RESPONSE_SECONDS)
    return None


def _print(finding: Finding) -> None:
    from hub.cli.output import print_line

    words = " ".join(filter(None, (finding.text, finding.advice)))
    print_line(f"{_WORDS[finding.state]:<8} {finding.check:<12} {' '.join(words.split())}")


def _as_object(finding: Finding) -> dict[str, object]:
    return {
        "check": finding.check,
        "state": finding.state,
        "code": finding.code,
        "text": finding.text,
        "advice": finding.advice,
        "args": {name: str(value) for name, value in finding.args.items()},
    }


class _Progress:
    """Shows progress in one line on stderr if that is a terminal."""

    def __init__(self, is_terminal: bool) -> None:
        self._is_terminal = is_terminal
        self._shown = ""
        self._next = 0.0
        self._began: dict[str, float] = {}

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.clear()

    def show(self, check: CheckName, part: float | None) -> None:
        """Show the progress of a check: 0 to 1, None if unknown."""
        now = time.monotonic()
        began = self._began.setdefault(check, now)
        if not self._is_terminal or now < self._next:
            return
        self._next = now + _PROGRESS_SECONDS
        done = f"{now - began:.0f} s" if part is None else f"{part:.0%}"
        self.clear()
        self._shown = f"         {check:<12} {done}"
        click.echo(self._shown, nl=False, err=True)

    def clear(self) -> None:
        """Remove the line."""
        if self._shown:
            click.echo("\r" + " " * len(self._shown) + "\r", nl=False, err=True)
            self._shown = ""
