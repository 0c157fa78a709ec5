"""The smallest data that is recognised as pictures by its first bytes."""

from __future__ import annotations

import base64

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xd9"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
WEBP = b"RIFF\x24\x00\x00\x00WEBPVP8 "
GIF = b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"
BMP = b"BM\x46\0\0\0" + bytes(4) + b"\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def jpeg(size: int) -> bytes:
    """`size` bytes that begin as a JPEG does, and differ for each size."""
    return (JPEG + bytes(at * 31 % 251 for at in range(size)))[:size]
