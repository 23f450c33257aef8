"""Limits that the head of an image file must keep before Pillow may read the file."""

import io
import struct
from typing import IO

MAX_PIXELS = 100_000_000  # 10,000 x 10,000: Pillow needs 4 bytes for each
MAX_RUN_PIXELS = 16_000_000  # of bitmaps of runs: four bytes can take Pillow seconds
# For an empty canvas of WebP Pillow needs 16 bytes for each pixel, and the file none.
BLANK_PIXELS = 10_000_000
MAX_PIXELS_PER_BYTE = 5000  # of more pixels; scanned pages have 500
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JP2_BOX = b"\0\0\0\x0cjP  "
JPEG_2000_START = b"\xff\x4f\xff\x51"
JPEG_2000_HEAD = 4096  # bytes in which the sizes are looked for
TILE_BYTES = 14  # the least that a tile takes: its head
HEAD_BYTES = 32


class UnreadableError(Exception):
    """Why a file is refused, to be read after its name."""


def require_size(width: int, height: int, size: int, limit: int = MAX_PIXELS) -> None:
    """Refuse an image of more than `limit` pixels, of too many for its file, or of none.

    Args:
        width: Pixels in a row.
        height: Pixels in a column.
        size: Bytes of the file.
        limit: Most pixels.

    Raises:
        UnreadableError: It is too large or empty.
    """
    if width < 1 or height < 1:
        raise UnreadableError(f"is damaged: {width} x {height} pixels")
    pixels = width * height
    if pixels > limit:
        raise UnreadableError(
            f"is too large: {width} x {height} pixels, at most {limit // 1_000_000} million"
        )
    if pixels > max(BLANK_PIXELS, size * MAX_PIXELS_PER_BYTE):
        raise UnreadableError(f"is damaged, or blank: {width} x {height} pixels in {size:,} bytes")


def check_before_open(file: IO[bytes]) -> int:
    """The bytes of a file; refuses images that Pillow would unpack as soon as it opens them.

    Raises:
        UnreadableError: The file is empty, or the image too large.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if not head:
        raise UnreadableError("is empty: 0 bytes")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        _check_webp(head, size)
    elif head[:4] == b"\0\0\1\0":
        _check_icon(file, head, size)
    elif head[:8] == JP2_BOX or head[:4] == JPEG_2000_START:
        _check_tiles(head + file.read(JPEG_2000_HEAD), size)
    file.seek(0)
    return size


def _check_webp(head: bytes, size: int) -> None:
    """https://developers.google.com/speed/webp/docs/riff_container"""
    kind = head[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(head[24:27], "little") + 1
        height = int.from_bytes(head[27:30], "little") + 1
        require_size(width, height, size)
    elif kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        require_size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, size)
    elif kind == b"VP8 ":
        width, height = struct.unpack("<HH", head[26:30])
        require_size(width & 0x3FFF, height & 0x3FFF, size)


def _check_icon(file: IO[bytes], head: bytes, size: int) -> None:
    """Every image in an icon file; each is a PNG file, or a bitmap of doubled height."""
    count = int.from_bytes(head[4:6], "little")
    file.seek(6)
    entries = file.read(16 * count)
    for i in range(len(entries) // 16):
        (offset,) = struct.unpack_from("<I", entries, 16 * i + 12)
        file.seek(offset)
        inner = file.read(HEAD_BYTES)
        if inner[:8] == PNG_SIGNATURE and inner[12:16] == b"IHDR":
            width, height = struct.unpack(">II", inner[16:24])
            require_size(width, height, size)
        elif inner[:8] == PNG_SIGNATURE:
            raise UnreadableError("is damaged: a PNG image without its header")
        elif len(inner) >= 12:
            width, height = struct.unpack("<ii", inner[4:12])
            require_size(abs(width), abs(height), size)


def _check_tiles(head: bytes, size: int) -> None:
    """For each tile of a JPEG 2000 image Pillow needs kilobytes, whether the file has it or not."""
    start = head.find(JPEG_2000_START) + 8
    if start < 8 or len(head) < start + 32:
        return
    right, bottom, _, _, width, height, left, top = struct.unpack_from(">8I", head, start)
    if not width or not height:
        raise UnreadableError("is damaged: its tiles are empty")
    tiles = -((left - right) // width) * -((top - bottom) // height)
    if tiles * TILE_BYTES > size:
        raise UnreadableError(f"is damaged: {tiles:,} tiles in {size:,} bytes")
