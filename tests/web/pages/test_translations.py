"""Both languages are complete: every text is translated, and no translation is unused."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import hub
import web
from hub.config import SETTINGS
from hub.live.refusal_reasons import RefusalCode
from hub.services.admission.enrolment import DeliveryOutcome
from hub.services.doctor.texts import TEXTS
from hub.services.problems import CHECKS, PROBLEMS
from hub.store.people.person_fields import PERSON_FIELDS
from hub.update.trial import FAILED_OFTEN, INTERRUPTED, NOT_READY, PROGRAM_MISSING
from hub.wire.code_tables import EVENT_TYPES
from web.language import CATALOGS
from web.pages import labels

WEB, HUB = Path(web.__file__).parent, Path(hub.__file__).parent
TEMPLATES = sorted(WEB.joinpath("templates").rglob("*.html"))
_KEYWORDS = {"_": None, "gettext": None, "N_": None, "ngettext": (1, 2)}
#: What takes a sentence of the hub that pages translate (hub.reasons).
_REASONS = dict.fromkeys(("Reason", "because", "TryLater", "NeedsPerson", "Refused", "NotTaken"))
#: What other systems say most often (hub.services.forwarding), and why updates are undone.
_OF_OTHERS = {
    *(INTERRUPTED, FAILED_OFTEN, NOT_READY, PROGRAM_MISSING),
    "authorization violation",
    "maximum messages exceeded",
    "maximum bytes exceeded",
    "insufficient resources",
    "no servers available for connection",
    "Connection reset by peer",
}
_PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\w+\}")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    with (WEB / "translations" / "zh_CN.po").open("rb") as file:
        return read_po(file)


@pytest.fixture(scope="module")
def used() -> set[str]:
    """The ids of all texts in code and templates; for a plural, its singular."""
    found = extract_from_dir(
        WEB,
        method_map=[("**.py", "python"), ("templates/**.html", "jinja2")],
        keywords=_KEYWORDS,
    )
    texts = {text if isinstance(text, str) else text[0] for _, _, text, _, _ in found}
    for folder in (HUB / "services", HUB / "store"):
        reasons = extract_from_dir(folder, method_map=[("**.py", "python")], keywords=_REASONS)
        texts |= {text for _, _, text, _, _ in reasons if isinstance(text, str)}
    # The command line uses these as well, in English.
    of_services = {
        *(
            text
            for one in PROBLEMS.values()
            for text in (one.sentence, one.advice, one.meaning, one.topic, one.check)
        ),
        *(text for one in CHECKS.values() for text in (one.name, one.meaning)),
        *(one.page.name for one in (*PROBLEMS.values(), *CHECKS.values()) if one.page),
        *(text for both in TEXTS.values() for text in both),
    }
    of_people = {
        text for one in PERSON_FIELDS.values() for text in (one.label, one.hint, one.expected)
    }
    # The page of settings shows what each setting means.
    of_settings = {setting.meaning for setting in SETTINGS.values()}
    return {*texts, *of_services, *of_people, *of_settings, *_OF_OTHERS} - {""}


def test_every_text_is_translated(catalog: Catalog, used: set[str]) -> None:
    translated = {_id(message.id) for message in catalog if message.id and all(_texts(message))}
    assert used - translated == set()


def test_no_translation_is_unused(catalog: Catalog, used: set[str]) -> None:
    known = {_id(message.id) for message in catalog if message.id}
    assert known - used == set()


@pytest.mark.parametrize("name", CATALOGS)
def test_no_text_is_translated_twice(name: str) -> None:
    """Only one of them would be used, and nobody would see which."""
    text = (WEB / "translations" / name).read_text(encoding="utf-8")
    entries = re.findall(r'^msgid ((?:".*"\n)+)', text, re.M)
    ids = Counter("".join(re.findall(r'"(.*)"', entry)) for entry in entries)
    assert [id for id, count in ids.items() if count > 1] == []


def test_the_hub_has_one_name(catalog: Catalog) -> None:
    others = re.compile("中枢|平台|主机|服务器")
    of_the_hub = [message for message in catalog if re.search(r"\bhub\b", _id(message.id) or "")]
    assert len(of_the_hub) > 20
    assert [m.id for m in of_the_hub if any(others.search(text) for text in _texts(m))] == []


_GLOSSARY = (WEB.parent / "docs" / "glossary.md").read_text(encoding="utf-8")


def _words_not_to_use() -> Iterator[tuple[str, list[str]]]:
    """Each word of the glossary's table, with the phrases in which it may stand."""
    table = _GLOSSARY.partition("## Words that do not occur")[2]
    for words, exceptions in re.findall(r"^\| (?!not |---)(.+?) \|.+?\|(.+)\|$", table, re.M):
        for word in re.split(r", |、", words):
            yield word, re.findall(r"“([^”]+)”", exceptions)


