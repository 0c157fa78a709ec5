"""Cells and headings of reports as text, in the current language and the zone of the site."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hub.services.reports.delivery import CameraNames
from hub.services.reports.report import Cell, Column, PlainCell
from hub.wire import code_tables
from hub.wire.uploads.records import HubDetail
from web import language
from web.language import gettext
from web.pages.actors import actor_text
from web.pages.labels import duration, hub_sentence
from web.pages.reports import labels

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Cells:
    """Turns raw cells into text. `pages`: for people on a page; otherwise for a spreadsheet."""

    def __init__(self, zone: ZoneInfo, names: CameraNames, *, pages: bool = False) -> None:
        self.zone = zone
        self._names = names
        self._pages = pages

    def heading(self, column: Column) -> str:
        """Return the name of a column; an hour of the day names itself."""
        return _name(labels.COLUMNS, column.name)

    def text(self, column: Column, cell: Cell) -> str:
        """Return a cell as text; "" if there is none, but for the end of what still lasts."""
        if cell is None:
            return gettext("still lasts") if column.name == "until" else ""
        if isinstance(cell, HubDetail):
            return hub_sentence(cell, str(cell.args.get("camera", "")))
        match column.kind:
            case "camera":
                return self.camera(str(cell))
            case "code" if column.name == "event_type":
                return code_tables.event_name(int(cell), language.current().code)
            case "code":
                return gettext(labels.CODES[column.name].get(str(cell), str(cell)))
            case "text" if column.name == "who":
                return actor_text(str(cell)) if cell else gettext("automatically")
            case "clock":
                return f"{self.local(cell):%H:%M:%S}"
            case "moment":
                return self._moment(cell)
            case "day":
                return self._day(str(cell))
            case "length":
                return length_text(int(cell), pages=self._pages)
            case "percent":
                return f"{cell:.2f}" if isinstance(cell, int | float) else str(cell)
        return str(cell)

    def camera(self, did: str) -> str:
        return self._names.get(did, did)

    def local(self, cell: PlainCell) -> datetime:
        """Return UNIX milliseconds as a time of the site."""
        return (_EPOCH + timedelta(milliseconds=int(cell or 0))).astimezone(self.zone)

    def _moment(self, cell: PlainCell) -> str:
        if self._pages:
            return language.current().moment(int(cell or 0), self.zone)
        return f"{self.local(cell):%Y-%m-%d %H:%M:%S}"

    def _day(self, text: str) -> str:
        if not self._pages:
            return text
        return language.current().long_day(date.fromisoformat(text))


def length_text(seconds: int, *, pages: bool) -> str:
    """Return a duration: in words on a page, as H:MM:SS in a spreadsheet."""
    if pages:
        return duration(seconds) or gettext("%(n)s s") % {"n": 0}
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def series_name(name: str) -> str:
    """Return the name of a series of a chart."""
    return _name(labels.SERIES, name)


def _name(names: Mapping[str, str], name: str) -> str:
    return gettext(names[name]) if name in names else name
