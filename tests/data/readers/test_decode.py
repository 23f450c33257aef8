"""Images of every mode: pixels calculated by hand, orientation, first frames, damage."""

import io
import struct
import subprocess
import sys
import time
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, features

from tests.images import chunk, encode, picture, png, tiff, valid_files
from vaecli.data.readers.decode import read_image, read_outline
from vaecli.data.readers.item import BadImageError

# pytest replaces the filters of warnings, so also the one of `decode`.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")

WIDE = (0, 128, 129, 257, 32768, 65535)  # 16 bits; a step of 8 bits is 257 of them
NARROW = [0, 0, 1, 1, 128, 255]
LITTLE = struct.pack("<6H", *WIDE)
BIG = struct.pack(">6H", *WIDE)
RED = (255, 0, 0)
BLACK = (0, 0, 0)
WHITE = (255, 255, 255)


def transparent(*values: int) -> bytes:
    """The chunk of a PNG file with a transparent colour, or the alpha of a palette."""
    return chunk(b"tRNS", struct.pack(f">{len(values)}H", *values))


WIDE_KEY = transparent(0x1234, 0x1234, 0x1234)


def palette(*colours: tuple[int, int, int], alpha: bytes = b"") -> bytes:
    chunks = chunk(b"PLTE", b"".join(map(bytes, colours)))
    return chunks + (chunk(b"tRNS", alpha) if alpha else b"")


def constant(mode: str, value, kind: str, **options) -> bytes:
    return encode(Image.new(mode, (1, 1), value), kind, **options)


def floats(*values: float, **tags) -> bytes:
    return tiff(len(values), 1, (32,), struct.pack(f"<{len(values)}f", *values), t339=3, **tags)


