"""The web pages for guards, installers and administrators."""

from __future__ import annotations

from quart_trio import QuartTrio

from web import language
from web.pages import account, help, navigation, setup, site
from web.pages.alarms import plate_lists, rules
from web.pages.alarms import views as alarms
from web.pages.camera import (
    capabilities,
    captures,
    light,
    manage,
    outages,
    overview,
    reboot,
    remove,
    trace,
    unsigned,
)
from web.pages.camera import search as camera_search
from web.pages.camera.device import address as camera_address
from web.pages.camera.device import masks as camera_masks
from web.pages.camera.device import setting_pages
from web.pages.camera.device import views as camera_device
from web.pages.camera.pan_tilt import views as pan_tilt
from web.pages.camera.people import sync as camera_sync
from web.pages.camera.people import views as camera_people
from web.pages.camera.recordings import format_card
from web.pages.camera.recordings import views as recordings
from web.pages.camera.relay import settings as relay_settings
from web.pages.camera.relay import views as relay
from web.pages.camera.settings import views as settings
from web.pages.cameras import (
    accept,
    arrivals,
    connect,
    csv_import,
    groups,
    ignore,
    many,
    replace,
)
from web.pages.cameras import views as cameras
from web.pages.error_pages import error_page as error_page
from web.pages.evidence import keep
from web.pages.evidence import views as evidence
from web.pages.firmware import add_release, campaigns, releases, start_campaign
from web.pages.jobs import views as jobs
from web.pages.layout import choose_language, note_changes, shared_values
from web.pages.live import reviews as live_reviews
from web.pages.live import views as live
from web.pages.people import change as change_people
from web.pages.people import transfer as transfer_people
from web.pages.people import views as people
from web.pages.photo_search import views as photo_search
from web.pages.reports import morning
from web.pages.reports import views as reports
from web.pages.search import saved_views as saved_search
from web.pages.search import views as record_search
from web.pages.search.export import views as search_export
from web.pages.wall import views as wall

_BLUEPRINTS = (
    live.blueprint,
    alarms.blueprint,
    rules.blueprint,
    plate_lists.blueprint,
    cameras.blueprint,
    overview.blueprint,
    outages.blueprint,
    settings.blueprint,
    reboot.blueprint,
    pan_tilt.blueprint,
    light.blueprint,
    format_card.blueprint,
    relay.blueprint,
    relay_settings.blueprint,
    recordings.blueprint,
    captures.blueprint,
    camera_people.blueprint,
    camera_sync.blueprint,
    camera_search.blueprint,
    manage.blueprint,
    remove.blueprint,
    unsigned.blueprint,
    capabilities.blueprint,
    camera_device.blueprint,
    setting_pages.blueprint,
    camera_address.blueprint,
    camera_masks.blueprint,
    trace.blueprint,
    accept.blueprint,
    connect.blueprint,
    arrivals.blueprint,
    ignore.blueprint,
    replace.blueprint,
    csv_import.blueprint,
    groups.blueprint,
    many.blueprint,
    people.blueprint,
    change_people.blueprint,
    transfer_people.blueprint,
    record_search.blueprint,
    search_export.blueprint,
    saved_search.blueprint,
    live_reviews.blueprint,
    photo_search.blueprint,
    jobs.blueprint,
    releases.blueprint,
    add_release.blueprint,
    start_campaign.blueprint,
    campaigns.blueprint,
    reports.blueprint,
    morning.blueprint,
    keep.blueprint,
    evidence.blueprint,
    account.blueprint,
    help.blueprint,
    setup.blueprint,
    wall.blueprint,
    navigation.blueprint,
    *site.BLUEPRINTS,
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
    for blueprint in _BLUEPRINTS:
        app.register_blueprint(blueprint)
