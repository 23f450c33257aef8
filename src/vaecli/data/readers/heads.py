"""Limits that the head of an image file must keep before Pillow may read the file."""

import struct
from typing import IO

MAX_PIXELS = 100_000_000  # 10,000 x 10,000: Pillow needs 4 bytes for each
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEAD_BYTES = 32


class UnreadableError(Exception):
    """Why a file is refused, to be read after its name."""


def require_size(width: int, height: int) -> None:
    """Refuse an image of too many pixels, or of none.

    Raises:
        UnreadableError: It is too large or empty.
    """
    if width < 1 or height < 1:
        raise UnreadableError(f"is damaged: {width} x {height} pixels")
    if width * height > MAX_PIXELS:
        raise UnreadableError(
            f"is too large: {width} x {height} pixels, at most {MAX_PIXELS // 1_000_000} million "
            "are read"
        )


def check_before_open(file: IO[bytes]) -> None:
    """Refuse an empty file, and a large one of the formats that Pillow unpacks when it opens them.

    Raises:
        UnreadableError: It is empty or too large.
    """
    head = file.read(HEAD_BYTES)
    if not head:
        raise UnreadableError("is empty: 0 bytes")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        _check_webp(head)
    elif head[:4] == b"\0\0\1\0":
        _check_icon(file, head)
    file.seek(0)


def _check_webp(head: bytes) -> None:
    """https://developers.google.com/speed/webp/docs/riff_container"""
    kind = head[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(head[24:27], "little") + 1
        height = int.from_bytes(head[27:30], "little") + 1
        require_size(width, height)
    elif kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        require_size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    elif kind == b"VP8 ":
        width, height = struct.unpack("<HH", head[26:30])
        require_size(width & 0x3FFF, height & 0x3FFF)


def _check_icon(file: IO[bytes], head: bytes) -> None:
    """Every image in an icon file; each is a PNG file, or a bitmap of doubled height."""
    count = int.from_bytes(head[4:6], "little")
    file.seek(6)
    entries = file.read(16 * count)
    for i in range(len(entries) // 16):
        (offset,) = struct.unpack_from("<I", entries, 16 * i + 12)
        file.seek(offset)
        inner = file.read(HEAD_BYTES)
        if inner[:8] == PNG_SIGNATURE and inner[12:16] == b"IHDR":
            require_size(*struct.unpack(">II", inner[16:24]))
        elif inner[:8] == PNG_SIGNATURE:
            raise UnreadableError("is damaged: a PNG image without its header")
        elif len(inner) >= 12:
            width, height = struct.unpack("<ii", inner[4:12])
            require_size(abs(width), abs(height))
