"""The form of a question: its choices, and what was entered."""

from __future__ import annotations

from msgspec import Struct

from hub.errors import BadParameter
from hub.store.people.people import PersonFilter
from hub.store.people.person_rows import PersonName
from hub.wire import code_tables
from hub.wire.uploads.records import RECORD_KINDS
from web import auth, language
from web.language import gettext
from web.pages.choices import Choice, choices
from web.pages.labels import KINDS
from web.pages.search.attribute_fields import AttributeGroup, attribute_groups
from web.pages.search.chips import PICTURES, WHEN
from web.pages.search.question import MAX_CAMERAS, Sent
from web.pages.shown.record_cards import table_text

#: Several cameras are chosen; "all" instead of "" says that those below do not count any more.
SOME, ALL = "some", "all"
_MAX_CANDIDATES = 20
_MAX_WORD = 100


class SearchForm(Struct, frozen=True, kw_only=True):
    """`values`: the texts as they were sent. `where`: one camera or group, or several.

    `has_more`: something is chosen in the part that is folded.
    """

    values: dict[str, str]
    when: list[Choice]
    where: list[Choice]
    where_groups: list[Choice]
    where_cameras: list[Choice]
    cameras: list[Choice]
    groups: list[Choice]
    more_cameras: int
    kinds: list[Choice]
    types: list[Choice]
    lists: list[Choice]
    pictures: list[Choice]
    attributes: list[AttributeGroup]
    has_more: bool


def search_form(sent: Sent) -> SearchForm:
    """The form with what was sent, also if it makes no sense."""
    texts, code = sent.texts, language.current().code
    dids, groups = sent.lists.get("did", []), sent.lists.get("group", [])
    is_some = len(dids) + len(groups) > 1
    devices = sorted(
        auth.services().cameras.devices.list(), key=lambda d: (d.name or d.sn).casefold()
    )
    shown = devices[:MAX_CAMERAS]
    shown += [device for device in devices[MAX_CAMERAS:] if device.did in dids]
    known_groups = auth.services().people.groups.list()
    types = sorted({*code_tables.EVENT_TYPES, *_number_in(texts.get("type", ""))})
    return SearchForm(
        values=texts,
        when=choices(WHEN, _when(texts)),
        where=_general_places(is_some),
        where_groups=[
            Choice(f"group-{g.id}", g.name, not is_some and str(g.id) in groups)
            for g in known_groups
        ],
        where_cameras=[
            Choice(f"did-{d.did}", d.name or d.sn, not is_some and d.did in dids) for d in shown
        ],
        cameras=[Choice(d.did, d.name or d.sn, is_some and d.did in dids) for d in shown],
        groups=[Choice(str(g.id), g.name, is_some and str(g.id) in groups) for g in known_groups],
        more_cameras=len(devices) - len(shown),
        kinds=_options([(k, gettext(KINDS[k])) for k in RECORD_KINDS], texts.get("kind", "")),
        types=_options(
            [(str(n), code_tables.event_name(n, code)) for n in types], texts.get("type", "")
        ),
        lists=[
            Choice(str(n), table_text(n, code_tables.category_name), str(n) in categories)
            for categories in [sent.lists.get("category", [])]
            for n in code_tables.CATEGORIES
        ],
        pictures=_options(
            [(one, gettext(text)) for one, text in PICTURES.items()], texts.get("pictures", "")
        ),
        attributes=attribute_groups(sent.lists),
        has_more=is_some
        or any(texts.get(name) for name in ("kind", "type", "uuid", "pictures", "since", "until"))
        or bool(sent.lists.get("category")),
    )


def _when(texts: dict[str, str]) -> str:
    """The chosen quick answer; a day or a range is more exact."""
    is_exact = any(texts.get(name) for name in ("day", "since", "until"))
    return "" if is_exact else texts.get("when", "")


def _general_places(is_some: bool) -> list[Choice]:
    places = [Choice(ALL if is_some else "", gettext("All cameras"), False)]
    return [*places, Choice(SOME, gettext("Several cameras"), is_some)] if is_some else places


def _options(choices: list[tuple[str, str]], chosen: str) -> list[Choice]:
    return [Choice(value, text, value == chosen) for value, text in choices]


def _number_in(text: str) -> list[int]:
    return [int(text)] if text.isascii() and text.isdigit() and len(text) < 10 else []


def apply_where(sent: Sent, where: str) -> Sent:
    """What was sent, with the camera or group that was chosen in the list. Raises BadParameter."""
    if where in ("", SOME):
        return sent
    name, _, number = where.partition("-")
    chosen = {} if where == ALL else {name: [number]}
    if chosen and not (name in ("did", "group") and number.isascii() and number.isdigit()):
        raise BadParameter("a camera or a group is expected", field="where")
    others = {name: values for name, values in sent.lists.items() if name not in ("did", "group")}
    return Sent(sent.texts, others | chosen)


async def people_with(word: str) -> list[PersonName]:
    """The people of the register whose name or number has this part; the first 20."""
    found = await auth.services().people.register.page(
        PersonFilter(q=word[:_MAX_WORD], sees_numbers=False), after=None, limit=_MAX_CANDIDATES
    )
    return [PersonName(one.pid, one.name, one.category) for one in found.items]
