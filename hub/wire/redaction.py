"""Redaction of frames for display: pictures become their size, lists are cut, secrets are masked.

Valid JSON is decoded and masked by the names of its fields and by what its values look like. In
anything else only words of the protocol are shown, because values cannot be told from names.
Personal numbers keep their last characters, so that a reader who knows a number recognises it.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from hub.wire.json_limits import count_to
from hub.wire.json_structure import is_escaped

MASK = "***"

#: Characters shown of one text, of a whole frame, and of a frame that is not JSON.
_MAX_TEXT_LENGTH = 160
_MAX_FRAME_LENGTH = 4000
_MAX_INVALID_LENGTH = 600
#: Characters examined in one text and in a frame, so that no sender can make redaction slow.
_MAX_EXAMINED_TEXT = 512
_MAX_EXAMINED_FRAME = 2 * _MAX_FRAME_LENGTH
#: Added to the examined characters for every value, whatever its length.
_VALUE_COST = 8
#: Items of a list that are shown; the others are counted.
_MAX_ITEMS = 3
#: Keys up to this length are remembered in the form in which they are shown.
_MAX_KEY = 32
#: A longer string is replaced by its size before the frame is decoded.
_LONG_STRING = 512
#: A frame that is still longer, or has more quotation marks or brackets, is not decoded.
_MAX_DECODED_LENGTH = 128 * 1024
_MAX_QUOTES = 10_000
_MAX_BRACKETS = 4_000
_BACKSLASH = 0x5C

#: Fields whose values are never shown. Names are compared as reduced by `_letters_only`.
_SECRET_NAMES = re.compile(
    r".*(?:token|secret|passw|pwd|signature|feature|authoriz|apikey|privatekey).*|sign|(?!ver).*code"
)
#: Fields that hold a picture, or its path on the device, which is shown.
_PICTURE_NAMES = re.compile(
    r"photo|base64|picture|image|img|(?:face|body|bg)data|(?:vehicle|plate)pic"
)
_PERSONAL_NUMBERS = (
    r"(?:id|ic)(?:card)?(?:no|num|number)|(?:id|ic)card|card(?:no|num|number)"
    r"|.*(?:phone|mobile).*|tel|passport"
)
_NUMBER_NAMES = re.compile(_PERSONAL_NUMBERS)
_PERSONAL_NAMES = re.compile(rf"{_PERSONAL_NUMBERS}|work(?:id|no)|email")
#: Fields that identify a device, frame, person or file: their digits are not personal numbers.
_IDENTIFYING_NAMES = re.compile(
    r"msgid|[dpr]id|sn|uuid|id|(?:ota|app)id|path|filename|md|sha|ts|time|accesstime"
)
_PATH = re.compile(r"[\w./ :-]{1,250}\.(?:jpe?g|png|webp|gif|bmp|mp4)", re.IGNORECASE | re.ASCII)
#: The text that replaces a long string.
_SIZE_TEXT = re.compile(r"\[[0-9.]+ (?:B|KB|MB)\]")
#: Runs of characters that may be tokens, signatures or base64.
_RUN = re.compile(r"[A-Za-z0-9+/_=-]{20,}")
_MAX_WORD_LENGTH = 31
_RUN_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_=-"
#: The secret address of an unsigned camera: `/c/<secret>` (D12). It may look like a word.
_SECRET_PATH = re.compile(r"(/c/+)[A-Za-z0-9_-]{22}(?![A-Za-z0-9_-])")
#: Numbers of identity cards and mobile phones.
_PERSONAL_NUMBER = re.compile(r"(?<![0-9])(?:[0-9]{17}[0-9Xx]|[0-9]{15}|1[3-9][0-9]{9})(?![0-9])")
#: Secrets in a query or a sentence: `token=...`, `Bearer ...`, `secret: 12ab`.
_ASSIGNED_SECRET = re.compile(
    r"""((?:token|sign|secret|password|pwd|code)=|bearer\s+"""
    r"""|(?:token|secret|password|pwd)["']?\s*:\s*["']?(?=[^\s&"'0-9]{0,64}+[0-9]))[^\s&"']+""",
    re.IGNORECASE,
)
_NO_LETTERS = re.compile(r"[^a-z]+")
_DIGIT = re.compile(r"[0-9]")
_LETTER = re.compile(r"[A-Za-z]")
_WORD = re.compile(r"[\w+/=.@-]{3,}")

