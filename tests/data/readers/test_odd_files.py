"""Odd files: what people, cameras and programs write, and what nobody should."""

import io
import random
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image, features

from tests.images import chunk, damage, encode, picture, png, tiff, valid_files
from tests.many_images import archive, valid_sets
from vaecli.data.readers.decode import read_image, read_outline
from vaecli.data.readers.formats import list_images
from vaecli.data.readers.item import BadImageError
from vaecli.system.errors import VaecliError

# pytest replaces the filters of warnings, so also the one of `decode`.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")

GREY = encode(picture("L"), "PNG")
SIZE = picture("L").size
JPEG = encode(picture("RGB"), "JPEG")
SIGNATURE = GREY[:8]
HEAD = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 8, 0, 0, 0, 0))
PIXELS = chunk(b"IDAT", zlib.compress(b"\0\x07\x09"))
END = chunk(b"IEND", b"")


def interlaced() -> bytes:
    """2 x 2 pixels in the order of Adam7: the passes 1, 6 and 7 have pixels."""
    head = struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 1)
    rows = zlib.compress(b"\0\1" + b"\0\2" + b"\0\3\4")
    return SIGNATURE + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + END


def bitmap(width: int, height: int, bits: int, pixels: bytes) -> bytes:
    head = struct.pack("<Iii2H6I", 40, width, height, 1, bits, 0, len(pixels), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(pixels), 0, 0, 54) + head + pixels


