"""The site area for administrators: the hub itself, and who and what may use it."""

from __future__ import annotations

from web.pages.site import (
    api_keys,
    audit,
    backups,
    certificate,
    erasures,
    health,
    mqtt_targets,
    nats_targets,
    overview,
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
