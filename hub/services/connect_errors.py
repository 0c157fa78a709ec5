"""Says in plain words why another system could not be reached."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Callable, Iterator

from hub.folding import visible
from hub.reasons import Reason, because

_MAX_TEXT = 200
#: How far the causes of an error are followed.
_MAX_DEPTH = 8
_UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN}


def reason_of(error: BaseException, mask: Callable[[str], str] = str) -> Reason:
    """Return why, in at most 200 characters: of the error, or of what has caused it.

    `mask`: hides what is secret in the text of an error.
    """
    for cause in _causes(error, _MAX_DEPTH):
        if words := _in_words(cause):
            return words
    return Reason(visible(mask(str(error))[:_MAX_TEXT]) or type(error).__name__)


def _in_words(error: BaseException) -> Reason | None:
    """Return plain words for an error of the network; None for others."""
    match error:
        case ssl.SSLCertVerificationError():
            why = visible(str(error.verify_message)[:_MAX_TEXT])
            return because("its certificate is not trusted: %(why)s", why=why)
        # Without a number it is one of our own, in words already.
        case ConnectionRefusedError() if error.errno:
            return Reason("the connection was refused: no program listens at this port")
        case ConnectionResetError() | BrokenPipeError():
            return Reason("it closed the connection")
        case socket.gaierror():
            return Reason("its host name could not be resolved")
        case OSError() if error.errno in _UNREACHABLE:
            return Reason("its address cannot be reached from this network")
        case OSError() if error.errno == errno.ETIMEDOUT:
            return Reason("it did not answer in time")
    return None


def _causes(error: BaseException, depth: int) -> Iterator[BaseException]:
    """Yield an error, what it is a group of, and what it came from."""
    if depth == 0:
        return
    yield error
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _causes(one, depth - 1)
    cause = error.__cause__
    # Some libraries only repeat what another one says.
    if cause is None and str(error.__context__) == str(error):
        cause = error.__context__
    if cause is not None:
        yield from _causes(cause, depth - 1)