#: The words that are shown of a frame that is not JSON: names and uris of the protocol.
_PROTOCOL_WORDS = frozenset(
    """
    msgid token data uri param code msg result true false null
    connect token/update heartbeat sn did ip sign ts expire interval
    device/param_set otaId appid secret
    ivp/person_param_set ivp/facecap_param_set enable show_face show_human push_stranger push_face
    push_bg play_audio play_audio_stranger play_audio_white play_audio_black play_audio_vip
    play_audio_friend threshold reg_threshold mini_face mini_human quality_face quality_human
    server_enable alarm_out alarm_push
    storage/record_set normal_record disconnect_record alarm_record audio_enable file_len strategy
    face_server_enable pre_record duration
    storage/record_by_month year month day count
    storage/get_record_list start_time end_time page_num page_size total_page total_file recordlist
    filename
    system/maintain/reboot delay_ms
    ivp/face/get_cap_history person/get_cap_history name workId idCard phone face_total face_list
    similarity gender age time jpeg_url_face jpeg_url_body jpeg_url_frame total list
    person/add person/list person/query person/delete person/search pid work_id id_card_no
    ic_card_no department photo category score
    storage/get_file_by_path path base64
    """.lower().split()
)

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


def redact_frame(frame: str | bytes) -> str:
    """The frame on one line, redacted, at most about 4,000 characters."""
    data = frame.encode("utf-8", "replace") if isinstance(frame, str) else frame
    short = _without_long_strings(data)
    if short is None:
        return _redact_invalid(data)
    # A frame in another encoding, such as GBK, is decoded with replacement characters.
    text = short.decode("utf-8", "replace").encode()
    try:
        masked = msgspec.json.encode(_FrameMasking().value(msgspec.json.decode(text), "", ""))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _redact_invalid(short)
    return _truncated(msgspec.json.format(masked, indent=0).decode(), _MAX_FRAME_LENGTH)


def redact_text(text: str) -> str:
    """Redact a text that is not the value of a named field."""
    text = _ASSIGNED_SECRET.sub(rf"\1{MASK}", _examined_part(text))
    text = _SECRET_PATH.sub(rf"\1{MASK}", text)
    text = _PERSONAL_NUMBER.sub(lambda found: _last_characters(found[0]), text)
    return _truncated(_RUN.sub(_run_or_mask, text))


def redact_uri(uri: str) -> str:
    """Redact a uri or a path part by part."""
    return _truncated("/".join(map(redact_text, uri.split("/"))))


def is_personal_number(name: str) -> bool:
    """Return whether a field of this name holds a personal number: of a card, or a phone's."""
    return _names_number(name) if len(name) > _MAX_KEY else _of_name(name)


def format_size(count: int) -> str:
    """A number of bytes as text: "213 KB"."""
    if count < 1000:
        return f"{count} B"
    if count < 10_000:
        return f"{count / 1000:.1f} KB"
    return f"{count // 1000} KB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


def _without_long_strings(data: bytes) -> bytes | None:
    """Replace each long string by its size; None if the frame is still too long to be decoded.

    Searches from one quotation mark to the next, which in a picture is as fast as memchr.
    """
    parts: list[bytes] = []
    taken, opening, quote = 0, -1, data.find(b'"')
    for _ in range(_MAX_QUOTES):
        if quote < 0:
            break
        if opening < 0:
            opening = quote
        elif data[quote - 1] != _BACKSLASH or not is_escaped(data, quote):
            if quote - opening > _LONG_STRING:
                parts += (data[taken : opening + 1], _size_text(quote - opening - 1))
                taken = quote
            opening = -1
        quote = data.find(b'"', quote + 1)
    else:
        return None
    if len(data) - taken > _MAX_DECODED_LENGTH:
        return None
    short = b"".join((*parts, data[taken:]))
    is_short = len(short) <= _MAX_DECODED_LENGTH
    return (
        short if is_short and count_to(_MAX_BRACKETS, short, b"[", b"{") <= _MAX_BRACKETS else None
    )


def _size_text(count: int) -> bytes:
    return f"[{format_size(count)}]".encode()


