"""Decoders of JSON into types, made once for each, by one thread at a time.

msgspec 0.22 describes a type when it meets it for the first time; another thread that uses the type
meanwhile takes the unfinished description, and the process ends with a segmentation fault. So
types are met here alone, and a test looks for other places.
"""

from __future__ import annotations

from threading import RLock
from typing import Any, TypeVar, overload

import msgspec

T = TypeVar("T")

_lock = RLock()
_decoders: dict[tuple[Any, bool], msgspec.json.Decoder[Any]] = {}


@overload
def json_decoder(kind: type[T], *, strict: bool = True) -> msgspec.json.Decoder[T]: ...
@overload
def json_decoder(kind: Any, *, strict: bool = True) -> msgspec.json.Decoder[Any]: ...
def json_decoder(kind: Any, *, strict: bool = True) -> msgspec.json.Decoder[Any]:
    """Return the decoder of a type. Not `strict`: numbers and booleans may be texts."""
    decoder = _decoders.get((kind, strict))
    if decoder is None:
        with _lock:
            decoder = msgspec.json.Decoder(kind, strict=strict)
            _decoders[kind, strict] = decoder
    return decoder


@overload
def decode_json(data: bytes | memoryview | str | msgspec.Raw, kind: type[T]) -> T: ...
@overload
def decode_json(data: bytes | memoryview | str | msgspec.Raw, kind: Any) -> Any: ...
def decode_json(data: bytes | memoryview | str | msgspec.Raw, kind: Any) -> Any:
    """Decode JSON into a type. Raises msgspec.MsgspecError, ValueError, RecursionError."""
    return json_decoder(kind).decode(data)


@overload
def convert(
    value: object, kind: type[T], *, strict: bool = True, builtin_types: tuple[type, ...] = ()
) -> T: ...
@overload
def convert(
    value: object, kind: Any, *, strict: bool = True, builtin_types: tuple[type, ...] = ()
) -> Any: ...
def convert(
    value: object, kind: Any, *, strict: bool = True, builtin_types: tuple[type, ...] = ()
) -> Any:
    """Convert decoded JSON into a type. Raises msgspec.ValidationError.

    `builtin_types`: those of the values beside the types of JSON.
    """
    json_decoder(kind)
    return msgspec.convert(value, kind, strict=strict, builtin_types=builtin_types)
