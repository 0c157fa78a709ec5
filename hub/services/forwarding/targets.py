"""The targets of the site: other systems that get its records, alarms and gaps."""

from __future__ import annotations

import base64
import logging
import re
import secrets
import ssl
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import trio
from msgspec import Struct
from msgspec.structs import replace

from hub.errors import BadParameter, CannotStoreNow, NoSuchResource
from hub.live.feed import Change, Feed
from hub.net.own_address import leads_to_us
from hub.services.access.audit import Actor, Audit
from hub.services.forwarding.forwarder import Forwarder
from hub.services.forwarding.forwarder import TargetState as TargetState
from hub.services.forwarding.nats.address import check_servers, checked_partition, partition_of
from hub.services.forwarding.nats.identity import Identity as Identity
from hub.services.forwarding.nats.identity import check_identity
from hub.services.forwarding.nats.messages import Messages
from hub.services.forwarding.nats.sender import NatsSender
from hub.services.forwarding.picture_links import PictureLinks
from hub.services.forwarding.sender import Delivery as Delivery
from hub.services.forwarding.sender import Sender, TryLater
from hub.services.forwarding.webhook import WebhookSender
from hub.services.forwarding.webhook_bodies import RenderAlarm, WebhookBodies
from hub.services.reports.delivery import check_url
from hub.services.site.site import Site
from hub.store.records.retention import DayUse
from hub.store.targets.target import Cursor as Cursor
from hub.store.targets.target import Gap as Gap
from hub.store.targets.target import (
    GapReason,
    NewTarget,
    Target,
    TargetOptions,
    TargetSecrets,
)
from hub.store.targets.target import ParkedRecord as ParkedRecord
from hub.store.targets.target import PictureChoice as PictureChoice
from hub.store.targets.target import Selection as Selection
from hub.store.targets.target import TargetKind as TargetKind
from hub.wire.uploads.records import Record

if TYPE_CHECKING:
    import httpx

    from hub.store.db import Store

log = logging.getLogger(__name__)

MAX_NAME_LENGTH = 80
#: Certificates of authorities, as PEM.
MAX_CA_LENGTH = 64 * 1024
_HUB = "targets.hub"
_HUB_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
_SECRET_BYTES = 24
#: The secret before the last one signs too for so long.
_ROTATION_SECONDS = 86_400
_CLOSE_SECONDS = 1.0


class TargetView(Struct, frozen=True, kw_only=True):
    """A target as it is now. Times in UNIX milliseconds.

    `behind`: how many records of the log it has not had; `behind_since`: when the first of them
    arrived, if it is known. `reason`: why it waits or is held; `next_try`: when it is tried again.
    `about`: what the other side is, "" if it is not known. `gaps`: what it will never get.
    """

    target: Target
    state: TargetState
    cursor: Cursor
    behind: int
    behind_since: int | None
    reason: str
    waiting_since: int | None
    next_try: int | None
    parked: int
    about: str
    gaps: tuple[Gap, ...]

    @property
    def unseen_gaps(self) -> int:
        """How many gaps nobody has confirmed."""
        return sum(gap.seen_at is None for gap in self.gaps)

    @property
    def unseen_lost(self) -> int:
        """How many records these gaps have at most."""
        return sum(1 + gap.last_seq - gap.first_seq for gap in self.gaps if gap.seen_at is None)


class TargetChange(Struct, frozen=True, kw_only=True):
    """What changes of a target; None leaves it."""

    name: str | None = None
    url: str | None = None
    ca: str | None = None
    identity: Identity | None = None
    selection: Selection | None = None


class _Running(Struct):
    forwarder: Forwarder
    sender: Sender
    scope: trio.CancelScope
    ended: trio.Event