def _said(is_english: bool) -> list[str]:
    """What pages, messages and the description of the API say in one language."""
    texts = [one.en if is_english else one.zh for one in EVENT_TYPES.values()]
    for name in CATALOGS:
        with (WEB / "translations" / name).open("rb") as file:
            for message in read_po(file):
                ids = (message.id,) if isinstance(message.id, str) else message.id
                texts += filter(None, ids if is_english else _texts(message))
    return texts


@pytest.mark.parametrize(("word", "phrases"), list(_words_not_to_use()))
def test_a_word_that_the_glossary_rules_out_is_in_no_text(word: str, phrases: list[str]) -> None:
    texts = _said(is_english=word.isascii())
    assert [phrase for phrase in phrases if not any(phrase in text for text in texts)] == []
    found = re.compile(rf"(?<![A-Za-z]){re.escape(word)}(?![A-Za-z])", re.IGNORECASE)
    allowed = re.compile("|".join(map(re.escape, phrases)) or "(?!)")
    assert [text for text in texts if found.search(allowed.sub("", text))] == []


def test_no_translation_is_fuzzy(catalog: Catalog) -> None:
    assert [message.id for message in catalog if message.id and message.fuzzy] == []


def test_a_translation_has_the_placeholders_of_its_text(catalog: Catalog) -> None:
    for message in catalog:
        if message.id:
            wanted = set(_PLACEHOLDER.findall(_id(message.id)))
            for text in _texts(message):
                assert set(_PLACEHOLDER.findall(text)) == wanted, message.id


def _id(id: str | tuple[str, ...]) -> str:
    return id if isinstance(id, str) else id[0]


def _texts(message: object) -> tuple[str, ...]:
    string = message.string  # type: ignore[attr-defined]
    return (string,) if isinstance(string, str) else tuple(string)


class _Words(HTMLParser):
    """The visible text of a template without its Jinja markup."""

    _SHOWN = ("title", "alt", "aria-label", "placeholder")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._code = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._code += tag == "code"
        self.found += [value for name, value in attrs if name in self._SHOWN and value]

    def handle_endtag(self, tag: str) -> None:
        self._code -= tag == "code"

    def handle_data(self, data: str) -> None:
        if not self._code:
            self.found.append(data)


#: The same in every language, because users type them literally.
_NAMES = {"sitehub", "ca.crt", "-----BEGIN PUBLIC KEY-----"}


def _loose_words(template: str) -> Iterator[str]:
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", " ", template, flags=re.DOTALL)
    reader = _Words()
    reader.feed(text)
    for piece in reader.found:
        words = piece.strip()
        if words not in _NAMES and re.search(r"[A-Za-z\u4e00-\u9fff]{2,}", words):
            yield words


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.relative_to(WEB).as_posix())
def test_a_template_has_no_untranslated_text(path: Path) -> None:
    assert list(_loose_words(path.read_text("utf-8"))) == []


def test_every_reason_and_outcome_of_the_services_has_a_text() -> None:
    assert set(labels.WAITING) == set(get_args(RefusalCode))
    for outcome in get_args(DeliveryOutcome):
        assert f"accepted-{outcome}" in labels.DONE
        assert outcome in labels.INIT_OUTCOMES
    # What keeps the hub from seeing or keeping anything is told to everybody as it is.
    of_everybody = {"starting", "cannot-store", "cameras-offline"}
    assert {code for code, one in PROBLEMS.items() if not one.topic} == of_everybody
