"""The web pages for guards, installers and administrators."""

from __future__ import annotations

from importlib import import_module

from quart_trio import QuartTrio

from web import language
from web.pages.error_pages import error_page as error_page
from web.pages.layout import choose_language, note_changes, shared_values

#: The modules of this package with pages: each has a `blueprint`.
_MODULES = (
    "account",
    "alarms.plate_lists",
    "alarms.rules",
    "alarms.views",
    "camera.capabilities",
    "camera.captures",
    "camera.device.address",
    "camera.device.masks",
    "camera.device.setting_pages",
    "camera.device.views",
    "camera.light",
    "camera.manage",
    "camera.outages",
    "camera.overview",
    "camera.pan_tilt.views",
    "camera.people.sync",
    "camera.people.views",
    "camera.people.who",
    "camera.reboot",
    "camera.recordings.format_card",
    "camera.recordings.views",
    "camera.relay.settings",
    "camera.relay.views",
    "camera.remove",
    "camera.settings.views",
    "camera.trace",
    "camera.unsigned",
    "cameras.accept",
    "cameras.add",
    "cameras.arrivals",
    "cameras.connect",
    "cameras.groups",
    "cameras.ignore",
    "cameras.many",
    "cameras.replace",
    "cameras.views",
    "evidence.keep",
    "evidence.views",
    "firmware.campaigns",
    "firmware.overview",
    "firmware.releases",
    "firmware.start_campaign",
    "help",
    "jobs.views",
    "live.reviews",
    "live.views",
    "navigation",
    "people.change",
    "people.transfer",
    "people.views",
    "photo_search.views",
    "recording_player",
    "reports.morning",
    "reports.views",
    "restore",
    "search.export.views",
    "search.saved_views",
    "search.views",
    "second_factor",
    "setup",
    "site.api_keys",
    "site.audit",
    "site.backups",
    "site.certificate",
    "site.erasures",
    "site.health",
    "site.overview",
    "site.retention",
    "site.screens",
    "site.settings",
    "site.targets",
    "site.update",
    "site.users",
    "wall.views",
)


def install(app: QuartTrio) -> None:
    """Add the pages to the application."""
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
        language.gettext, language.ngettext, newstyle=True
    )
    app.before_request(note_changes)
    app.before_request(choose_language)
    app.context_processor(shared_values)
    for name in _MODULES:
        app.register_blueprint(import_module(f"web.pages.{name}").blueprint)
