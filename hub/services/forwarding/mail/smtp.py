"""Hands one mail to a server: SMTP in a thread, always encrypted."""

from __future__ import annotations

import smtplib
import socket
from contextlib import suppress

import trio

from hub.folding import visible
from hub.reasons import Reason, because
from hub.services.connect_errors import reason_of
from hub.services.forwarding.mail.options import PORTS
from hub.services.forwarding.mqtt.options import check_broker
from hub.services.forwarding.sender import TryLater
from hub.services.forwarding.webhooks.sender import tls_of
from hub.store.targets.target import TargetOptions, TargetSecrets

#: For each answer, and for all of it.
_ANSWER_SECONDS, _TOTAL_SECONDS = 30.0, 180.0
_MAX_TEXT = 200
#: Of this computer, whose name the server need not know (RFC 5321, 4.1.3).
_HELLO = "[127.0.0.1]"


async def submit(options: TargetOptions, keys: TargetSecrets, mail: bytes) -> Reason | None:
    """Return once the server has taken a mail: why some recipients do not get it, else None.

    Raises TryLater. If cancelled, it may have been taken.
    """
    session = _Session(options, keys, mail)
    with trio.move_on_after(_TOTAL_SECONDS):
        try:
            return await trio.to_thread.run_sync(session.run, abandon_on_cancel=True)
        finally:
            session.end()
    raise TryLater("it did not answer within %(seconds)s s", seconds=int(_TOTAL_SECONDS))


class _Session:
    """One connection. run() is called in a thread, which end() ends from outside."""

    def __init__(self, options: TargetOptions, keys: TargetSecrets, mail: bytes) -> None:
        self._options = options
        self._keys = keys
        self._mail = mail
        self._has_ended = False
        self._smtp: smtplib.SMTP | None = None

    def end(self) -> None:
        self._has_ended = True
        connection = None if self._smtp is None else self._smtp.sock
        if connection is not None:
            # Not what TLS makes of it, which another thread uses.
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def run(self) -> Reason | None:
        try:
            return self._run()
        except smtplib.SMTPAuthenticationError as error:
            why = _text(error.smtp_error)
            raise TryLater(
                "it does not accept the user name or the password: %(why)s", why=why
            ) from error
        except smtplib.SMTPRecipientsRefused as error:
            raise TryLater(_refused(error.recipients)) from error
        except smtplib.SMTPResponseException as error:
            why = f"{error.smtp_code} {_text(error.smtp_error)}"
            raise TryLater("it refuses the mail: %(why)s", why=why) from error
        except smtplib.SMTPServerDisconnected as error:
            raise TryLater("it closed the connection") from error
        except TimeoutError as error:
            raise TryLater("it did not answer in time") from error
        # UnicodeError: a name that cannot be looked up.
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            raise TryLater(reason_of(error)) from error

    def _run(self) -> Reason | None:
        options, tls = self._options, tls_of(self._options)
        assert options.mail is not None
        host, port = check_broker(options.url, PORTS)
        is_wrapped = options.url.startswith("smtps://")
        self._smtp = smtp = (
            smtplib.SMTP_SSL(context=tls, local_hostname=_HELLO, timeout=_ANSWER_SECONDS)
            if is_wrapped
            else smtplib.SMTP(local_hostname=_HELLO, timeout=_ANSWER_SECONDS)
        )
        # What TLS compares with the certificate. Otherwise, only a constructor that connects at
        # once sets it, and then there would be nothing to end.
        smtp._host = host  # type: ignore[attr-defined]
        try:
            smtp.connect(host, port)
            smtp.ehlo_or_helo_if_needed()
            if not is_wrapped:
                if not smtp.has_extn("starttls"):
                    raise TryLater("it offers no encryption (STARTTLS)")
                smtp.starttls(context=tls)
            if options.user:
                smtp.login(options.user, self._keys.password)
            if self._has_ended:
                raise TryLater("it was interrupted")
            refused = smtp.sendmail(options.mail.sender, options.mail.recipients, self._mail)
            # The server has the mail, however it says goodbye.
            with suppress(smtplib.SMTPException, OSError):
                smtp.quit()
        finally:
            smtp.close()
        return _refused(refused) if refused else None


def _refused(recipients: dict[str, tuple[int, bytes]]) -> Reason:
    who, (code, text) = next(iter(recipients.items()))
    names = ", ".join(recipients)
    said = f"{code} {_text(text)}" if who else ""
    return because("it refuses the recipients %(names)s: %(why)s", names=names, why=said)


def _text(said: bytes | str) -> str:
    text = said if isinstance(said, str) else said.decode(errors="replace")
    return visible(text)[:_MAX_TEXT]
