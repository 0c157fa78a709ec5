"""Makes the sender of each kind of target."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from hub.services.forwarding.checks import leads_to_this_hub
from hub.services.forwarding.mail.options import MailFacts, WriteMail
from hub.services.forwarding.mqtt.site_view import SiteView
from hub.services.forwarding.nats.messages import Messages
from hub.services.forwarding.nats.sender import NatsSender
from hub.services.forwarding.sender import Sender
from hub.services.forwarding.webhooks.bodies import WebhookBodies
from hub.services.forwarding.webhooks.picture_links import PictureLinks
from hub.services.forwarding.webhooks.sender import WebhookSender
from hub.services.urls import base_url, own_ports
from hub.store.targets.target import Target, TargetSecrets

if TYPE_CHECKING:
    from hub.services.core import Core


class Senders:
    """Makes senders."""

    def __init__(
        self, core: Core, view: SiteView, links: PictureLinks, write_mail: WriteMail
    ) -> None:
        self._store = core.store
        self._view = view
        self._links = links
        self._write_mail = write_mail
        self._site, self._settings = core.site, core.settings
        self._now = core.now
        self._transport = core.outside.transport

    def of(self, target: Target) -> Sender:
        """Return a new sender of a target. The caller closes it."""
        keys = self.secrets_of(target)
        if target.kind == "nats":
            return NatsSender(
                target.options,
                keys,
                self._messages(target),
                self._now,
                partial(self._is_this_hub, target),
            )
        if target.kind == "mqtt":
            return self._mqtt(target, keys)
        if target.kind == "mail":
            return self._mail(target, keys)
        return WebhookSender(
            target.options,
            keys,
            self._bodies(target),
            self._store.log_id,
            self._now,
            partial(self._is_this_hub, target),
            self._transport,
        )

    def secrets_of(self, target: Target) -> TargetSecrets:
        """Return what only the target and the hub know; nothing, if it cannot be read any more."""
        return self._store.targets.secrets(target.id)

    def _mqtt(self, target: Target, keys: TargetSecrets) -> Sender:
        # Imported here because most hubs have no such target, and it takes memory.
        from hub.services.forwarding.mqtt.messages import MqttMessages
        from hub.services.forwarding.mqtt.sender import MqttSender

        store = self._store
        name, view = target.options.hub, self._view
        messages = MqttMessages(name, store.log_id, store.pictures, view.as_jpeg)
        return MqttSender(
            target, keys, messages, view, self._now, partial(self._is_this_hub, target)
        )

    def _mail(self, target: Target, keys: TargetSecrets) -> Sender:
        from hub.services.forwarding.mail.sender import MailSender

        store = self._store
        return MailSender(
            target,
            keys,
            store.log_id,
            store.pictures,
            self._now,
            self._mail_facts,
            self._write_mail,
        )

    def _mail_facts(self) -> MailFacts:
        site, language = self._site, self._site.language()
        return MailFacts(
            site.name(),
            base_url(site, self._settings),
            "en" if language == "auto" else language,
            site.zone(),
            self._view.camera_names(),
        )

    async def _is_this_hub(self, target: Target) -> bool:
        return await leads_to_this_hub(
            target.kind, target.options.url, own_ports(self._settings.current)
        )

    def _bodies(self, target: Target) -> WebhookBodies:
        return WebhookBodies(
            target.options.hub,
            self._links,
            partial(base_url, self._site, self._settings),
            self._now,
        )

    def _messages(self, target: Target) -> Messages:
        options = target.options
        return Messages(
            options.hub,
            options.partition,
            self._store.log_id,
            self._store.pictures,
            self._store.erased.earlier_logs,
        )
