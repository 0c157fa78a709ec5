"""A question to the record log, as the address of the page of search has it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any, Literal, get_args
from urllib.parse import urlencode

from msgspec import Struct
from msgspec.structs import replace

from hub.errors import BadParameter
from hub.services import Services
from hub.store.records.record_filter import RecordFilter
from hub.wire.code_tables import CATEGORIES
from hub.wire.plates import part_pattern
from hub.wire.uploads.records import RECORD_KINDS, RecordKind
from hub.wire.uploads.searchable import SEARCHABLE, AskedAttributes
from web.pages.search.period import SearchPeriod, read_period
from web.pages.times import to_ms

Order = Literal["newest", "oldest"]
Pictures = Literal["", "yes", "no"]

#: Characters of a text.
MAX_TEXT = 100
#: So many cameras and groups can be chosen one by one.
MAX_CAMERAS, MAX_GROUPS = 200, 100
_MAX_TYPE = 2**31 - 1
_PERIOD = ("when", "day", "around", "since", "until")
_LISTS = ("did", "group", "category", *SEARCHABLE)
#: The parameters in the order in which an address has them.
_ORDER = (
    *_PERIOD,
    *("did", "group", "kind", "type", "name", "plate", "uuid", "category", *SEARCHABLE),
    *("pictures", "order"),
)
#: As Chinese keyboards write them, and editors quotes.
_WIDE_SIGNS = str.maketrans("？＊“”„＂", '?*""""')
_TEXTS = tuple(name for name in _ORDER if name not in _LISTS)


class Question(Struct, frozen=True, kw_only=True):
    """What is searched. Empty fields match all; cameras of several groups count together."""

    period: SearchPeriod = SearchPeriod()
    kind: RecordKind | None = None
    dids: tuple[str, ...] = ()
    groups: tuple[int, ...] = ()
    type: int | None = None
    name: str = ""
    plate: str = ""
    uuid: str = ""
    categories: tuple[int, ...] = ()
    attributes: AskedAttributes = ()
    pictures: Pictures = ""
    order: Order = "newest"

    @property
    def is_empty(self) -> bool:
        return replace(self, order="newest") == Question()

    @property
    def is_newest_first(self) -> bool:
        return self.order == "newest"

    def pairs(self) -> list[tuple[str, str]]:
        """The parameters of the address, in a fixed order, without empty ones."""
        given: list[tuple[str, object]] = [
            *self.period.pairs(),
            *(("did", did) for did in self.dids),
            *(("group", group) for group in self.groups),
            ("kind", self.kind),
            ("type", self.type),
            ("name", self.name),
            ("plate", self.plate),
            ("uuid", self.uuid),
            *(("category", category) for category in self.categories),
            *((key, word) for key, words in self.attributes for word in words),
            ("pictures", self.pictures),
            ("order", "" if self.order == "newest" else self.order),
        ]
        return [(name, str(value)) for name, value in given if value not in (None, "")]

    def query(self, **more: object) -> str:
        """The query string with further parameters; "" if there are none."""
        extra = [(name, str(value)) for name, value in more.items() if value not in (None, "")]
        text = urlencode([*self.pairs(), *extra])
        return f"?{text}" if text else ""

    def url(self, path: str = "/search", **more: object) -> str:
        return path + self.query(**more)

    def bounds(self, services: Services) -> tuple[int | None, int | None]:
        """From when until when, in UNIX milliseconds."""
        now = datetime.fromtimestamp(services.core.clock.likely_time(), services.core.site.zone())
        since, until = self.period.bounds(now)
        return None if since is None else to_ms(since), None if until is None else to_ms(until)

    def as_of_now(self, services: Services) -> Question:
        """The same question with times that mean the same tomorrow."""
        if not self.period.pairs():
            return self
        zone = services.core.site.zone()
        now = datetime.fromtimestamp(services.core.clock.likely_time(), zone).replace(microsecond=0)
        since, until = self.period.bounds(now)
        if until is None and not self.period.is_range:
            until = now + timedelta(seconds=1)
        bounds = (None if at is None else at.astimezone(zone) for at in (since, until))
        return replace(self, period=SearchPeriod(since=next(bounds), until=next(bounds)))

    def filter(self, services: Services) -> RecordFilter:
        """What the log is asked. Relative times are relative to now."""
        since, until = self.bounds(services)
        dids = self._cameras(services)
        return RecordFilter(
            kind=self.kind,
            did=dids[0] if dids and len(dids) == 1 else None,
            dids=None if dids and len(dids) == 1 else dids,
            since=since,
            until=until,
            type=self.type,
            plate=part_pattern(self.plate.translate(_WIDE_SIGNS)) or None,
            name=self.name.translate(_WIDE_SIGNS) or None,
            uuid=self.uuid or None,
            lists=self.categories or None,
            has_pictures=None if not self.pictures else self.pictures == "yes",
            attributes=self.attributes,
        )

    def without(self, key: str, word: str) -> Question:
        """The same question without one word of an attribute."""
        rest = (
            (one, tuple(each for each in words if (one, each) != (key, word)))
            for one, words in self.attributes
        )
        return replace(self, attributes=tuple((one, words) for one, words in rest if words))

    def _cameras(self, services: Services) -> tuple[str, ...] | None:
        """The cameras chosen one by one and those of the groups; None for all.

        A group that was removed since the address was saved has none.
        """
        if not self.dids and not self.groups:
            return None
        known = {group.id for group in services.people.groups.list()}
        of_groups = services.people.groups.dids_of(id for id in self.groups if id in known)
        return tuple(dict.fromkeys((*self.dids, *of_groups)))


