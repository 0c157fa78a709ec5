"""Pages of the site area that consist of sections, which a form of theirs may show again alone."""

from __future__ import annotations

from markupsafe import Markup
from msgspec import Struct
from quart import Response, render_template

from web.pages.layout import page


class Section(Struct, frozen=True):
    """A section as it is shown. `id`: to which addresses lead. `is_open`: not folded away."""

    id: str
    title: str
    intro: str
    body: Markup
    is_open: bool


async def make_section(
    id: str, title: str, intro: str, template: str, *, is_open: object = True, **values: object
) -> Section:
    """Render a section by itself, so that its values have no other's names."""
    body = Markup(await render_template(template, **values))
    return Section(id, title, intro, body, bool(is_open))


async def sections_page(
    *sections: Section,
    title: str = "",
    status: int = 200,
    template: str = "site/sections.html",
    **values: object,
) -> Response:
    """A page of sections; of one alone, such as that of a form which is shown again, it is all.

    `title`: "" for that of the only section.
    """
    return await page(template, status=status, title=title, sections=sections, **values)
