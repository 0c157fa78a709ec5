"""What is not well with the site, in the order in which a person should see to it.

Of each problem: what is so, what it means for the site, what to do, and the page where it is done.
What only a technician understands is a detail.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from hub.services.doctor.findings import Finding, State
from hub.services.doctor.texts import sentences_of
from hub.services.problems import CHECKS, PROBLEMS, HealthReason, Level, Page
from web import auth
from web.language import gettext
from web.pages.labels import health_advice, health_sentence, shown_value

#: The most serious first. What a check found ranks as high as what the hub itself says so of.
_RANKS: tuple[Level | State, ...] = ("fault", "failed", "serious", "notice", "warning")


class ShownProblem(Struct, frozen=True):
    """Something that a person has to do something about. `is_serious`: at once.

    `detail`: for a technician. `code`: the key of a problem that the hub reports, to which banners
    link; "" for what checks find.
    """

    text: str
    meaning: str
    advice: str
    is_serious: bool
    url: str = ""
    link: str = ""
    detail: str = ""
    code: str = ""


async def current_problems() -> list[ShownProblem]:
    """What is not well, by the health of the hub and the checks; the most serious first."""
    checks = auth.services().upkeep.health_checks
    full = checks.last_full
    findings = [*await checks.quick(), *(full.findings if full else ())]
    found = [*_reported(), *_found(findings)]
    found.sort(key=lambda item: _RANKS.index(item[0]))
    return [problem for _, problem in found]


def finding_sentence(text: str, finding: Finding) -> str:
    """A sentence of the doctor in the language of the request."""
    args = {name: shown_value(value) for name, value in finding.args.items()}
    return gettext(text) % args if text else ""


def _reported() -> list[tuple[Level | State, ShownProblem]]:
    return [
        (reason.problem.level, _reported_problem(reason))
        for reason in auth.services().upkeep.health.reasons()
    ]


def _reported_problem(reason: HealthReason) -> ShownProblem:
    problem = reason.problem
    url, link = _shown_page(problem.page)
    return ShownProblem(
        text=health_sentence(reason),
        meaning=gettext(problem.meaning),
        advice=health_advice(reason),
        is_serious=reason.is_serious,
        url=f"/cameras/{reason.did}/manage#unsigned" if reason.did else url,
        link=gettext("Review the differences") if reason.did else link,
        detail=reason.rows or str(reason.args.get(problem.detail, "")),
        code=reason.key,
    )


def _found(findings: list[Finding]) -> Iterator[tuple[Level | State, ShownProblem]]:
    """What the checks found, without what the health of the hub reports by the same code."""
    reported = {reason.code for reason in auth.services().upkeep.health.reasons()}
    for finding in findings:
        if finding.state != "ok" and finding.code not in reported:
            check = CHECKS[finding.check]
            about = PROBLEMS.get(finding.code, check)
            sentences = sentences_of(finding.code)
            found, meaning = finding_sentence(sentences.found, finding), gettext(about.meaning)
            url, link = _shown_page(about.page)
            yield (
                finding.state,
                ShownProblem(
                    text=meaning if check.is_technical else found,
                    meaning="" if check.is_technical else meaning,
                    advice=finding_sentence(sentences.advice, finding),
                    is_serious=finding.state == "failed",
                    url=url,
                    link=link,
                    detail=found if check.is_technical else "",
                ),
            )


def _shown_page(page: Page | None) -> tuple[str, str]:
    return ("", "") if page is None else (page.url, gettext(page.name))