def gif(canvas: tuple[int, int], frame: tuple[int, int, int, int]) -> bytes:
    """A canvas of two colours, black and white, with a white frame of up to two pixels."""
    head = b"GIF89a" + struct.pack("<2H3B", *canvas, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    code = {1: b"\2\2\x4c\1\0", 2: b"\2\2\x0c\x0a\0"}[frame[2] * frame[3]]
    return head + b"," + struct.pack("<4HB", *frame, 0) + code + b";"


def looped_tiff() -> bytes:
    """Its directory is followed by itself."""
    content = bytearray(tiff(2, 1, (8,), b"\7\x09"))
    start = struct.unpack_from("<I", content, 4)[0]
    (count,) = struct.unpack_from("<H", content, start)
    struct.pack_into("<I", content, start + 2 + 12 * count, start)
    return bytes(content)


def icon(inner: bytes) -> bytes:
    return struct.pack("<3H4B2H2I", 0, 1, 1, 2, 1, 0, 0, 1, 32, len(inner), 22) + inner


WIDE = png(2, 1, 16, 0, b"\0" + struct.pack(">2H", 0, 65535))
PALETTE = png(2, 1, 8, 3, b"\0\0\1", chunk(b"PLTE", bytes((1, 2, 3, 4, 5, 6))))
READ = {
    "grey icon": (icon(SIGNATURE + HEAD + PIXELS + END), (2, 1), "L"),
    "icon of 16 bits": (icon(WIDE), (2, 1), "L"),
    "icon with a palette": (icon(PALETTE), (2, 1), "RGB"),
    "one pixel": (encode(Image.new("L", (1, 1), 7), "PNG"), (1, 1), "L"),
    "a line": (encode(Image.new("RGB", (1, 5000)), "PNG"), (1, 5000), "RGB"),
    "text after a PNG": (GREY + b"words" * 99, SIZE, "L"),
    "text after a JPEG": (JPEG + b"words" * 99, SIZE, "RGB"),
    "PNG of small chunks": (
        SIGNATURE
        + HEAD
        + b"".join(chunk(b"IDAT", PIXELS[8:-4][i : i + 1]) for i in range(11))
        + END,
        (2, 1),
        "L",
    ),
    "unknown optional chunk": (SIGNATURE + HEAD + chunk(b"abCd", b"x") + PIXELS + END, (2, 1), "L"),
    "gamma": (SIGNATURE + HEAD + chunk(b"gAMA", b"\0\0\xb1\x8f") + PIXELS + END, (2, 1), "L"),
    "PNG without its end": (SIGNATURE + HEAD + PIXELS, (2, 1), "L"),
    "interlaced PNG": (interlaced(), (2, 2), "L"),
    "bitmap from above": (bitmap(1, -2, 24, b"\1\2\3\0\4\5\6\0"), (1, 2), "RGB"),
    "bitmap of 15 bits": (bitmap(2, 1, 16, b"\0\x7c\xff\x7f"), (2, 1), "RGB"),
    "frame inside a GIF": (gif((4, 4), (1, 1, 1, 1)), (4, 4), "L"),
    "frame over the edge of a GIF": (gif((1, 1), (0, 0, 2, 1)), (2, 1), "L"),
    "GIF without its end": (gif((4, 4), (1, 1, 1, 1))[:-1], (4, 4), "L"),
    "progressive JPEG": (encode(picture("RGB"), "JPEG", progressive=True), SIZE, "RGB"),
    "restarted JPEG": (encode(picture("RGB"), "JPEG", restart_marker_blocks=1), SIZE, "RGB"),
    "comment with markup": (encode(picture("L"), "JPEG", comment=b"[red]\x1b[31m"), SIZE, "L"),
    "broken profile": (encode(picture("RGB"), "JPEG", icc_profile=b"broken"), SIZE, "RGB"),
    "looped TIFF": (looped_tiff(), (2, 1), "L"),
    "planes of a TIFF": (tiff(1, 1, (8,) * 3, b"\1\2\3", t262=2, t284=1), (1, 1), "RGB"),
    "PGM with comments": (b"P5\n# [x]\n2 # y\n1\n255\n\7\x09", (2, 1), "L"),
    "PGM of 15 levels": (b"P5 2 1 15\n\0\x0f", (2, 1), "L"),
    "grey TGA": (encode(picture("L"), "TGA"), SIZE, "L"),
    "grey QOI": (encode(picture("RGB"), "QOI"), SIZE, "RGB"),
}
BAD = {
    "web page": b"<!DOCTYPE html><title>404</title>",
    "text": b"words",
    "Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    "zeros": bytes(5000),
    "noise": random.Random(0).randbytes(5000),
    "one byte": b"\x89",
    "only the signature": SIGNATURE,
    "signature of text mode": SIGNATURE.replace(b"\r\n", b"\n") + GREY[8:],
    "text before a PNG": b"words" + GREY,
    "PNG without a head": SIGNATURE + PIXELS + END,
    "PNG without pixels": SIGNATURE + HEAD + END,
    "PNG with empty pixels": SIGNATURE + HEAD + chunk(b"IDAT", b"") + END,
    "PNG without a palette": png(1, 1, 8, 3, b"\0\0"),
    "PNG of 0 x 0": png(0, 0, 8, 0, b""),
    "PNG of 3 bits": png(1, 1, 3, 0, b"\0\0"),
    "PNG of a bad filter": png(2, 1, 8, 0, b"\x09\0\0"),
    "PNG of a huge chunk": SIGNATURE + b"\x7f\xff\xff\xffIHDR" + HEAD[8:],
    "two heads": SIGNATURE + HEAD + HEAD.replace(b"\2", b"\xff") + PIXELS + END,
    "GIF of 0 x 0": gif((0, 0), (0, 0, 1, 1))[:13],
    "GIF without a frame": b"GIF89a\1\0\1\0\0\0\0;",
    "bitmap of 0 bits": bitmap(1, 1, 0, bytes(4)),
    "bitmap with too few rows": bitmap(9, 9, 24, bytes(30)),
    "negative width": bitmap(-1, 1, 24, bytes(4)),
    "JPEG without tables": b"\xff\xd8\xff\xda\0\x08\1\1\0\0\x3f\0\0\xff\xd9",
    "only the ends of a JPEG": b"\xff\xd8\xff\xd9",
    "JPEG of no height": JPEG[: JPEG.index(b"\xff\xc0") + 5] + bytes(4) + JPEG[167:],
    "TIFF of 64-bit floats": tiff(1, 1, (64,), bytes(8), t339=3),
    "TIFF with missing rows": tiff(2, 99, (8,), b"\7\x09", t278=1),
    "PGM without pixels": b"P5 9 9 255\n",
    "PGM of -1 pixels": b"P5 -1 1 255\n\0",
    "PGM of no levels": b"P5 1 1 0\n\0",
    "icon without images": b"\0\0\1\0\0\0",
    "icon that points nowhere": b"\0\0\1\0\1\0" + struct.pack("<4B2H2I", 1, 1, 0, 0, 1, 32, 9, 999),
    "short WebP": b"RIFF\4\0\0\0WEBPVP8X",
    "QOI without pixels": b"qoif\0\0\0\1\0\0\0\1\3\0",
    "zip archive": archive({"a.png": GREY}),
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%touch x) (w) file\n",
    "Photoshop": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 1, 1, 8, 3) + bytes(20),
}


