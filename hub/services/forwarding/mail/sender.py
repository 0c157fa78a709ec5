"""Sends mails through one server, one at a time, each in a connection of its own."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

import trio

from hub.folding import visible
from hub.reasons import Reason
from hub.services.forwarding.mail.options import MailFacts, WriteMail
from hub.services.forwarding.picture import picture_name
from hub.services.forwarding.retries import RetryPlan
from hub.services.forwarding.sender import AlarmItem, Connectionless, Delivery, Item, Undelivered
from hub.store.alarms.alarm import Alarm
from hub.store.targets.target import Target, TargetSecrets

if TYPE_CHECKING:
    from email.message import EmailMessage

    from hub.store.media.pictures import PictureReader, StoredPicture
    from hub.wire.uploads.records import Record

PLAN = RetryPlan((30.0, 60.0, 300.0, 900.0, 3_600.0), spread=0.1)
_KEPT_DELIVERIES = 100
_MAX_SUBJECT = 200
#: All pictures of a mail together.
_MAX_PICTURE_BYTES = 4 * 1024 * 1024


class MailSender(Connectionless):
    """Delivers all that it is given in one mail. `about`: which recipients got none, and why."""

    batch = 1
    retry_plan = PLAN

    def __init__(
        self,
        target: Target,
        keys: TargetSecrets,
        log_id: str,
        pictures: PictureReader,
        now: Callable[[], float],
        facts: Callable[[], MailFacts],
        write: WriteMail,
    ) -> None:
        self._target = target
        self._keys = keys
        self._log_id = log_id
        self._pictures = pictures
        self._now = now
        self._facts = facts
        self._write = write
        self._has_pictures = True
        self.about: Reason | None = None
        #: The last attempts, the newest last.
        self.deliveries: deque[Delivery] = deque(maxlen=_KEPT_DELIVERIES)

    async def send(self, items: Sequence[Item]) -> None:
        told = [item for item in items if isinstance(item, AlarmItem)]
        if not told:
            return
        id = f"{self._log_id}-mail-{told[0].number}"
        pictures = [await self._picture(one.record) for one in told if one.record is not None]
        try:
            await self._deliver(id, [one.alarm for one in told], pictures)
        except Undelivered:
            # It may be the pictures that the server does not take.
            self._has_pictures = not self._has_pictures
            raise
        self._has_pictures = True

    async def test(self) -> Delivery:
        with suppress(Undelivered):
            await self._deliver(f"{self._log_id}-test-{secrets.token_hex(4)}", [], [])
        return self.deliveries[-1]

    async def aclose(self) -> None:
        pass

    async def _picture(self, record: Record) -> StoredPicture | None:
        """Return the picture of a record; None if it has none any more."""
        if not record.images or not self._has_pictures:
            return None
        return await self._pictures.read(record.seq, picture_name(record))

    async def _deliver(
        self, id: str, alarms: Sequence[Alarm], pictures: Sequence[StoredPicture | None]
    ) -> None:
        """Deliver one mail, and note the attempt. Raises TryLater."""
        from hub.services.forwarding.mail.smtp import submit

        began, at = trio.current_time(), int(self._now() * 1000)
        failure: Reason | None = Reason("it was interrupted")
        try:
            facts = self._facts()
            subject, text = await trio.to_thread.run_sync(self._write, alarms, facts)
            message = self._message(id, subject, text, facts)
            _attach(message, pictures)
            options = self._target.options
            self.about = failure = await submit(options, self._keys, message.as_bytes())
        except Undelivered as error:
            failure = error.reason
            raise
        finally:
            took = int((trio.current_time() - began) * 1000)
            self.deliveries.append(Delivery(id, at, took, None, failure))

    def _message(self, id: str, subject: str, text: str, facts: MailFacts) -> EmailMessage:
        from email.message import EmailMessage
        from email.policy import SMTP
        from email.utils import format_datetime

        options = self._target.options
        assert options.mail is not None
        message = EmailMessage(SMTP)
        message["From"] = options.mail.sender
        message["To"] = ", ".join(options.mail.recipients)
        message["Subject"] = visible(subject)[:_MAX_SUBJECT]
        message["Date"] = format_datetime(datetime.fromtimestamp(self._now(), facts.zone))
        message["Message-ID"] = f"<{id}@{options.hub}.sitehub>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text, cte="base64")
        return message


def _attach(message: EmailMessage, pictures: Sequence[StoredPicture | None]) -> None:
    """Add the pictures, as far as they are not too large together."""
    left = _MAX_PICTURE_BYTES
    for number, picture in enumerate(pictures, 1):
        if picture is not None and len(picture.data) <= left:
            left -= len(picture.data)
            kind = picture.mime.rpartition("/")[2]
            name = f"{number}.{kind}"
            message.add_attachment(picture.data, maintype="image", subtype=kind, filename=name)