class Targets:
    """Manages targets, and runs a forwarder for each. run() must run for anything to be sent."""

    def __init__(
        self,
        store: Store,
        site: Site,
        audit: Audit,
        record_feed: Feed[Record],
        change_feed: Feed[Change],
        *,
        hold_days: int,
        own_ports: Callable[[], frozenset[int]],
        base_url: Callable[[], str],
        now: Callable[[], float],
        random: Callable[[], float],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`own_ports`: TCP ports of this hub. `base_url`: how it is reached, without a slash at the
        end. `transport`: replaces the network.
        """
        self._store = store
        self._site = site
        self._audit = audit
        self._record_feed = record_feed
        self._change_feed = change_feed
        self._hold_days = hold_days
        self._own_ports = own_ports
        self._base_url = base_url
        self._now = now
        self._random = random
        self._transport = transport
        self._running: dict[int, _Running] = {}
        self._nursery: trio.Nursery | None = None
        self._parked_counts: dict[int, int] = {}
        self.links = PictureLinks(store.picture_link_key, now)
        #: Set by the web server, which knows how alarms look in the API.
        self.render_alarm: RenderAlarm | None = None

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
        running = self._running.get(id)
        return () if running is None else tuple(reversed(tuple(running.sender.deliveries)))

    async def parked(self, id: int) -> tuple[ParkedRecord, ...]:
        """Return the records that a target refused for ever. Raises NoSuchResource."""
        self._store.targets.get(id)
        return await self._store.targets.parked(id)

    # -- changes

    async def add(
        self,
        kind: TargetKind,
        url: str,
        *,
        name: str = "",
        ca: str = "",
        selection: Selection | None = None,
        hub: str = "",
        begin: Literal["now", "beginning"] = "now",
        identity: Identity | None = None,
        partition: int | None = None,
        by: Actor,
    ) -> tuple[TargetView, str]:
        """Add a target; return it with the secret of a webhook, which is shown only now.

        `hub`: the name under which it knows this hub; "": the one that others know. `begin`: with
        the next record, or with the first one of the log. `identity` and `partition` are of NATS;
        without one, the hub's name decides. Raises BadParameter, AlreadyExists.
        """
        if kind not in ("webhook", "nats"):
            raise BadParameter('"webhook" or "nats" is expected', field="kind")
        identity = check_identity(identity or Identity(), kind, url)
        cursor = await self._first_cursor(begin)
        hub = _checked_hub(hub) if hub else await self._hub_name()
        options = TargetOptions(
            url=await self._checked_url(kind, url),
            ca=_checked_ca(ca),
            selection=_checked_selection(selection or Selection()),
            hub=hub,
            user=identity.user,
            cert=identity.cert,
            partition=_checked_partition(kind, hub, partition),
            begin_log=cursor.log,
            begin_seq=cursor.seq,
        )
        secret = _new_secret() if kind == "webhook" else ""
        new = NewTarget(
            kind=kind,
            name=_checked_name(name or (urlsplit(url).hostname or kind)),
            options=options,
            created_at=self._ms(),
            cursor=cursor,
        )
        keys = TargetSecrets(secret=secret, password=identity.password, key=identity.key)
        target = await self._store.targets.add(new, keys)
        await self._audit.add(by, "target.add", f"{target.id} {target.name}")
        self._start(target)
        self._tell(target.id)
        return self._view(target), secret

    async def change(self, id: int, change: TargetChange, *, by: Actor) -> TargetView:
        """Change a target. Raises NoSuchResource, BadParameter, AlreadyExists."""
        old = self._store.targets.get(id)
        options = old.options
        if change.url is not None:
            options = replace(options, url=await self._checked_url(old.kind, change.url))
        if change.ca is not None:
            options = replace(options, ca=_checked_ca(change.ca))
        if change.selection is not None:
            options = replace(options, selection=_checked_selection(change.selection))
        keys = None
        if change.identity is not None:
            identity = check_identity(change.identity, old.kind, options.url)
            options = replace(options, user=identity.user, cert=identity.cert)
            keys = replace(self._keys(old), password=identity.password, key=identity.key)
        name = old.name if change.name is None else _checked_name(change.name)
        await self._stop(id)
        try:
            target = await self._store.targets.change(id, name=name, options=options, secrets=keys)
            if old.held and (options != old.options or keys is not None):
                await self._store.targets.hold(id, "")
        finally:
            self._start_again(id)
        await self._audit.add(by, "target.set", f"{id} {target.name}")
        self._tell(id)
        return self.get(id)

    async def remove(self, id: int, *, by: Actor) -> None:
        """Remove a target; nothing more is sent to it. Raises NoSuchResource."""
        target = self._store.targets.get(id)
        await self._stop(id)
        try:
            await self._store.targets.remove(id)
        finally:
            self._start_again(id)
        await self._audit.add(by, "target.remove", f"{id} {target.name}")
        self._tell(id)

    async def change_secret(self, id: int, *, by: Actor) -> str:
        """Give a webhook another secret; return it. The old one signs too for a day.

        Raises NoSuchResource, BadParameter for a target of another kind.
        """
        target = self._store.targets.get(id)
        if target.kind != "webhook":
            raise BadParameter("only a webhook has a secret of ours", field="target")
        old = self._keys(target)
        secret = _new_secret()
        until = self._ms() + _ROTATION_SECONDS * 1000
        new = TargetSecrets(secret=secret, previous=old.secret, previous_until=until)
        await self._stop(id)
        try:
            await self._store.targets.change(
                id, name=target.name, options=target.options, secrets=new
            )
        finally:
            self._start_again(id)
        await self._audit.add(by, "target.secret", f"{id} {target.name}")
        return secret

    # -- what a person does when it does not work

    async def test(self, id: int, *, by: Actor) -> Delivery:
        """Send a message that says nothing; return what became of it."""
        target = self._store.targets.get(id)
        sender = self._sender(target)
        try:
            delivery = await sender.test()
        finally:
            with trio.move_on_after(_CLOSE_SECONDS, shield=True):
                await sender.aclose()
        await self._audit.add(by, "target.test", f"{id} {target.name}")
        return delivery

    async def retry(self, id: int, *, by: Actor) -> TargetView:
        """Try at once what waits, is held, or was refused for ever. Raises NoSuchResource."""
        target = self._store.targets.get(id)
        await self._audit.add(by, "target.retry", f"{id} {target.name}")
        parked = await self._store.targets.parked(id)
        if target.held:
            await self._stop(id)
            await self._store.targets.hold(id, "")
            self._start_again(id)
        if (running := self._running.get(id)) is not None:
            running.forwarder.send_again([one.seq for one in parked])
            running.forwarder.retry_now()
        self._tell(id)
        return self.get(id)

    def send_again(self, id: int, seq: int) -> None:
        """Send a record again, whether it was delivered or refused. Raises NoSuchResource."""
        target = self._store.targets.get(id)
        running = self._running.get(id)
        if running is None:
            raise NoSuchResource(f"target {target.id} gets nothing now")
        running.forwarder.send_again([seq])

    async def confirm_gaps(self, id: int, *, by: Actor) -> None:
        """Note that a person knows what a target will never get. Raises NoSuchResource."""
        target = self._store.targets.get(id)
        await self._store.targets.see_gaps(id, self._ms())
        await self._audit.add(by, "target.confirm", f"{id} {target.name}")
        self._tell(id)

    # -- retention

    def configure(self, hold_days: int) -> None:
        """Take over for how many days records are kept that a target has not had."""
        self._hold_days = hold_days

    def needs(self, day: DayUse) -> bool:
        """Whether a target has not had all records of a day that may still wait for it."""
        today = datetime.fromtimestamp(self._now(), UTC).date()
        if date.fromisoformat(day.day) < today - timedelta(days=self._hold_days):
            return False
        return any(
            target.cursor.log == self._store.log_id and self._cursor(target).seq < day.last_seq
            for target in self._store.targets.all()
        )

    async def note_dropped(self, day: DayUse, reason: GapReason) -> None:
        """Note that the records of a day are gone. Raises CannotStoreNow."""
        first, last = day.first_seq, day.last_seq
        gaps = {
            target.id: (max(first, seq + 1), last)
            for target in self._store.targets.all()
            if (seq := self._cursor(target).seq) < last
        }
        if gaps:
            await self._store.targets.add_gaps(gaps, self._store.log_id, reason, self._ms())
            for id in gaps:
                self._tell(id)
                if (running := self._running.get(id)) is not None:
                    running.forwarder.look_again()

    # -- the forwarders

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Forward to all targets until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                for target in self._store.targets.all():
                    self._start(target)
                task_status.started()
                await self._watch_changes()
            finally:
                self._nursery = None

    async def _watch_changes(self) -> None:
        """Wake up the forwarders when an alarm has changed, or something was erased."""
        with self._change_feed.subscribe() as changes:
            while True:
                items = await changes.next()
                if changes.lagged:
                    changes.catch_up()
                elif not any(change.kind in ("alarm", "erasure") for change in items):
                    continue
                for running in self._running.values():
                    running.forwarder.look_again()

    def _start(self, target: Target) -> None:
        """Start forwarding to a target, unless it is held, or nothing is forwarded yet."""
        if self._nursery is None or target.held:
            return
        sender = self._sender(target)
        forwarder = Forwarder(
            target, sender, self._store, self._now, self._random, self._tell_of(target)
        )
        running = _Running(forwarder, sender, trio.CancelScope(), trio.Event())
        self._running[target.id] = running
        self._nursery.start_soon(self._forward, running)

    def _start_again(self, id: int) -> None:
        """Start the forwarder of a target, unless the target is gone."""
        for target in self._store.targets.all():
            if target.id == id:
                self._start(target)

    async def _stop(self, id: int) -> None:
        if (running := self._running.get(id)) is not None:
            running.scope.cancel()
            await running.ended.wait()

    async def _forward(self, running: _Running) -> None:
        """Forward to one target. A fault of ours holds this target, and nothing else."""
        id = running.forwarder.target.id
        try:
            with running.scope, self._record_feed.subscribe(size=0) as records:
                await running.forwarder.run(records)
        except Exception:
            log.exception("forwarding to target %d has failed", id)
            await self._hold(id, "an internal error: see the log of the hub")
        finally:
            if self._running.get(id) is running:
                del self._running[id]
            running.ended.set()

    async def _hold(self, id: int, reason: str) -> None:
        try:
            await self._store.targets.hold(id, reason)
        except CannotStoreNow as error:
            log.warning("that target %d is held cannot be noted: %s", id, error)
        self._tell(id)

    def _sender(self, target: Target) -> Sender:
        keys = self._keys(target)
        if target.kind == "nats":
            return NatsSender(target.options, keys, self._messages(target), self._now)
        return WebhookSender(
            target.options,
            keys,
            self._bodies(target),
            self._store.log_id,
            self._now,
            self._transport,
        )

    def _bodies(self, target: Target) -> WebhookBodies:
        return WebhookBodies(
            target.options.hub, self.links, self._base_url, self._alarm_json, self._now
        )

    def _keys(self, target: Target) -> TargetSecrets:
        return self._store.targets.secrets(target.id) or TargetSecrets()

    def _messages(self, target: Target) -> Messages:
        options = target.options
        return Messages(
            options.hub,
            options.partition,
            self._store.log_id,
            self._store.pictures,
            self._alarm_json,
        )

    def _alarm_json(self, *args: object) -> bytes:
        if self.render_alarm is None:
            raise TryLater("the hub is still starting")
        return self.render_alarm(*args)  # type: ignore[arg-type]

    def _tell_of(self, target: Target) -> Callable[[], None]:
        return lambda: self._tell(target.id)

    def _tell(self, id: int) -> None:
        self._change_feed.publish([Change("target", str(id))])

    # -- views

    def _view(self, target: Target) -> TargetView:
        running = self._running.get(target.id)
        forwarder = None if running is None else running.forwarder
        waiting = None if forwarder is None else forwarder.waiting
        cursor = self._cursor(target)
        behind = max(0, self._store.records.last_seq - cursor.seq)
        state: TargetState = "behind" if behind else "current"
        if forwarder is not None:
            state = forwarder.state
        if target.held:
            state = "held"
        return TargetView(
            target=target,
            state=state,
            cursor=cursor,
            behind=behind,
            behind_since=forwarder.behind_since if forwarder is not None and behind else None,
            reason=target.held or (waiting.reason if waiting else ""),
            waiting_since=waiting.since if waiting else None,
            next_try=waiting.next_try if waiting else None,
            parked=self._store.targets.parked_count(target.id),
            about="" if running is None else running.sender.about,
            gaps=self._store.targets.gaps(target.id),
        )

    def _cursor(self, target: Target) -> Cursor:
        running = self._running.get(target.id)
        return target.cursor if running is None else running.forwarder.cursor

    # -- checks

    async def _checked_url(self, kind: TargetKind, url: str) -> str:
        """Return an address that a target may have. Raises BadParameter."""
        if kind == "nats":
            places = check_servers(url)
        else:
            check_url(url)
            parts = urlsplit(url)
            default = 443 if parts.scheme == "https" else 80
            places = [(parts.hostname or "", parts.port or default)]
        for host, port in places:
            if await leads_to_us(host, port, self._own_ports()):
                raise BadParameter("an address of another system than this hub", field="url")
        return url

    async def _first_cursor(self, begin: str) -> Cursor:
        if begin == "beginning":
            return Cursor(self._store.log_id, 0)
        alarm = await self._store.targets.last_alarm_change()
        erased = await self._store.erased.last_number()
        return Cursor(self._store.log_id, self._store.records.last_seq, alarm, erased)

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


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def _checked_name(name: str) -> str:
    name = " ".join(name.split())
    if not 0 < len(name) <= MAX_NAME_LENGTH:
        raise BadParameter(f"1 to {MAX_NAME_LENGTH} characters are expected", field="name")
    return name


def _checked_hub(hub: str) -> str:
    if not _HUB_NAME.fullmatch(hub):
        raise BadParameter("at most 63 of a to z, 0 to 9 and - are expected", field="hub")
    return hub


def _checked_partition(kind: TargetKind, hub: str, partition: int | None) -> int:
    if kind != "nats":
        if partition is not None:
            raise BadParameter("only NATS has partitions", field="partition")
        return 0
    return partition_of(hub) if partition is None else checked_partition(partition)


def _checked_ca(ca: str) -> str:
    if not ca.strip():
        return ""
    if len(ca) > MAX_CA_LENGTH:
        raise BadParameter(f"at most {MAX_CA_LENGTH} characters are expected", field="ca")
    try:
        ssl.create_default_context(cadata=ca)
    except (ssl.SSLError, ValueError) as error:
        raise BadParameter("certificates as PEM are expected", field="ca") from error
    return ca


def _checked_selection(selection: Selection) -> Selection:
    for name, values in (("dids", selection.dids), ("types", selection.types)):
        if len(values) > 500:
            raise BadParameter("at most 500 are expected", field=name)
    return selection