@pytest.mark.parametrize("case", READ)
def test_odd_files_that_are_read(case):
    content, size, mode = READ[case]
    name = "x.tga" if "TGA" in case else "x"
    outline = read_outline(io.BytesIO(content), name)
    image = read_image(io.BytesIO(content), name)
    assert image.size == (outline.width, outline.height) == size
    assert image.mode == mode
    assert outline.channels == len(image.getbands())


@pytest.mark.parametrize("case", BAD)
def test_odd_files_that_are_bad(case, capfd):
    started = time.perf_counter()
    for name in ("[x].png", "x.tga"):
        with pytest.raises(BadImageError) as caught:
            read_image(io.BytesIO(BAD[case]), name)
        assert str(caught.value).startswith(f"{name} ")
        assert str(caught.value).isprintable()
    assert time.perf_counter() - started < 1
    assert capfd.readouterr() == ("", "")


def test_pixels_of_odd_files():
    def pixels(case: str) -> list:
        return np.asarray(read_image(io.BytesIO(READ[case][0]), case)).tolist()

    assert pixels("PNG of small chunks") == pixels("gamma") == [[7, 9]]
    assert pixels("interlaced PNG") == [[1, 2], [3, 4]]
    assert pixels("bitmap from above") == [[[3, 2, 1]], [[6, 5, 4]]]
    assert pixels("bitmap of 15 bits") == [[[255, 0, 0], [255, 255, 255]]]
    assert pixels("PGM of 15 levels") == [[0, 255]]
    assert pixels("icon of 16 bits") == [[0, 255]]
    assert pixels("icon with a palette") == [[[1, 2, 3], [4, 5, 6]]]
    assert pixels("looped TIFF") == [[7, 9]]


@pytest.mark.slow
def test_a_large_photograph_is_read():
    content = encode(Image.new("RGB", (8000, 8000), (200, 100, 50)), "JPEG")
    assert read_image(io.BytesIO(content), "x").size == (8000, 8000)


def test_formats_follow_what_pillow_was_built_with():
    for name, feature in {"rgb.jp2": "jpg_2000", "rgb.avif": "avif", "lossy.webp": "webp"}.items():
        assert (name in valid_files()) == features.check(feature)


def test_damaged_files_are_read_or_refused(tmp_path, capfd):
    """tests/benchmarks/fuzz_images.py reads tens of thousands, and watches memory."""
    files = valid_files() | valid_sets()
    for seed, name in enumerate(sorted(files) * 4):
        path = tmp_path / name
        path.write_bytes(damage(files[name], random.Random(seed)))
        try:
            for item in list_images(path).items:
                if item.outline:
                    item.outline()
                assert item.read().mode in ("L", "RGB")
        except VaecliError as error:
            assert "\n" not in str(error), (seed, name)  # noqa: PT017
    assert capfd.readouterr() == ("", "")