def integers(kind: str, *values: int, **tags) -> bytes:
    data = struct.pack(f"<{len(values)}{kind}", *values)
    return tiff(len(values), 1, (8 * len(data) // len(values),), data, **tags)


CASES = {
    "16-bit PNG": (png(6, 1, 16, 0, b"\0" + BIG), NARROW),
    "16-bit TIFF": (tiff(6, 1, (16,), LITTLE), NARROW),
    "big-endian TIFF": (tiff(6, 1, (16,), BIG, ">"), NARROW),
    "16-bit TIFF, 0 is white": (tiff(6, 1, (16,), LITTLE, t262=0), [255 - v for v in NARROW]),
    "12-bit TIFF: 0, 2048, 4095, 0": (
        tiff(4, 1, (12,), bytes.fromhex("000800fff000")),
        [0, 128, 255, 0],  # 2048 / 4095 * 255 = 127.53
    ),
    "16-bit PGM": (b"P5 6 1 65535\n" + BIG, NARROW),
    "PGM of 1000 levels": (b"P2 3 1 1000\n0 400 1000\n", [0, 102, 255]),
    "floats to 1": (floats(0, 0.2, 0.499, 1), [0, 51, 127, 255]),
    "floats to 255": (floats(0, 0.2, 100.4, 200), [0, 0, 100, 200]),
    "floats to 1, 0 is white": (floats(0, 0.2, 1, t262=0), [255, 204, 0]),
    "32-bit integers": (integers("i", 0, 7, 255, t339=2), [0, 7, 255]),
    "16-bit signed integers": (integers("h", 0, 7, 255, t339=2), [0, 7, 255]),
    "1-bit PNG": (png(3, 1, 1, 0, b"\0\xa0"), [255, 0, 255]),
    "1-bit PBM": (b"P1\n3 1\n1 0 1\n", [0, 255, 0]),
    "2-bit PNG": (png(4, 1, 2, 0, b"\0\x1b"), [0, 85, 170, 255]),
    "grey palette": (png(2, 1, 8, 3, b"\0\1\0", palette((9, 9, 9), (80, 80, 80))), [80, 9]),
    "palette": (png(2, 1, 8, 3, b"\0\1\0", palette((9, 8, 7), RED)), [RED, (9, 8, 7)]),
    "palette with alpha": (  # 0 x 128 / 255 + 255 x 127 / 255
        png(3, 1, 8, 3, b"\0\0\1\2", palette((200, 0, 0), BLACK, RED, alpha=b"\0\x80")),
        [WHITE, (127, 127, 127), RED],
    ),
    "grey palette with alpha": (
        png(2, 1, 8, 3, b"\0\0\1", palette(BLACK, BLACK, alpha=b"\0\xff")),
        [255, 0],
    ),
    "grey with alpha": (png(3, 1, 8, 4, b"\0\x64\xff\x64\0\0\x33"), [100, 255, 204]),
    "RGB with alpha": (
        png(2, 1, 8, 6, b"\0\xff\0\0\xff\xff\0\0\x33"),
        [RED, (255, 204, 204)],
    ),
    "grey with a transparent value": (png(2, 1, 8, 0, b"\0\5\6", transparent(5)), [255, 6]),
    "2 bits with a transparent value": (
        png(3, 1, 2, 0, b"\0\x18", transparent(1)),
        [0, 255, 170],
    ),
    "4 bits with a transparent value": (png(2, 1, 4, 0, b"\0\x12", transparent(1)), [255, 34]),
    "1 bit with a transparent value": (png(2, 1, 1, 0, b"\0\x40", transparent(0)), [255, 255]),
    "RGB with a transparent colour": (
        png(2, 1, 8, 2, b"\0\1\2\3\1\2\4", transparent(1, 2, 3)),
        [WHITE, (1, 2, 4)],
    ),
    "16-bit grey with a transparent value": (
        png(2, 1, 16, 0, b"\0" + struct.pack(">2H", 257, 514), transparent(257)),
        [255, 2],
    ),
    "16-bit RGB with a transparent colour": (
        png(*(2, 1, 16, 2), b"\0" + struct.pack(">6H", *[0x1234] * 3, *[770] * 3), WIDE_KEY),
        [WHITE, (3, 3, 3)],
    ),
    "16-bit grey with alpha": (
        png(2, 1, 16, 4, b"\0" + struct.pack(">4H", 25700, 65535, 0, 0)),
        [(100, 100, 100), WHITE],
    ),
    "CMYK TIFF": (
        tiff(3, 1, (8,) * 4, b"\0\xff\xff\0\0\0\0\0\0\0\0\xff", t262=5),
        [RED, WHITE, BLACK],
    ),
    "transparent GIF": (constant("P", 3, "GIF", transparency=3), [255]),
    "TGA with alpha": (constant("RGBA", (9, 9, 9, 0), "TGA"), [WHITE]),
    "ICO with alpha": (constant("RGBA", (9, 9, 9, 0), "ICO", sizes=[(1, 1)]), [WHITE]),
    "premultiplied TIFF": (  # 51 of 102 is 128 of 255; over white 51 + 255 - 102
        tiff(1, 1, (8,) * 4, bytes((51, 51, 51, 102)), t262=2, t338=1),
        [(204, 204, 204)],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_pixels_are_those_calculated_by_hand(case):
    content, expected = CASES[case]
    image = read_image(io.BytesIO(content), "x.tga")
    is_grey = isinstance(expected[0], int)
    assert image.mode == ("L" if is_grey else "RGB")
    assert np.asarray(image).reshape(-1, *[3] * (not is_grey)).tolist() == [
        value if is_grey else list(value) for value in expected
    ]
    outline = read_outline(io.BytesIO(content), "x.tga")
    assert (outline.width, outline.height) == image.size
    assert outline.channels == len(image.getbands())


def ycck() -> bytes:
    """A JPEG file whose luminance is 100 and whose black is 0: CMYK marked as YCCK."""
    content = constant("CMYK", (155, 127, 127, 0), "JPEG", quality=100)
    place = content.index(b"Adobe") + 11
    assert content[place] == 0
    return content[:place] + b"\2" + content[place + 1 :]


NEAR = {
    "grey JPEG": (constant("L", 77, "JPEG"), (77,)),
    "RGB JPEG": (constant("RGB", (200, 30, 60), "JPEG", quality=100), (200, 30, 60)),
    "CMYK JPEG of Adobe": (constant("CMYK", (0, 255, 255, 0), "JPEG", quality=100), RED),
    "YCCK JPEG": (ycck(), (155, 155, 155)),
    "YCbCr TIFF": (tiff(1, 1, (8,) * 3, bytes((150, 128, 128)), t262=6, t530=(1, 1)), (150,) * 3),
    "white in LAB": (tiff(1, 1, (8,) * 3, bytes((255, 0, 0)), t262=8), WHITE),
    "black in LAB": (tiff(1, 1, (8,) * 3, bytes((0, 0, 0)), t262=8), BLACK),
    # L* = 53.2, a* = 80.1, b* = 67.2
    "red in LAB": (tiff(1, 1, (8,) * 3, bytes((136, 80, 67)), t262=8), RED),
}


@pytest.mark.parametrize("case", NEAR)
def test_colours_of_lossy_files_are_near_those_that_went_in(case):
    content, expected = NEAR[case]
    image = read_image(io.BytesIO(content), case)
    allowed = 12 if "LAB" in case else 4
    assert np.asarray(image).reshape(-1).tolist() == pytest.approx(expected, abs=allowed)


# What is stored, by its EXIF orientation: where row 0 and column 0 of it belong.
STORED = {
    1: lambda upright: upright,
    2: np.fliplr,  # top, right
    3: lambda upright: np.rot90(upright, 2),  # bottom, right
    4: np.flipud,  # bottom, left
    5: lambda upright: upright.swapaxes(0, 1),  # left, top
    6: lambda upright: np.rot90(upright, 1),  # right, top
    7: lambda upright: np.rot90(upright, 2).swapaxes(0, 1),  # right, bottom
    8: lambda upright: np.rot90(upright, -1),  # left, bottom
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "I;16"])
def test_all_orientations_give_the_same_upright_image(kind, mode):
    if (kind, mode) in {("JPEG", "RGBA"), ("JPEG", "I;16"), ("WEBP", "I;16"), ("WEBP", "L")}:
        pytest.skip("the format has no such pixels")
    if not features.check("webp") and kind == "WEBP":
        pytest.skip("this Pillow is built without WebP")
    upright = np.asarray(picture(mode).resize((16, 8)) if mode != "I;16" else picture(mode))
    plain = encode(Image.fromarray(upright), kind, lossless=True, quality=100)
    expected = np.asarray(read_image(io.BytesIO(plain), "plain")).astype(int)
    for orientation, turn in STORED.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = Image.fromarray(np.ascontiguousarray(turn(upright)))
        content = encode(stored, kind, exif=exif, lossless=True, quality=100)
        image = read_image(io.BytesIO(content), "turned")
        outline = read_outline(io.BytesIO(content), "turned")
        assert image.size == (outline.width, outline.height) == upright.shape[1::-1]
        difference = np.abs(np.asarray(image).astype(int) - expected)
        assert difference.max() <= (8 if kind == "JPEG" else 0), orientation


def test_damaged_exif_leaves_the_image_as_stored():
    content = encode(picture("RGB"), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert read_image(io.BytesIO(content), "x").size == picture("RGB").size


@pytest.mark.parametrize("kind", ["GIF", "PNG", "TIFF", "WEBP", "AVIF"])
def test_the_first_frame_is_read_and_more_are_noted(kind):
    if kind.lower() in ("webp", "avif") and not features.check(kind.lower()):
        pytest.skip(f"this Pillow is built without {kind}")
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "lime", "blue")]
    content = encode(frames[0], kind, save_all=True, append_images=frames[1:])
    outline = read_outline(io.BytesIO(content), "x")
    assert outline.frames == (2 if kind in ("GIF", "TIFF") else 3)
    image = read_image(io.BytesIO(content), "x")
    assert image.getpixel((4, 4)) == pytest.approx(RED, abs=4)
    assert read_outline(io.BytesIO(encode(frames[0], kind)), "x").frames == 1


REFUSED = {
    "NaN": (floats(0, float("nan")), "from nan to nan"),
    "negative floats": (floats(-0.5, 1), "from -0.5 to 1"),
    "floats over 255": (floats(0, 256), "from 0 to 256"),
    "infinite floats": (floats(0, float("inf")), "from 0 to inf"),
    "negative integers": (integers("h", -1, 5, t339=2), "from -1 to 5"),
    "large integers": (integers("i", 0, 256, t339=2), "from 0 to 256"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_values_of_unknown_range_are_refused(case):
    content, words = REFUSED[case]
    with pytest.raises(BadImageError, match=words) as caught:
        read_image(io.BytesIO(content), "scan.tif")
    assert str(caught.value).startswith("scan.tif has ")
    assert str(caught.value).endswith("save it with 8 or 16 bits.")


VALID = valid_files()


@pytest.mark.parametrize("name", VALID)
def test_the_content_decides_the_format(name):
    wrong = name.replace(".", "-") + ".jpg" * (not name.endswith(".tga")) + ".tga"
    image = read_image(io.BytesIO(VALID[name]), wrong)
    outline = read_outline(io.BytesIO(VALID[name]), wrong)
    assert image.size == (outline.width, outline.height)
    assert image.mode == {1: "L", 3: "RGB"}[outline.channels]


@pytest.mark.parametrize("name", VALID)
@pytest.mark.parametrize("part", [0, 0.02, 0.5])
def test_a_file_cut_short_is_bad_by_name(name, part):
    if part == 0.5 and name in ("animated.gif", "animated.png", "mpo.jpg", "pages.tif"):
        pytest.skip("the first image is whole")
    content = VALID[name][: int(part * len(VALID[name]))]
    with pytest.raises(BadImageError) as caught:
        read_image(io.BytesIO(content), "my file")
    assert str(caught.value).startswith("my file is ")
    assert str(caught.value).endswith(".")


def test_half_a_jpeg_is_bad_though_pillow_verifies_it():
    content = encode(picture("RGB").resize((200, 200)), "JPEG")
    half = content[: len(content) // 2]
    Image.open(io.BytesIO(half)).verify()
    with pytest.raises(BadImageError, match=r"^a\.jpg is damaged: .*truncated"):
        read_image(io.BytesIO(half), "a.jpg")


def test_a_wrong_checksum_is_bad():
    content = bytearray(encode(picture("RGB"), "PNG"))
    content[content.index(b"IDAT") + 20] ^= 1
    with pytest.raises(BadImageError, match=r"^a\.png is damaged: "):
        read_image(io.BytesIO(bytes(content)), "a.png")


def bomb(width: int, height: int, extra: bytes = b"") -> bytes:
    """A PNG file of a few bytes that declares many pixels."""
    return png(width, height, 8, 2, b"\0" * 100, extra)


def gif(width: int, height: int) -> bytes:
    frame = struct.pack("<4HB", 0, 0, width, height, 0)
    return (
        b"GIF89a"
        + struct.pack("<2HBBB", width, height, 0x80, 0, 0)
        + b"\0" * 6
        + (b"," + frame + b"\2\2\x4c\1\0;")
    )


def icon(inner: bytes) -> bytes:
    return struct.pack("<3H4B2H2I", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(inner), 22) + inner


def webp(kind: bytes, head: bytes) -> bytes:
    body = b"WEBP" + kind + struct.pack("<I", len(head)) + head
    return b"RIFF" + struct.pack("<I", len(body)) + body


BOMBS = {
    "PNG of 20,000 x 20,000": bomb(20_000, 20_000),
    "PNG of 12,000 x 12,000": bomb(12_000, 12_000),
    "PNG a little over the limit": bomb(10_000, 10_001),
    "PNG in an icon": icon(bomb(20_000, 20_000)),
    "bitmap in an icon": icon(struct.pack("<Iii2H6I", 40, 20_000, 40_000, 1, 32, *[0] * 6)),
    "text": bomb(1, 1, chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(100_000_000)))),
    "profile": bomb(1, 1, chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(100_000_000)))),
    "GIF": gif(65_535, 65_535),
    "TIFF": tiff(60_000, 60_000, (8,), b"\0"),
    "BMP": b"BM"
    + struct.pack("<IHHI", 99, 0, 0, 54)
    + struct.pack("<Iii2H6I", 40, 60_000, 60_000, 1, 24, *[0] * 6),
    "BMP of runs": b"BM"
    + struct.pack("<IHHI", 99, 0, 0, 54)
    + struct.pack("<Iii2H6I", 40, 60_000_000, 1, 1, 8, 1, 4, 0, 0, 0, 0)
    + bytes(1024 + 4),
    "PNG of 9,000 x 9,000, blank": bomb(9000, 9000),
    "WebP of 9,000 x 9,000, animated": webp(b"VP8X", b"\2\0\0\0" + b"\x27\x23\0" * 2),
    "JPEG 2000 of many tiles": VALID["tiles.j2k"].replace(
        struct.pack(">2I", 37, 23), struct.pack(">2I", 37, 262_167), 1
    ),
    "WebP, extended": webp(b"VP8X", b"\0\0\0\0" + b"\xff\x3f\0" * 2),
    "WebP, lossless": webp(b"VP8L", b"\x2f\xff\xff\xff\x0f" + bytes(20)),
    "WebP, lossy": webp(b"VP8 ", b"\x30\x01\0\x9d\x01\x2a\xff\x3f\xff\x3f" + bytes(20)),
    "PPM": b"P6 60000 60000 255\n",
    "QOI": b"qoif" + struct.pack(">II", 60_000, 60_000) + b"\3\0",
    "TGA": struct.pack("<3B5x4H2B", 0, 0, 2, 0, 0, 60_000, 60_000, 24, 0),
}


TOO_LARGE = r"^x\.tga is (too large: |damaged.* (too large|in \d))"


@pytest.mark.parametrize("case", BOMBS)
def test_bombs_are_refused_at_once(case):
    started = time.perf_counter()
    for read in (read_image, read_outline):
        with pytest.raises(
            BadImageError, match=r"^x\.tga is (too large: |damaged.* (too large|in \d))"
        ):
            read(io.BytesIO(BOMBS[case]), "x.tga")
    assert time.perf_counter() - started < 1


def test_bombs_take_no_memory(tmp_path):
    for i, content in enumerate(BOMBS.values()):
        (tmp_path / f"{i}.tga").write_bytes(content)
    code = """
import resource, sys
from pathlib import Path
from vaecli.data.readers.decode import read_image, BadImageError
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
for path in Path(sys.argv[1]).iterdir():
    try:
        read_image(path.open("rb"), path.name)
    except BadImageError:
        print(peak() - before)
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    grown = list(map(int, done.stdout.split()))
    assert len(grown) == len(BOMBS)
    assert max(grown) < 100_000  # of 1024 bytes
    assert done.stderr == ""


@pytest.mark.slow
def test_an_image_at_the_limit_is_read():
    rows = np.resize(np.arange(251, dtype=np.uint8) % 2 * 255, (10_000, 10_000))
    image = read_image(io.BytesIO(encode(Image.fromarray(rows).convert("1"), "PNG")), "x")
    assert image.size == (10_000, 10_000)
    assert np.array_equal(np.asarray(image)[:9], rows[:9])


def test_programs_are_not_read():
    for content in (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"%PDF-1.4\n", b"<svg>"):
        with pytest.raises(BadImageError, match="no image of a format that is read"):
            read_image(io.BytesIO(content), "x.png")


def test_tga_is_tried_only_by_its_suffix():
    content = VALID["raw.tga"]
    assert read_image(io.BytesIO(content), "A.TGA").size == picture("L").size
    with pytest.raises(BadImageError, match="is damaged, or is no image of a format"):
        read_image(io.BytesIO(content), "a.png")


def test_pillow_warns_nobody_and_libtiff_is_silent(capfd):
    exif = b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\xff\xff\0\0\1\0\0\0"
    fax = bytearray(VALID["fax.tif"])
    for i in range(60, 100):
        fax[i] ^= 0x55
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        warnings.filterwarnings("ignore", module=r"PIL\.")
        read_image(io.BytesIO(encode(picture("RGB"), "JPEG", exif=exif)), "x")
        try:
            read_image(io.BytesIO(bytes(fax)), "x")
        except BadImageError as error:
            assert "\n" not in str(error)  # noqa: PT017
        with pytest.raises(BadImageError):
            read_image(io.BytesIO(tiff(1, 1, (8,) * 19, bytes(19), t262=2)), "x")
    assert not caught
    assert capfd.readouterr() == ("", "")


def test_messages_have_one_line_and_no_controls():
    content = b"P6 1\x1b[31m\n\n1 255\n"
    with pytest.raises(BadImageError) as caught:
        read_image(io.BytesIO(content), "x")
    assert str(caught.value).isprintable()