class Sent(Struct, frozen=True):
    """The fields as they were sent, for a form that is shown again."""

    texts: dict[str, str]
    lists: dict[str, list[str]]

    def pairs(self) -> list[tuple[str, str]]:
        """All of them, in the order of `Question.pairs`."""
        return [
            (name, value)
            for name in _ORDER
            for value in self.lists.get(name, [self.texts[name]] if name in self.texts else [])
        ]


def read_sent(args: Any) -> Sent:
    """Take the fields of a question from the parameters of an address."""
    return Sent(
        {name: args[name].strip() for name in _TEXTS if name in args},
        {name: [one.strip() for one in args.getlist(name)] for name in _LISTS if name in args},
    )


def sent_of(question: Question) -> Sent:
    """The fields of a question as a form sends them."""
    lists: dict[str, list[str]] = {}
    for name, value in question.pairs():
        lists.setdefault(name, []).append(value)
    texts = {name: values[0] for name, values in lists.items() if name in _TEXTS}
    return Sent(texts, {name: values for name, values in lists.items() if name in _LISTS})


def read_question(sent: Sent, zone: tzinfo) -> Question:
    """Read a question. Raises BadParameter that names the field."""
    texts = dict.fromkeys(_TEXTS, "") | sent.texts
    for name in ("name", "plate", "uuid"):
        if len(texts[name]) > MAX_TEXT:
            raise BadParameter(f"at most {MAX_TEXT} characters are expected", field=name)
    return Question(
        period=read_period({name: texts[name][:MAX_TEXT] for name in _PERIOD}, zone),
        kind=_one_of(texts["kind"], ("", *RECORD_KINDS), "kind") or None,
        dids=_numbers(sent, "did", MAX_CAMERAS),
        groups=tuple(map(int, _numbers(sent, "group", MAX_GROUPS))),
        type=_number(texts["type"], "type", _MAX_TYPE) if texts["type"] else None,
        name=texts["name"],
        plate=texts["plate"],
        uuid=texts["uuid"],
        categories=tuple(sorted(map(int, _numbers(sent, "category", len(CATEGORIES))))),
        attributes=_attributes(sent),
        pictures=_one_of(texts["pictures"], get_args(Pictures), "pictures"),
        order=_one_of(texts["order"] or "newest", get_args(Order), "order"),
    )


def _attributes(sent: Sent) -> AskedAttributes:
    """The words of each attribute that is asked for, in the order of the tables."""
    asked: list[tuple[str, tuple[str, ...]]] = []
    for key, attribute in SEARCHABLE.items():
        given = {word for word in sent.lists.get(key, ()) if word}
        if given.difference(attribute.words):
            raise BadParameter(f"one of {', '.join(attribute.words)} is expected", field=key)
        if given:
            asked.append((key, tuple(word for word in attribute.words if word in given)))
    return tuple(asked)


def _one_of(text: str, allowed: Sequence[str], field: str) -> Any:
    if text not in allowed:
        raise BadParameter(f"one of {', '.join(filter(None, allowed))} is expected", field=field)
    return text


def _numbers(sent: Sent, field: str, most: int) -> tuple[str, ...]:
    """Different numbers, in their order, each without leading zeros."""
    found: Iterable[str] = (str(_number(one, field)) for one in sent.lists.get(field, ()) if one)
    numbers = tuple(dict.fromkeys(found))
    if len(numbers) > most:
        raise BadParameter(f"at most {most} are expected", field=field)
    return numbers


def _number(text: str, field: str, most: int = 2**64 - 1) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 20 and int(text) <= most):
        raise BadParameter("a number is expected", field=field)
    return int(text)
