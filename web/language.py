"""The two languages of the pages: selection per request, translations, dates and times.

The language and the zone of a task hold for what it renders outside its request too: streams,
and files that are made in a thread.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta, tzinfo
from datetime import date as Date
from functools import cached_property
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Literal

from babel import Locale
from babel.dates import format_date, format_datetime, get_day_names
from msgspec import Struct
from werkzeug.datastructures import LanguageAccept

Code = Literal["en", "zh"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Stands for a time that cannot be read any more.
_UNKNOWN_TIME = 0
_TRANSLATIONS = Path(__file__).parent / "translations"
#: The Chinese texts of the pages, and behind them those of the API's documentation.
CATALOGS = ("zh_CN.po", "api_zh_CN.po")


class _Catalog:
    """One file of translations. Read when it is needed: it takes a megabyte."""

    def __init__(self, name: str) -> None:
        self._path = _TRANSLATIONS / name

    @cached_property
    def words(self) -> NullTranslations:
        return _read_catalog(self._path)


class DatePatterns(Struct, frozen=True):
    """The date formats of a language, as Babel patterns."""

    date: str
    #: Without the year.
    day: str
    #: With the weekday.
    long_day: str
    month: str


class Language:
    """One language. `code` is the code tables' name for it, `tag` the one for HTML."""

    def __init__(
        self,
        code: Code,
        tag: str,
        name: str,
        patterns: DatePatterns,
        catalogs: Sequence[str] = (),
    ) -> None:
        """`catalogs`: names of files; each is read when a text is first looked for in it."""
        self.code: Code = code
        self.tag = tag
        #: Its name in the language itself.
        self.name = name
        self._patterns = patterns
        self._catalogs = [_Catalog(name) for name in catalogs]

    @cached_property
    def _locale(self) -> Locale:
        """Read when a date is first written: what Babel knows takes two megabytes."""
        return Locale.parse(self.tag, sep="-")

    def gettext(self, message: str) -> str:
        for catalog in self._catalogs:
            if (text := catalog.words.gettext(message)) != message:
                return text
        return message

    def ngettext(self, singular: str, plural: str, n: int) -> str:
        for catalog in self._catalogs:
            text = catalog.words.ngettext(singular, plural, n)
            if text not in (singular, plural):
                return text
        return singular if n == 1 else plural

    def _format(self, ms: int, zone: tzinfo, pattern: str) -> str:
        if ms == _UNKNOWN_TIME:
            return "–"
        moment = _EPOCH + timedelta(milliseconds=ms)
        # The last hours of the year 9999 are out of range in zones east of UTC.
        with suppress(OverflowError):
            moment = moment.astimezone(zone)
        return format_datetime(moment, pattern, locale=self._locale)

    def time(self, ms: int, zone: tzinfo) -> str:
        return self._format(ms, zone, "HH:mm:ss")

    def date(self, ms: int, zone: tzinfo) -> str:
        return self._format(ms, zone, self._patterns.date)

    def day(self, ms: int, zone: tzinfo) -> str:
        """The date without its year, for recent times."""
        return self._format(ms, zone, self._patterns.day)

    def moment(self, ms: int, zone: tzinfo) -> str:
        if ms == _UNKNOWN_TIME:
            return "–"
        return f"{self.date(ms, zone)} {self.time(ms, zone)}"

    def camera_time(self, text: str) -> str:
        """A time as cameras write it, "YYYY-MM-DD hh:mm:ss" by their clock; else as it is."""
        try:
            at = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        except ValueError:
            return text
        return self.moment(int(at.timestamp() * 1000), UTC)

    def camera_day(self, text: str) -> str:
        """The day of such a time, or of a day alone; else as it is."""
        try:
            day = datetime.strptime(text[:10], "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            return text
        return self.date(int(day.timestamp() * 1000), UTC)

    def long_day(self, day: Date) -> str:
        """A date with its weekday, as a title."""
        return format_date(day, self._patterns.long_day, locale=self._locale)

    def month(self, year: int, month: int) -> str:
        return format_date(Date(year, month, 1), self._patterns.month, locale=self._locale)

    def weekdays(self) -> list[tuple[str, str]]:
        """The weekdays from Monday, each short and in full."""
        short = get_day_names("abbreviated", locale=self._locale)
        full = get_day_names("wide", locale=self._locale)
        return [(short[day], full[day]) for day in range(7)]


def _read_catalog(path: Path) -> NullTranslations:
    """The translations of a .po file.

    The executable includes it compiled, which saves 50 ms and 3 MB at each start. The tree has no
    compiled file, because it would soon be out of date.
    """
    compiled = path.with_suffix(".mo")
    return GNUTranslations(
        io.BytesIO(compiled.read_bytes() if compiled.exists() else compile_catalog(path))
    )


def compile_catalog(path: Path) -> bytes:
    """Compile a .po file to the .mo format."""
    # Imported here because the executable does not contain it.
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = io.BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file))
    return compiled.getvalue()


LANGUAGES: Mapping[str, Language] = {
    "en": Language(
        "en",
        "en",
        "English",
        DatePatterns("d MMM yyyy", "d MMM", "EEEE, d MMMM yyyy", "MMMM yyyy"),
    ),
    "zh": Language(
        "zh",
        "zh-CN",
        "中文",
        DatePatterns("yyyy年M月d日", "M月d日", "yyyy年M月d日 EEEE", "yyyy年M月"),
        CATALOGS,
    ),
}

_current: ContextVar[Language] = ContextVar("language", default=LANGUAGES["en"])
_zone: ContextVar[tzinfo] = ContextVar("zone", default=UTC)


def current() -> Language:
    """The language of this request."""
    return _current.get()


def zone() -> tzinfo:
    """The zone in which times are shown: that of the site."""
    return _zone.get()


def use(language: Language, zone: tzinfo) -> None:
    """Render what follows in this task, or this thread, in this language and this zone."""
    _current.set(language)
    _zone.set(zone)


def moment(ms: int) -> str:
    """A date and time in the language of this request and the zone of the site."""
    return current().moment(ms, zone())


def choose(cookie: str | None, site: str, accepted: LanguageAccept) -> Language:
    """The user's choice, else the site's setting, else the browser's preference."""
    wanted = [cookie or "", site, *(tag[:2].lower() for tag in accepted.values())]
    known = (LANGUAGES[code] for code in wanted if code in LANGUAGES)
    return next(known, LANGUAGES["en"])


def gettext(message: str) -> str:
    """The message in the language of this request."""
    return current().gettext(message)


def ngettext(singular: str, plural: str, n: int) -> str:
    return current().ngettext(singular, plural, n)


def N_(message: str) -> str:
    """Mark a message for translation; it is translated where it is shown."""
    return message
