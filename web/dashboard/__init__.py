"""The pages: what guards, installers and administrators see."""

from __future__ import annotations

from quart_trio import QuartTrio

from web.dashboard import accept, account, cameras, connect, language, live, setup, sheets, trace
from web.dashboard.camera import (
    captures,
    manage,
    overview,
    people,
    reboot,
    recordings,
    search,
    settings,
)
from web.dashboard.errors import error_page as error_page
from web.dashboard.firmware import adding, campaigns, giving, releases
from web.dashboard.pages import choose_language, note_changes, shared_values

_BLUEPRINTS = (
    live.blueprint,
    cameras.blueprint,
    overview.blueprint,
    settings.blueprint,
    reboot.blueprint,
    recordings.blueprint,
    captures.blueprint,
    people.blueprint,
    search.blueprint,
    manage.blueprint,
    trace.blueprint,
    accept.blueprint,
    connect.blueprint,
    sheets.blueprint,
    releases.blueprint,
    adding.blueprint,
    giving.blueprint,
    campaigns.blueprint,
    account.blueprint,
    setup.blueprint,
)


def install(app: QuartTrio) -> None:
    """Mount the pages on the application."""
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
        language.gettext, language.ngettext, newstyle=True
    )
    app.before_request(note_changes)
    app.before_request(choose_language)
    app.context_processor(shared_values)
    for blueprint in _BLUEPRINTS:
        app.register_blueprint(blueprint)
