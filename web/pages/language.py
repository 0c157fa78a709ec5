"""The two languages of the pages: which one a request gets, its words, its dates."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta, tzinfo
from datetime import date as Date
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Literal

from babel import Locale
from babel.dates import format_date, format_datetime, get_day_names
from msgspec import Struct
from werkzeug.datastructures import LanguageAccept

Code = Literal["en", "zh"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TRANSLATIONS = Path(__file__).parent.parent / "translations"


class Patterns(Struct, frozen=True):
    """How a language writes days, as babel has it."""

    date: str
    #: Without its year.
    day: str
    #: With its weekday.
    long_day: str
    month: str


class Language:
    """One language: `code` as the wire's tables name it, `tag` as HTML does."""

    def __init__(
        self, code: Code, tag: str, name: str, patterns: Patterns, words: NullTranslations
    ) -> None:
        self.code: Code = code
        self.tag = tag
        #: Its own name, so that who cannot read the other one finds it.
        self.name = name
        self._locale = Locale.parse(tag, sep="-")
        self._patterns = patterns
        self._words = words

    def gettext(self, message: str) -> str:
        return self._words.gettext(message)

    def ngettext(self, singular: str, plural: str, n: int) -> str:
        return self._words.ngettext(singular, plural, n)

    def _format(self, ms: int, zone: tzinfo, pattern: str) -> str:
        moment = _EPOCH + timedelta(milliseconds=ms)
        # The last hours of the year 9999 have no name further east.
        with suppress(OverflowError):
            moment = moment.astimezone(zone)
        return format_datetime(moment, pattern, locale=self._locale)

    def time(self, ms: int, zone: tzinfo) -> str:
        return self._format(ms, zone, "HH:mm:ss")

    def date(self, ms: int, zone: tzinfo) -> str:
        return self._format(ms, zone, self._patterns.date)

    def day(self, ms: int, zone: tzinfo) -> str:
        """The date without its year, for what is recent."""
        return self._format(ms, zone, self._patterns.day)

    def moment(self, ms: int, zone: tzinfo) -> str:
        return f"{self.date(ms, zone)} {self.time(ms, zone)}"

    def long_day(self, day: Date) -> str:
        """A day as a title: with its weekday."""
        return format_date(day, self._patterns.long_day, locale=self._locale)

    def month(self, year: int, month: int) -> str:
        return format_date(Date(year, month, 1), self._patterns.month, locale=self._locale)

    def weekdays(self) -> list[tuple[str, str]]:
        """The days of a week from Monday on, each short and in full."""
        short, full = (get_day_names(width, locale=self._locale) for width in ("short", "wide"))
        return [(short[day], full[day]) for day in range(7)]


def _read_words(path: Path) -> NullTranslations:
    """A .po file as gettext wants it.

    The executable has it compiled beside it: that saves each start 50 ms and 3 MB. No compiled
    file lies in the tree, where it would soon say other things.
    """
    compiled = path.with_suffix(".mo")
    return GNUTranslations(
        io.BytesIO(compiled.read_bytes() if compiled.exists() else compile_words(path))
    )


def compile_words(path: Path) -> bytes:
    """A .po file as a .mo file has it."""
    # The executable never comes here.
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
        Patterns("d MMM yyyy", "d MMM", "EEEE, d MMMM yyyy", "MMMM yyyy"),
        NullTranslations(),
    ),
    "zh": Language(
        "zh",
        "zh-CN",
        "中文",
        Patterns("yyyy年M月d日", "M月d日", "yyyy年M月d日 EEEE", "yyyy年M月"),
        _read_words(_TRANSLATIONS / "zh_CN.po"),
    ),
}

_current: ContextVar[Language] = ContextVar("language", default=LANGUAGES["en"])


def current() -> Language:
    """The language of this request."""
    return _current.get()


def use(language: Language) -> None:
    _current.set(language)


def choose(cookie: str | None, site: str, accepted: LanguageAccept) -> Language:
    """What the person switched to, else what the site is set to, else what the browser asks."""
    wanted = [cookie or "", site, *(tag[:2].lower() for tag in accepted.values())]
    known = (LANGUAGES[code] for code in wanted if code in LANGUAGES)
    return next(known, LANGUAGES["en"])


def gettext(message: str) -> str:
    """The message in the language of this request."""
    return current().gettext(message)


def ngettext(singular: str, plural: str, n: int) -> str:
    return current().ngettext(singular, plural, n)


def N_(message: str) -> str:
    """Marks a message in a table, which is translated where it is shown."""
    return message