class _FrameMasking:
    """Masks the values of one frame in order, up to the limit of examined characters."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = _MAX_EXAMINED_FRAME

    def value(self, value: Json, name: str, above: str) -> Json:
        """Mask a value. `name`, `above`: names of its field and the enclosing one, letters only."""
        if _is_secret(value, name, above):
            # Show whether a secret is present: installers check that.
            return value if value is None or value == "" else MASK
        if isinstance(value, dict):
            return self._object(value, name)
        if isinstance(value, list):
            return self._list(value, name, above)
        if isinstance(value, str):
            self._left -= len(value)
            return _masked_string(value, name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _masked_number(value, name)
        return value

    def _object(self, fields: dict[str, Json], name: str) -> Json:
        masked: dict[str, Json] = {}
        for count, (key, inner) in enumerate(fields.items()):
            if self._left <= 0:
                masked["…"] = f"[{len(fields) - count} more]"
                break
            self._left -= len(key) + _VALUE_COST
            shown, letters = _of_key(key) if len(key) <= _MAX_KEY else _seen_key(key)
            masked[shown] = self.value(inner, letters, name)
        return masked

    def _list(self, items: list[Json], name: str, above: str) -> Json:
        self._left -= _VALUE_COST
        masked = [self.value(item, name, above) for item in items[:_MAX_ITEMS]]
        if len(items) > _MAX_ITEMS:
            masked.append(f"[{len(items) - _MAX_ITEMS} more]")
        return masked


def _masked_string(value: str, name: str) -> str:
    if not value or _SIZE_TEXT.fullmatch(value):
        return value
    if _PATH.fullmatch(value):
        return _truncated(value)
    if _PICTURE_NAMES.search(name):
        return f"[{format_size(len(value))}]"
    if _PERSONAL_NAMES.fullmatch(name):
        return _last_characters(value)
    if value.lstrip()[:1] in ("{", "["):
        return _truncated(redact_frame(value))  # JSON within JSON
    if name == "uri":
        return redact_uri(value)
    if _IDENTIFYING_NAMES.fullmatch(name):
        return _truncated(_ASSIGNED_SECRET.sub(rf"\1{MASK}", value))
    return redact_text(value)


def _masked_number(value: float, name: str) -> Json:
    digits = str(value)
    if _PERSONAL_NAMES.fullmatch(name):
        return _last_characters(digits)
    if not _IDENTIFYING_NAMES.fullmatch(name) and _PERSONAL_NUMBER.search(digits):
        return _last_characters(digits)
    return value


def _is_secret(value: Json, name: str, above: str) -> bool:
    if name == "code" and above == "data":
        # The code of an answer is short; a device's security code has 8 characters.
        return len(str(value)) > 4
    return _SECRET_NAMES.fullmatch(name) is not None


def _last_characters(number: str) -> str:
    keep = 4 if len(number) >= 11 else 2 if len(number) >= 5 else 0
    return MASK + number[len(number) - keep :]


def _run_or_mask(run: re.Match[str]) -> str:
    text = run[0]
    if _DIGIT.search(text):
        return MASK if _LETTER.search(text) else text
    return text if len(text) <= _MAX_WORD_LENGTH else MASK


def _examined_part(text: str) -> str:
    """The beginning of a text, minus a truncated run at its end that may be part of a secret."""
    if len(text) <= _MAX_EXAMINED_TEXT:
        return text
    return text[:_MAX_EXAMINED_TEXT].rstrip(_RUN_CHARACTERS) + MASK


def _truncated(text: str, max_length: int = _MAX_TEXT_LENGTH) -> str:
    return text if len(text) <= max_length else f"{text[:max_length]}…"


def _redact_invalid(data: bytes) -> str:
    """The beginning of a frame that is not JSON: its punctuation and words of the protocol."""
    text = data[: 4 * _MAX_INVALID_LENGTH + 4].decode("utf-8", "replace")
    beginning = text[:_MAX_INVALID_LENGTH]
    words = _WORD.sub(_known_word_or_mask, " ".join(beginning.split()))
    return words + ("…" if len(text) > _MAX_INVALID_LENGTH else "")


def _known_word_or_mask(found: re.Match[str]) -> str:
    word = found[0]
    return word if word.strip("/").lower() in _PROTOCOL_WORDS else MASK


def _seen_key(key: str) -> tuple[str, str]:
    """A key as it is shown, and its letters."""
    return redact_text(key), _letters_only(key)


def _names_number(name: str) -> bool:
    return _NUMBER_NAMES.fullmatch(_letters_only(name)) is not None


#: Frames of one kind have the same keys: one who is sent 50 people a second has 14 in each.
_of_key = lru_cache(maxsize=512)(_seen_key)
_of_name = lru_cache(maxsize=512)(_names_number)


def _letters_only(name: str) -> str:
    return _NO_LETTERS.sub("", name.lower())
