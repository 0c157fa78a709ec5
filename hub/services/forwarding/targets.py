"""The targets of the site: other systems that get its records, alarms and gaps."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import trio
from msgspec import Struct
from msgspec.structs import replace

from hub.errors import BadParameter, CannotStoreNow, ChangedMeanwhile, Missing, NoSuchResource
from hub.services.audit import Actor
from hub.services.forwarding.checks import (
    checked_ca,
    checked_hub,
    checked_name,
    checked_selection,
    checked_url,
    partition_for,
)
from hub.services.forwarding.forwarders import Forwarders
from hub.services.forwarding.mail.options import WriteMail, check_mail
from hub.services.forwarding.mqtt.options import MqttOptions, check_mqtt, with_mqtt
from hub.services.forwarding.mqtt.site_view import SiteView
from hub.services.forwarding.nats.identity import Identity, check_identity
from hub.services.forwarding.sender import Delivery, StateTeller
from hub.services.forwarding.senders import Senders
from hub.services.forwarding.target_file import TargetFile
from hub.services.forwarding.views import TargetView, view_of
from hub.services.forwarding.webhooks.address import masked, secret_address
from hub.services.forwarding.webhooks.picture_links import PictureLinks
from hub.services.retention.retention import RetentionPolicy
from hub.services.urls import own_ports
from hub.store.records.retention import DayUse
from hub.store.targets.target import (
    AFTER_RESTORE,
    OF_NOW,
    Cursor,
    DeadLetter,
    DeadLetterKey,
    GapReason,
    MailOptions,
    NewTarget,
    PictureChoice,
    Selection,
    Target,
    TargetKind,
    TargetOptions,
    TargetSecrets,
)
from hub.store.targets.targets import MAX_NAME_LENGTH
from hub.wire.uploads.records import RecordKind

if TYPE_CHECKING:
    from hub.services.core import Core

_HUB = "targets.hub"
_SECRET_BYTES = 24
#: The secret before the last one signs too for so long.
_ROTATION_SECONDS = 86_400
_CLOSE_SECONDS = 1.0


class TargetChange(Struct, frozen=True, kw_only=True):
    """What changes of a target and of its selection; None leaves it.

    `seen`: the generation that the caller has seen, if it is to be changed and no other.
    """

    seen: int | None = None
    name: str | None = None
    url: str | None = None
    ca: str | None = None
    identity: Identity | None = None
    kinds: tuple[RecordKind, ...] | None = None
    dids: tuple[str, ...] | None = None
    types: tuple[int, ...] | None = None
    alarms: bool | None = None
    pictures: PictureChoice | None = None
    mqtt: MqttOptions | None = None
    mail: MailOptions | None = None

    def selection_of(self, options: TargetOptions) -> Selection:
        """Return the selection after the change."""
        given = {name: getattr(self, name) for name in Selection.__struct_fields__}
        changed = {name: value for name, value in given.items() if value is not None}
        return replace(options.selection, **changed)


class Targets:
    """Manages targets, and runs a forwarder for each. run() must run for anything to be sent."""

    def __init__(
        self, core: Core, view: SiteView, retention: RetentionPolicy, write_mail: WriteMail
    ) -> None:
        self._store = core.store
        self._site = core.site
        self._audit = core.audit
        self._settings = core.settings
        self._retention = retention
        self._now = core.now
        self.links = PictureLinks(core.store.picture_link_key, core.now)
        self._senders = Senders(core, view, self.links, write_mail)
        self._forwarders = Forwarders(core, self._senders)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Forward to all targets until cancelled."""
        await self._seal_addresses()
        await self._forwarders.run(task_status=task_status)

    # -- what there is

    def list(self) -> tuple[TargetView, ...]:
        """Return all targets, the oldest first."""
        return tuple(self._view(target) for target in self._store.targets.all())

    def get(self, id: int) -> TargetView:
        """Return a target. Raises NoSuchResource."""
        return self._view(self._store.targets.get(id))

    def deliveries(self, id: int) -> tuple[Delivery, ...]:
        """Return the last attempts since the hub started, the newest first; none if it is held."""
        self._store.targets.get(id)
        running = self._forwarders.get(id)
        return () if running is None else tuple(reversed(tuple(running.sender.deliveries)))

    async def dead_letters(self, id: int) -> tuple[DeadLetter, ...]:
        """Return what a target refused for ever. Raises NoSuchResource."""
        self._store.targets.get(id)
        return await self._store.targets.dead_letters(id)

    def state_tellers(self) -> Sequence[StateTeller]:
        """Return what tells others how the hub is: owners of many sites, and brokers."""
        return self._forwarders.state_tellers()

    # -- changes

    async def of_code(self, centre: str, code: str) -> TargetFile:
        """Ask the centre of many sites what to add for a one-time code. Raises BadParameter."""
        # Imported here because most hubs have no such target.
        from hub.services.forwarding.enrolment import ask_centre

        return await ask_centre(centre, code, self._store.enrolment_secret)

    async def add(
        self,
        kind: TargetKind,
        url: str,
        *,
        name: str = "",
        suggested: str = "",
        ca: str = "",
        selection: Selection | None = None,
        hub: str = "",
        begin: Literal["now", "beginning"] = "now",
        identity: Identity | None = None,
        partition: int | None = None,
        mqtt: MqttOptions | None = None,
        mail: MailOptions | None = None,
        by: Actor,
    ) -> tuple[TargetView, str]:
        """Add a target; return it with the secret of a webhook, which is shown only now.

        `name`: "": as is `suggested`, or else the host of its address, with a number if a target
        is called so already.
        `hub`: the name under which it knows this hub; "": the one that others know. `begin`: with
        the next record, or with the first one of the log. `identity` is of all but webhooks,
        `mqtt` of MQTT and `mail` of mail, which begin with what is next always, and `partition` of
        NATS; without one, the hub's name decides. Raises BadParameter, AlreadyExists.
        """
        if kind in OF_NOW and begin != "now":
            raise BadParameter(
                "leave it out for MQTT and mail, which always begin with what is next", field="from"
            )
        mqtt = check_mqtt(kind, mqtt)
        selection = checked_selection(selection or Selection())
        mail = check_mail(kind, mail, selection, identity)
        identity = check_identity(identity or Identity(), kind, url)
        cursor = await self._first_cursor(begin)
        hub = checked_hub(hub) if hub else await self._hub_name()
        url = await checked_url(kind, url, own_ports(self._settings.current))
        options = TargetOptions(
            url=masked(url),
            ca=checked_ca(ca),
            selection=selection,
            hub=hub,
            user=identity.user,
            cert=identity.cert,
            partition=partition_for(kind, hub, partition),
            begin_log=cursor.log,
            begin_seq=cursor.seq,
            home_assistant=mqtt.home_assistant is not False,
            commands=bool(mqtt.commands),
            mail=mail,
        )
        secret = _new_secret() if kind == "webhook" else ""
        new = NewTarget(
            kind=kind,
            name=checked_name(name or suggested or _host_of(url) or kind),
            options=options,
            created_at=self._ms(),
            cursor=cursor,
        )
        keys = TargetSecrets(
            secret=secret, password=identity.password, key=identity.key, url=secret_address(url)
        )
        target = await self._store.targets.add(new, keys, with_free_name=not name)
        await self._forwarders.begin(target.id)
        await self._audit.add(by, "target.add", f"{target.id} {target.name}")
        self._forwarders.tell(target.id)
        return self._view(target), secret

    async def change(self, id: int, change: TargetChange, *, by: Actor) -> TargetView:
        """Change a target; an address as it is shown stays as it is.

        Raises NoSuchResource, BadParameter, AlreadyExists, ChangedMeanwhile.
        """
        async with self._forwarders.lock(id) as old:
            if change.seen not in (None, old.generation):
                raise ChangedMeanwhile("it was changed meanwhile: look at it again")
            new, keys = await self._changed(old, change)
            is_elsewhere = new.options != old.options or keys is not None
            is_elsewhere = is_elsewhere and not old.waits_after_restore
            async with self._forwarders.stopped(old):
                await self._store.targets.change(new, secrets=keys, release=is_elsewhere)
            await self._audit.add(by, "target.set", f"{id} {new.name}")
        self._forwarders.tell(id)
        return self.get(id)

    async def _changed(
        self, old: Target, change: TargetChange
    ) -> tuple[Target, TargetSecrets | None]:
        """Return a target after a change, and its secrets if they change. Raises BadParameter."""
        options, keys = old.options, None
        if change.url is not None and change.url != masked(options.url):
            url = await checked_url(old.kind, change.url, own_ports(self._settings.current))
            options = replace(options, url=masked(url))
            known = self._senders.secrets_of(old)
            if (secret := secret_address(url)) != known.url:
                keys = replace(known, url=secret)
        if change.ca is not None:
            options = replace(options, ca=checked_ca(change.ca))
        options = replace(options, selection=checked_selection(change.selection_of(options)))
        options = with_mqtt(options, check_mqtt(old.kind, change.mqtt))
        mail = change.mail or options.mail
        options = replace(
            options, mail=check_mail(old.kind, mail, options.selection, change.identity)
        )
        if change.identity is not None:
            identity = check_identity(change.identity, old.kind, options.url)
            options = replace(options, user=identity.user, cert=identity.cert)
            keys = replace(
                keys or self._senders.secrets_of(old), password=identity.password, key=identity.key
            )
        name = old.name if change.name is None else checked_name(change.name)
        return replace(old, name=name, options=options), keys

    async def remove(self, id: int, *, by: Actor) -> None:
        """Remove a target; nothing more is sent to it. Raises NoSuchResource."""
        async with self._forwarders.lock(id) as target:
            async with self._forwarders.stopped(target):
                await self._store.targets.remove(id)
                await self._store.erasures.forget_told()
            await self._audit.add(by, "target.remove", f"{id} {target.name}")
        self._forwarders.tell(id)

    async def change_secret(self, id: int, *, by: Actor) -> str:
        """Give a webhook another secret; return it. The old one signs too for a day.

        Raises NoSuchResource, BadParameter for a target of another kind.
        """
        async with self._forwarders.lock(id) as target:
            if target.kind != "webhook":
                raise BadParameter("only a webhook has a secret of ours", field="target")
            old = self._senders.secrets_of(target)
            secret = _new_secret()
            until = self._ms() + _ROTATION_SECONDS * 1000
            new = replace(old, secret=secret, previous=old.secret, previous_until=until)
            async with self._forwarders.stopped(target):
                await self._store.targets.change(target, secrets=new)
            await self._audit.add(by, "target.secret", f"{id} {target.name}")
        return secret

    # -- what a person does when it does not work

    async def test(self, id: int, *, by: Actor) -> Delivery:
        """Send a message that says nothing; return what became of it."""
        target = self._store.targets.get(id)
        sender = self._senders.of(target)
        try:
            delivery = await sender.test()
        finally:
            with trio.move_on_after(_CLOSE_SECONDS, shield=True):
                await sender.aclose()
        await self._audit.add(by, "target.test", f"{id} {target.name}")
        return delivery

    async def retry(self, id: int, *, by: Actor) -> TargetView:
        """Try at once what waits, is held, or was refused for ever.

        Raises NoSuchResource, and BadParameter if it waits for `go_on_restored`.
        """
        async with self._forwarders.lock(id) as target:
            if target.waits_after_restore:
                raise BadParameter(AFTER_RESTORE, field="target")
            await self._audit.add(by, "target.retry", f"{id} {target.name}")
            letters = await self._store.targets.dead_letters(id)
            if target.held:
                async with self._forwarders.stopped(target):
                    await self._store.targets.change(target, release=True)
            if (running := self._forwarders.get(id)) is not None:
                running.forwarder.send_again([one.key for one in letters])
                running.forwarder.retry_now()
        self._forwarders.tell(id)
        return self.get(id)

    @property
    def waits_after_restore(self) -> bool:
        """Whether targets get nothing until somebody says what, now that the hub was restored."""
        return any(one.waits_after_restore for one in self._store.targets.all())

    async def go_on_restored(self, gets: Literal["everything", "new"], *, by: Actor) -> None:
        """Forward again after a restore, to all targets that wait for this.

        `gets`: the log of the restored hub from its beginning, or what they had not had when the
        backup was made.
        """
        for one in self._lossless():
            with suppress(NoSuchResource):
                await self._go_on_restored(one.id, gets, by)

    async def _go_on_restored(self, id: int, gets: str, by: Actor) -> None:
        async with self._forwarders.lock(id) as target:
            if not target.waits_after_restore:
                return
            cursor = replace(target.cursor, log=self._store.log_id)
            # Whoever keeps the alarms of many sites closes those of a log that has ended.
            if gets == "everything" or target.kind == "nats":
                cursor = replace(cursor, alarm_number=0)
            seq = 0 if gets == "everything" else min(cursor.seq, self._store.records.last_seq)
            cursor = replace(cursor, seq=seq)
            options = replace(target.options, begin_log=cursor.log, begin_seq=seq)
            async with self._forwarders.stopped(target):
                await self._store.targets.move(target, cursor)
                await self._store.targets.change(replace(target, options=options), release=True)
            await self._audit.add(by, f"target.restored-{gets}", f"{id} {target.name}")
        self._forwarders.tell(id)

    def send_again(self, id: int, seq: int) -> None:
        """Send a record again, whether it was delivered or refused. Raises NoSuchResource."""
        target = self._store.targets.get(id)
        if not 0 < seq <= self._store.records.last_seq:
            raise Missing("record", seq=seq)
        running = self._forwarders.get(id)
        if running is None:
            raise NoSuchResource(f"target {target.id} gets nothing now: first let it retry")
        running.forwarder.send_again([DeadLetterKey("record", self._store.log_id, seq)])

    async def confirm_gaps(self, id: int, *, by: Actor) -> None:
        """Note that a person knows what a target will never get. Raises NoSuchResource."""
        target = self._store.targets.get(id)
        await self._store.targets.see_gaps(id, self._ms())
        await self._audit.add(by, "target.confirm", f"{id} {target.name}")
        self._forwarders.tell(id)

    # -- retention

    def needs(self, day: DayUse) -> bool:
        """Whether a target has not had all records of a day that may still wait for it."""
        is_missing = any(
            target.cursor.log == self._store.log_id
            and self._forwarders.cursor(target).seq < day.last_seq
            for target in self._lossless()
        )
        return is_missing and self._retention.age(day) <= timedelta(
            days=self._settings.current.targets.hold_days
        )

    async def note_dropped(self, day: DayUse, reason: GapReason) -> None:
        """Note that the records of a day are gone. Raises CannotStoreNow."""
        first, last = day.first_seq, day.last_seq
        gaps = {
            target.id: (max(first, seq + 1), last)
            for target in self._lossless()
            if (seq := self._forwarders.cursor(target).seq) < last
        }
        if gaps:
            await self._store.targets.add_gaps(gaps, self._store.log_id, reason, self._ms())
            for id in gaps:
                self._forwarders.tell(id)
                if (running := self._forwarders.get(id)) is not None:
                    running.forwarder.look_again()

    def _lossless(self) -> Sequence[Target]:
        """Return the targets that get everything: not those that are told what happens now."""
        return [one for one in self._store.targets.all() if one.kind not in OF_NOW]

    # -- parts

    def _view(self, target: Target) -> TargetView:
        return view_of(target, self._forwarders.get(target.id), self._store)

    async def _first_cursor(self, begin: str) -> Cursor:
        if begin == "beginning":
            return Cursor(self._store.log_id, 0)
        alarm = await self._store.targets.last_alarm_change()
        erased = await self._store.erased.last_number()
        return Cursor(self._store.log_id, self._store.records.last_seq, alarm, erased)

    async def _seal_addresses(self) -> None:
        """Seal what is secret in addresses that were entered before that was done."""
        for target in self._store.targets.all():
            shown = masked(url := target.options.url)
            if shown == url:
                continue
            keys = self._store.targets.secrets(target.id)
            sealed = replace(target, options=replace(target.options, url=shown))
            with suppress(CannotStoreNow):  # at the next start
                await self._store.targets.change(sealed, secrets=replace(keys, url=url))

    async def _hub_name(self) -> str:
        """Return the name under which targets know this hub; made at first use."""
        if name := self._store.settings.get(_HUB):
            return name
        plain = re.sub(r"[^a-z0-9]+", "-", self._site.name().casefold()).strip("-")[:40]
        name = f"{plain or 'hub'}-{secrets.token_hex(3)}"
        await self._store.settings.set(_HUB, name)
        return name

    def _ms(self) -> int:
        return int(self._now() * 1000)


def _host_of(url: str) -> str:
    return (urlsplit(url).hostname or "")[:MAX_NAME_LENGTH]


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
