"""The file from which a target is added: what `sitehub central enrol` writes for a hub."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from hub.decoders import decode_json
from hub.errors import BadParameter
from hub.services.forwarding.nats.identity import Identity

MAX_BYTES = 256 * 1024


class TargetFile(Struct, frozen=True):
    """A target of NATS, with the fields of the API. `cert`, `key` and `ca`: PEM."""

    kind: Literal["nats"]
    url: str
    name: str = ""
    hub: str = ""
    partition: int | None = None
    user: str = ""
    password: str = ""
    cert: str = ""
    key: str = ""
    ca: str = ""

    @property
    def identity(self) -> Identity:
        return Identity(self.user, self.password, self.cert, self.key)


def read_target_file(data: bytes) -> TargetFile:
    """Return what is in a file. Raises BadParameter for the field `file`."""
    if len(data) > MAX_BYTES:
        raise BadParameter(f"at most {MAX_BYTES} bytes are expected", field="file")
    try:
        return decode_json(data, TargetFile)
    except msgspec.MsgspecError as error:
        raise BadParameter(f"it is no file of a target: {error}", field="file") from error
    except UnicodeDecodeError as error:
        raise BadParameter("it is no file of a target", field="file") from error
