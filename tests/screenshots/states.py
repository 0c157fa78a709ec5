"""Further states of pages: each kind of report, and lists in which nothing is found."""

from __future__ import annotations

from tests.e2e.pages import Page

_REPORT = "/reports/<kind>"
_ABSENT = "zzz"

STATES = (
    *(
        Page(_REPORT, f"/reports/{kind}", kind)
        for kind in ("captures", "attendance", "plates", "alarms", "availability")
    ),
    Page(_REPORT, "/reports/captures?period=month", "month"),
    Page("/", "/?kind=access", "one-kind"),
    Page("/search", f"/search?name={_ABSENT}", "nothing-found"),
    Page("/people", f"/people?q={_ABSENT}", "nothing-found"),
    Page("/cameras", f"/cameras?name={_ABSENT}", "nothing-found"),
    Page("/alarms", "/alarms?state=closed", "nothing-found"),
    Page("/site/audit", f"/site/audit?target={_ABSENT}", "nothing-found"),
)
