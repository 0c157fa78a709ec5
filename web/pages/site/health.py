"""Whether the site is well, what is not, what to do about it, and the checks of the doctor."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from quart import Blueprint, Response

from hub.services.doctor.findings import Finding, State
from hub.services.doctor.texts import sentences_of
from hub.services.problems import CHECKS
from web import auth, language
from web.language import gettext
from web.pages.labels import health_sentence
from web.pages.layout import page, redirect_to
from web.pages.shown.camera_rows import ShownState, shown_state
from web.pages.site.problems import ShownProblem, current_problems, finding_sentence
from web.pages.site.sections import Section, make_section

blueprint = Blueprint("health", __name__, url_prefix="/site/health")


class ShownCheck(Struct, frozen=True):
    """A row of the checks."""

    name: str
    state: State
    text: str


class ShownRun(Struct, frozen=True):
    """A check of everything that is in progress. `part`: "" if it is unknown."""

    name: str
    part: str


class NotedCamera(Struct, frozen=True):
    """A camera that is offline or refused: a note, not a problem of the hub."""

    name: str
    url: str


class HealthView(Struct, frozen=True):
    """What the page shows. `slow`: of the last check of everything, which ended at `checked_at`."""

    problems: list[ShownProblem]
    offline: list[NotedCamera]
    refused: list[NotedCamera]
    quick: list[ShownCheck]
    slow: list[ShownCheck]
    checked_at: str
    run: ShownRun | None
    has_lost: bool
    has_lost_changes: bool


async def section() -> Section:
    """Open while somebody has to do something."""
    view = await _view()
    is_open = bool(view.problems or view.refused or view.offline or view.run)
    return await make_section(
        "health",
        gettext("Health"),
        gettext("What is wrong, what to do, and the checks."),
        "site/_health_section.html",
        is_open=is_open,
        view=view,
    )


@blueprint.get("/now", role="admin")
async def now() -> Response:
    """The part that changes."""
    return await page("site/_health.html", view=await _view())


@blueprint.post("/check", role="admin")
async def check() -> Response:
    """Start to check everything."""
    auth.services().upkeep.health_checks.start()
    return redirect_to("/site#everything")


@blueprint.post("/accept-lost", role="admin")
async def accept_lost() -> Response:
    """Take note of pictures and changes that are lost."""
    await auth.services().upkeep.lost_pictures.accept(auth.actor())
    return redirect_to("/site?done=changed#health")


async def _view() -> HealthView:
    checks = auth.services().upkeep.health_checks
    quick = await checks.quick()
    full = checks.last_full
    slow = full.findings if full else ()
    return HealthView(
        problems=await current_problems(),
        offline=_offline(),
        refused=_noted("refused"),
        quick=[*(_shown(finding) for finding in quick), *_met(quick)],
        slow=[_shown(finding) for finding in slow],
        checked_at=language.moment(full.ended_at) if full else "",
        run=_run(),
        has_lost=bool(auth.services().upkeep.lost_pictures.unaccepted()),
        has_lost_changes=auth.services().upkeep.lost_pictures.has_changes,
    )


def _offline() -> list[NotedCamera]:
    """The cameras that are offline; none if all are, which is a problem of its own."""
    if any(reason.code == "cameras-offline" for reason in auth.services().upkeep.health.reasons()):
        return []
    return _noted("offline")


def _noted(state: ShownState) -> list[NotedCamera]:
    return [
        NotedCamera(one.name or one.sn, f"/cameras/{one.did}")
        for one in auth.services().cameras.devices.list()
        if shown_state(one) == state
    ]


def _shown(finding: Finding) -> ShownCheck:
    text = finding_sentence(sentences_of(finding.code).found, finding)
    return ShownCheck(gettext(CHECKS[finding.check].name), finding.state, text)


def _met(findings: list[Finding]) -> Iterator[ShownCheck]:
    """What the hub met by itself, without what a check has found too."""
    found = {finding.code for finding in findings}
    for reason in auth.services().upkeep.health.reasons():
        if reason.problem.check and reason.code not in found:
            state: State = "failed" if reason.is_serious else "warning"
            yield ShownCheck(gettext(reason.problem.check), state, health_sentence(reason))


def _run() -> ShownRun | None:
    running = auth.services().upkeep.health_checks.running
    if running is None:
        return None
    part = "" if running.part is None else f"{running.part:.2f}"
    return ShownRun(gettext(CHECKS[running.check].name), part)
