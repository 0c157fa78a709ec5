"""The site area for administrators: one page for each topic, with a navigation of their own.

To add a page:

1. Write `web/pages/site/TOPIC.py` with a `blueprint`; its routes say `role="admin"`.
2. Write `web/templates/site/TOPIC.html`, which extends "site/base.html" and fills `block site`.
3. Render it by `site_page("site/TOPIC.html", section="TOPIC", ...)` of `web.pages.site.layout`.
4. Add a row to SECTIONS in `web/pages/site/layout.py`, and the blueprint to BLUEPRINTS below.
5. Texts in both languages; a sentence after a form (`?done=...`) is a row of DONE in `labels.py`.
"""

from __future__ import annotations

from web.pages.site import (
    alarm_rules,
    api_keys,
    audit,
    backups,
    certificate,
    erasures,
    health,
    morning_reports,
    mqtt_targets,
    nats_targets,
    overview,
    plate_lists,
    retention,
    screens,
    settings,
    targets,
    update,
    users,
)

BLUEPRINTS = (
    overview.blueprint,
    health.blueprint,
    alarm_rules.blueprint,
    plate_lists.blueprint,
    morning_reports.blueprint,
    users.blueprint,
    screens.blueprint,
    api_keys.blueprint,
    targets.blueprint,
    mqtt_targets.blueprint,
    nats_targets.blueprint,
    certificate.blueprint,
    backups.blueprint,
    settings.blueprint,
    update.blueprint,
    retention.blueprint,
    erasures.blueprint,
    audit.blueprint,
)
