"""Why a connect attempt is refused: the codes, and the sentences for people and devices."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

from msgspec import Struct

RefusalCode = Literal[
    "unknown",
    "no-signature",
    "bad-signature",
    "no-key",
    "key-mismatch",
    "code-mismatch",
    "clock-off",
    "replayed",
    "disabled",
    "foreign-did",
    "no-did",
    "slowed",
    # D12: connects without a signature
    "unsigned",
    "unsigned-off",
    "unsigned-network",
    "signature-dropped",
    "label-mismatch",
    "other-path",
    "still-online",
    "not-proved",
    "changed-facts",
    "changed-mac",
    "changed-address",
]

#: The field of the connect (1.1) that each code is about.
_FIELDS: dict[RefusalCode, str] = {
    "unknown": "sn",
    "no-signature": "sign",
    "bad-signature": "sign",
    "no-key": "sign",
    "key-mismatch": "sign",
    "code-mismatch": "sign",
    "clock-off": "ts",
    "replayed": "ts",
    "disabled": "sn",
    "foreign-did": "did",
    "no-did": "did",
    "slowed": "sn",
    "unsigned": "sign",
    "unsigned-off": "sign",
    "unsigned-network": "sign",
    "signature-dropped": "sign",
    "label-mismatch": "code",
    "other-path": "sn",
    "still-online": "sn",
    "not-proved": "sn",
    "changed-facts": "sn",
    "changed-mac": "sn",
    "changed-address": "sn",
}

#: Codes that mean that no signature by a known key was seen.
_WITHOUT_KEY: tuple[RefusalCode, ...] = (
    *("no-signature", "bad-signature", "no-key", "key-mismatch"),
    *("unsigned", "unsigned-off", "unsigned-network", "signature-dropped"),
    *("label-mismatch", "other-path", "still-online", "not-proved"),
    *("changed-facts", "changed-mac", "changed-address"),
)

_SENTENCES: dict[RefusalCode, str] = {
    "unknown": "it is not known here: accept it with its security code",
    "no-signature": "it sends no signature",
    "bad-signature": "its signature is not valid Base64",
    "no-key": "there is no key to check its signature: set the site key or give the device its own",
    "key-mismatch": "the key does not match the signature: the device has another key",
    "code-mismatch": "the code does not match the signature",
    "replayed": "it repeats an earlier connect",
    "disabled": "it is disabled",
    "foreign-did": "it gives the did {did}, which is not its own",
    "no-did": "it does not know its did yet: the hub sends it",
    "unsigned": (
        "it connects without a signature, as later editions of the protocol do: "
        "approve it with the code of its label"
    ),
    "unsigned-off": (
        "it connects without a signature, as later editions of the protocol do, and this site "
        "does not allow that (devices.unsigned)"
    ),
    "unsigned-network": (
        "it connects without a signature, from an address that is not in devices.unsigned_networks"
    ),
    "signature-dropped": (
        "it was enrolled with a signature and now connects without one: it may be another device"
    ),
    "label-mismatch": "the code is not the one that the camera names",
    "other-path": "it does not use the address of the hub that was given to it alone",
    "still-online": "it is connected already, and that connection is alive",
    "not-proved": "it did not say who it is",
    "changed-facts": "its hardware number or its code is not that of the camera that was approved",
    "changed-mac": "its MAC is not that of the camera that was approved",
    "changed-address": "its address is not that of the camera that was approved",
}


class RefusalReason(Struct, frozen=True):
    """Why a connect attempt is refused. `args` holds what a translation needs.

    "clock-off": `seconds`, positive if the device is ahead; "foreign-did": `did`; "slowed":
    `until`, in UNIX milliseconds; the other codes: nothing.
    """

    code: RefusalCode
    args: dict[str, str] = {}

    @property
    def sentence(self) -> str:
        """The reason in English, about the device as "it"."""
        if self.code == "clock-off":
            return _clock_sentence(float(self.args["seconds"]))
        if self.code == "slowed":
            return _slowed_sentence(int(self.args["until"]))
        return _SENTENCES[self.code].format_map(self.args)

    @property
    def refusal(self) -> str:
        """The reason as it is sent to the device: the field, then the sentence."""
        return f"{_FIELDS[self.code]}: {self.sentence}"


def has_proved_key(reasons: Iterable[RefusalReason]) -> bool:
    """Whether a device that is refused for these reasons signed with a key that the hub knows."""
    return all(reason.code not in _WITHOUT_KEY for reason in reasons)


def _clock_sentence(seconds: float) -> str:
    side = "ahead" if seconds > 0 else "behind"
    return f"its clock is {format_duration(abs(seconds))} {side}: set its time and time zone"


def _slowed_sentence(until: int) -> str:
    at = datetime.fromtimestamp(until / 1000, UTC)
    return (
        "too many attempts failed, its own or those of unknown devices at its address: "
        f"answers are delayed until {at:%H:%M:%S} UTC"
    )


def format_duration(seconds: float) -> str:
    """The two largest units: "7 h 58 min"."""
    rest = round(seconds)
    parts = []
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
