"""The smallest data that is recognised as pictures by its first bytes."""

from __future__ import annotations

import base64
import struct

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


def jpeg_of_scans(side: int, scans: int) -> bytes:
    """A grey progressive JPEG of `side` by `side` with the same scan again and again.

    Each takes some bytes, and a decoder a pass over all pixels.
    """
    blocks = (side // 8) ** 2
    runs = "".join("0" + "1" * 14 for _ in range(-(-blocks // 32767)))
    runs += "1" * (-len(runs) % 8)
    data = int(runs, 2).to_bytes(len(runs) // 8, "big").replace(b"\xff", b"\xff\x00")
    return b"".join(
        (
            b"\xff\xd8\xff\xdb\x00\x43\x00" + b"\x01" * 64,
            b"\xff\xc2" + struct.pack(">HBHHB", 11, 8, side, side, 1) + b"\x01\x11\x00",
            # Codes of one bit: for a difference of 0, and for a run of blocks without values.
            b"\xff\xc4\x00\x14\x00\x01" + bytes(15) + b"\x00",
            b"\xff\xc4\x00\x14\x10\x01" + bytes(15) + b"\xe0",
            b"\xff\xda\x00\x08\x01\x01\x00\x00\x00\x00" + bytes(-(-blocks // 8)),
            (b"\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x00" + data) * (scans - 1),
            b"\xff\xd9",
        )
    )
