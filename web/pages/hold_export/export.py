"""Records as one file: a ZIP with their pictures, the records, a page to read and checksums.

    sitehub-hold-7/
        index.html      a page that opens from the disk, without a network
        records.json    {"log", "items"}: the records as the API has them, with the paths here
        manifest.json   which hub, which records, by whom, when
        pictures/SEQ-NAME.EXTENSION
        SHA256SUMS      of all of them: sha256sum -c SHA256SUMS

Nothing is kept for it: one page of records and a piece of a picture are in memory at a time.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, Protocol

import jinja2
import msgspec
import trio
from msgspec import Struct

import hub
from hub.services.audit import COMMAND_LINE
from hub.services.streamed_zip import StreamedZip
from hub.store.tables.holds import Hold
from hub.wire.pictures import EXTENSIONS
from hub.wire.times import format_rfc3339
from hub.wire.uploads.records import Record, render
from web import language
from web.pages.shown.record_cards import card_pictures, extra_fields, make_card, record_fields

_TEMPLATES = Path(__file__).parents[2] / "templates"
_PAGE = 50
_PART_BYTES = 32 * 1024


class HeldRecords(Protocol):
    """Where the records come from, and their pictures."""

    async def records(
        self, after: int, limit: int, *, with_pictures: bool = False
    ) -> Sequence[Record]:
        """Return at most `limit` records with seqs above `after`, none at the end.

        `with_pictures`: their pictures are asked for before the next records.
        """

    def picture(self, seq: int, name: str) -> AsyncGenerator[bytes, None]:
        """Yield a picture in pieces; nothing if it is gone."""


class About(Struct, frozen=True):
    """Which records these are. `folder`: the name of the export, and of the folder in it.

    `lines`: labels and texts at the top of the page; `manifest`: the same for programs.
    """

    folder: str
    title: str
    lines: tuple[tuple[str, str], ...]
    manifest: dict[str, object]


class HoldExportFacts(Struct, frozen=True, kw_only=True):
    """What the export says of itself. `exported_at` in UNIX milliseconds."""

    site: str
    log: str
    about: About
    exported_by: str
    exported_at: int
    zone: tzinfo


def about_hold(hold: Hold, words: language.Language, zone: tzinfo) -> About:
    """Say which records are those of a hold."""
    held_at = words.moment(hold.created_at, zone)
    held_by = words.gettext("Kept by"), f"{_person(hold.created_by, words)}, {held_at}"
    return About(
        folder=f"sitehub-hold-{hold.id}",
        title=hold.reason,
        lines=(held_by,),
        manifest={
            "hold": hold.id,
            "reason": hold.reason,
            "held_by": hold.created_by,
            "held_at": _time(hold.created_at),
            "until": None if hold.until is None else _time(hold.until),
        },
    )


async def export_records(
    source: HeldRecords, facts: HoldExportFacts, words: language.Language
) -> AsyncGenerator[bytes, None]:
    """Yield the ZIP in parts of about 32 to 96 KB. Raises what the source raises."""
    language.use(words, facts.zone)
    export = _Export(source, facts, words)
    made = b""
    async for part in export.parts():
        made += part
        if len(made) >= _PART_BYTES:
            yield made
            made = b""
        # Neither compressing nor sending a small part gives others a turn.
        await trio.lowlevel.checkpoint()
    yield made


class _Export:
    def __init__(
        self, source: HeldRecords, facts: HoldExportFacts, words: language.Language
    ) -> None:
        self._source = source
        self._facts = facts
        self._words = words
        self._archive = StreamedZip(facts.about.folder)
        self._templates = _environment()
        self._at = datetime.fromtimestamp(facts.exported_at / 1000, facts.zone)
        #: The pictures in the archive: (seq, name) -> path.
        self._paths: dict[tuple[int, str], str] = {}
        self._records = 0

    async def parts(self) -> AsyncGenerator[bytes, None]:
        async for record in self._all(with_pictures=True):
            self._records += 1
            for image in record.images:
                pieces = self._source.picture(record.seq, image.name)
                if first := await anext(pieces, b""):
                    path = f"pictures/{record.seq}-{image.name}.{EXTENSIONS[image.mime]}"
                    self._paths[record.seq, image.name] = path
                    with self._archive.open(path, self._moment(record), is_picture=True) as file:
                        yield file.write(first)
                        async for piece in pieces:
                            yield file.write(piece)
                    yield file.rest
        with self._archive.open("records.json", self._at) as file:
            async for part in self._json():
                yield file.write(part)
        yield file.rest
        with self._archive.open("index.html", self._at) as file:
            async for text in self._page():
                yield file.write(text.encode())
        yield file.rest
        yield self._archive.add("manifest.json", self._manifest(), self._at)
        yield self._archive.end(self._at)

    async def _all(self, *, with_pictures: bool = False) -> AsyncGenerator[Record, None]:
        after, read = 0, self._source.records
        while records := await read(after, _PAGE, with_pictures=with_pictures):
            for record in records:
                yield record
            after = records[-1].seq

    def _moment(self, record: Record) -> datetime:
        try:
            return datetime.fromtimestamp(record.occurred_at / 1000, self._facts.zone)
        except (OverflowError, ValueError, OSError):  # the clock of the camera was wrong
            return self._at

    async def _json(self) -> AsyncGenerator[bytes, None]:
        yield b'{"log":%b,"items":[' % msgspec.json.encode(self._facts.log)
        separator = b"\n"
        async for record in self._all():
            yield separator + self._render(record)
            separator = b",\n"
        yield b"\n]}\n"

    def _render(self, record: Record) -> bytes:
        """The record as the API has it, but with the paths of its pictures in the archive."""
        fields: dict[str, Any] = msgspec.json.decode(render(record))
        fields["images"] = {
            image.name: self._paths[record.seq, image.name]
            for image in record.images
            if (record.seq, image.name) in self._paths
        }
        return msgspec.json.encode(fields)

    async def _page(self) -> AsyncGenerator[str, None]:
        values = {
            "facts": self._facts,
            "about": self._facts.about,
            "language": self._words,
            "zone": self._facts.zone,
            "exported_by": _person(self._facts.exported_by, self._words),
            "records": self._records,
            "pictures": len(self._paths),
        }
        yield self._templates.get_template("hold_export/begin.html").render(values)
        record_template = self._templates.get_template("hold_export/record.html")
        async for record in self._all():
            pictures = [
                (picture, path)
                for picture in card_pictures(record)
                if (path := self._paths.get((record.seq, picture.image.name)))
            ]
            yield record_template.render(
                values,
                record=record,
                card=make_card(record),
                shown=pictures,
                fields=record_fields(record),
                further=extra_fields(record),
            )
        yield self._templates.get_template("hold_export/end.html").render(values)

    def _manifest(self) -> bytes:
        facts = self._facts
        manifest = {
            "site": facts.site,
            "program": f"sitehub {hub.__version__}",
            "log": facts.log,
            **facts.about.manifest,
            "exported_by": facts.exported_by,
            "exported_at": _time(facts.exported_at),
            "records": self._records,
            "pictures": len(self._paths),
        }
        return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def _person(who: str, words: language.Language) -> str:
    """An actor of the audit log, without the word that says what it is."""
    if who == COMMAND_LINE.who:
        return words.gettext("Command line")
    return who.removeprefix("user ").removeprefix("key ")


def _time(ms: int) -> str:
    return format_rfc3339(ms)


def _environment() -> jinja2.Environment:
    """Templates that need no request: the command line uses them as well."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        language.gettext, language.ngettext, newstyle=True
    )
    return environment
