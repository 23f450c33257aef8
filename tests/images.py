"""Small valid image files of every format that is read, and ways to damage them."""

import io
import random
import struct
import zlib

import numpy as np
from PIL import Image, features

WIDTH = 37
HEIGHT = 23


def encode(image: Image.Image, kind: str, **options) -> bytes:
    """The bytes of an image file."""
    file = io.BytesIO()
    if "append_images" in options:
        options["append_images"] = [more.copy() for more in options["append_images"]]
    image.copy().save(file, kind, **options)  # saving leaves settings of the encoder in an image
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file."""
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png(width: int, height: int, bits: int, colour: int, rows: bytes, extra: bytes = b"") -> bytes:
    """A PNG file, written independently of Pillow.

    Args:
        width: Pixels in a row.
        height: Pixels in a column.
        bits: Of each sample.
        colour: Type: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha.
        rows: Rows, each after the byte of its filter.
        extra: Chunks before the pixels.
    """
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + extra
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def tiff(
    width: int, height: int, bits: tuple, data: bytes, order: str = "<", **tags: int | tuple
) -> bytes:
    """A TIFF file of one strip, written independently of Pillow.

    Args:
        width: Pixels in a row.
        height: Pixels in a column.
        bits: Of each sample.
        data: Pixels.
        order: "<" or ">", the order of bytes.
        tags: Further tags, such as `t262=1`; all values are short integers.
    """
    values = {256: width, 257: height, 258: bits, 259: 1, 262: 1, 277: len(bits), 278: height}
    values |= {int(name[1:]): value for name, value in tags.items()}
    values |= {273: 8, 279: len(data)}
    mark = {"<": b"II*\0", ">": b"MM\0*"}[order]
    content = mark + struct.pack(f"{order}I", 8 + len(data)) + data
    entries = b""
    extra = b""
    start = len(content) + 2 + 12 * len(values) + 4
    for tag, value in sorted(values.items()):
        shorts = value if isinstance(value, tuple) else (value,)
        packed = struct.pack(f"{order}{len(shorts)}H", *shorts)
        if len(packed) > 4:
            place = struct.pack(f"{order}I", start + len(extra))
            extra += packed
        else:
            place = packed.ljust(4, b"\0")
        entries += struct.pack(f"{order}HHI", tag, 3, len(shorts)) + place
    return content + struct.pack(f"{order}H", len(values)) + entries + b"\0" * 4 + extra


def picture(mode: str) -> Image.Image:
    """A picture with smooth and noisy parts."""
    random_values = np.random.default_rng(0)
    ramp = np.linspace(0, 255, WIDTH * HEIGHT * 3).reshape(HEIGHT, WIDTH, 3)
    ramp[5:10] = random_values.integers(0, 256, (5, WIDTH, 3))
    colours = Image.fromarray(ramp.astype(np.uint8))
    if mode == "I;16":
        return Image.fromarray((ramp[..., 0] * 257).astype(np.uint16))
    if mode == "F":
        return Image.fromarray((ramp[..., 0] / 255).astype(np.float32))
    if mode in ("LA", "RGBA"):
        colours.putalpha(Image.fromarray(ramp[..., 1].astype(np.uint8)))
    return colours.convert(mode)


def valid_files() -> dict[str, bytes]:
    """Files by a name whose suffix is that of the format."""
    exif = Image.Exif()
    exif[0x0112] = 6
    rgb, grey, palette = picture("RGB"), picture("L"), picture("P")
    more = [rgb.rotate(90, expand=False), rgb.rotate(180)]
    files = {
        "grey.png": encode(grey, "PNG"),
        "exif.png": encode(rgb, "PNG", exif=exif, icc_profile=b"profile" * 50),
        "alpha.png": encode(picture("RGBA"), "PNG"),
        "grey-alpha.png": encode(picture("LA"), "PNG"),
        "palette.png": encode(palette, "PNG", transparency=b"\0\x80\xff"),
        "wide.png": encode(picture("I;16"), "PNG"),
        "one-bit.png": encode(picture("1"), "PNG"),
        "animated.png": encode(rgb, "PNG", save_all=True, append_images=more),
        "wide-colour.png": png(2, 1, 16, 2, b"\0" + bytes(range(12))),
        "rgb.jpg": encode(rgb, "JPEG", exif=exif),
        "grey.jpg": encode(grey, "JPEG"),
        "cmyk.jpg": encode(picture("CMYK"), "JPEG"),
        "progressive.jpg": encode(rgb, "JPEG", progressive=True, restart_marker_rows=1),
        "mpo.jpg": encode(rgb, "MPO", save_all=True, append_images=more),
        "still.gif": encode(palette, "GIF", transparency=3),
        "animated.gif": encode(rgb, "GIF", save_all=True, append_images=more),
        "rgb.bmp": encode(rgb, "BMP"),
        "palette.bmp": encode(palette, "BMP"),
        "rle.bmp": rle_bitmap(),
        "raw.tif": encode(rgb, "TIFF"),
        "lzw.tif": encode(rgb, "TIFF", compression="tiff_lzw", exif=exif),
        "deflate.tif": encode(picture("RGBA"), "TIFF", compression="tiff_adobe_deflate"),
        "jpeg.tif": encode(rgb, "TIFF", compression="jpeg"),
        "packbits.tif": encode(grey, "TIFF", compression="packbits"),
        "fax.tif": encode(picture("1"), "TIFF", compression="group4"),
        "wide.tif": encode(picture("I;16"), "TIFF"),
        "float.tif": encode(picture("F"), "TIFF"),
        "pages.tif": encode(rgb, "TIFF", save_all=True, append_images=more),
        "big.tif": encode(rgb, "TIFF", big_tiff=True),
        "lab.tif": encode(picture("LAB"), "TIFF"),
        "rgb.ppm": encode(rgb, "PPM"),
        "grey.pgm": encode(grey, "PPM"),
        "bits.pbm": encode(picture("1"), "PPM"),
        "float.pfm": encode(picture("F"), "PPM"),
        "plain.ppm": b"P3\n# a comment\n2 1\n15\n15 0 0 0 7 15\n",
        "plain.pgm": b"P2\n3 1\n1000\n0 500 1000\n",
        "plain.pbm": b"P1\n3 1\n1 0 1\n",
        "png.ico": encode(picture("RGBA"), "ICO", sizes=[(16, 16), (23, 23)]),
        "bitmap.ico": encode(picture("RGBA"), "ICO", sizes=[(16, 16)], bitmap_format="bmp"),
        "raw.tga": encode(picture("RGBA"), "TGA"),
        "rle.tga": encode(rgb, "TGA", compression="tga_rle"),
        "rgb.qoi": encode(rgb, "QOI"),
    }
    if features.check("webp"):
        files["lossy.webp"] = encode(rgb, "WEBP", exif=exif)
        files["lossless.webp"] = encode(picture("RGBA"), "WEBP", lossless=True)
        files["animated.webp"] = encode(rgb, "WEBP", save_all=True, append_images=more)
    if features.check("jpg_2000"):
        files["rgb.jp2"] = encode(rgb, "JPEG2000")
        files["tiles.j2k"] = encode(rgb, "JPEG2000", tile_size=(16, 16), no_jp2=True)
        files["wide.jp2"] = encode(picture("I;16"), "JPEG2000")
    if features.check("avif"):
        files["rgb.avif"] = encode(rgb, "AVIF", exif=exif)
        files["alpha.avif"] = encode(picture("RGBA"), "AVIF")
        files["animated.avif"] = encode(rgb, "AVIF", save_all=True, append_images=more)
    return files


def rle_bitmap() -> bytes:
    """A bitmap of 4 x 2 pixels with run-length encoding, black above and white below."""
    pixels = b"\x04\x01\0\0\x04\0\0\0\0\x01"
    palette = b"\0\0\0\0\xff\xff\xff\0"
    head = struct.pack("<IiiHHIIiiII", 40, 4, 2, 1, 8, 1, len(pixels), 0, 0, 2, 2)
    start = 14 + len(head) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + head + palette + pixels


EXTREMES = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\1\0\0")


def damage(content: bytes, dice: random.Random) -> bytes:
    """The content with one to three kinds of damage."""
    for _ in range(dice.randint(1, 3)):
        kind = dice.choice((_flip, _flip, _cut, _insert, _drop, _repeat, _overwrite, _overwrite))
        content = kind(bytearray(content), dice)
    # A wrong checksum hides what else is damaged.
    return mend_checksums(content) if dice.random() < 0.5 else content


def _flip(content: bytearray, dice: random.Random) -> bytes:
    for _ in range(dice.choice((1, 1, 3, 20))):
        if content:
            content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    return bytes(content)


def _cut(content: bytearray, dice: random.Random) -> bytes:
    return bytes(content[: dice.randint(0, len(content))])


def _insert(content: bytearray, dice: random.Random) -> bytes:
    place = dice.randint(0, len(content))
    content[place:place] = dice.randbytes(dice.choice((1, 4, 100)))
    return bytes(content)


def _drop(content: bytearray, dice: random.Random) -> bytes:
    place = dice.randint(0, len(content))
    del content[place : place + dice.choice((1, 4, 100))]
    return bytes(content)


def _repeat(content: bytearray, dice: random.Random) -> bytes:
    place = dice.randint(0, len(content))
    content[place:place] = content[place : place + dice.choice((4, 100))] * dice.choice((1, 50))
    return bytes(content)


def _overwrite(content: bytearray, dice: random.Random) -> bytes:
    """Edit the head: numbers become extreme."""
    place = dice.randint(0, min(len(content), dice.choice((32, 200))))
    size = dice.choice((1, 2, 4))
    content[place : place + size] = dice.choice((*EXTREMES, dice.randbytes(4)))[:size]
    return bytes(content)


def mend_checksums(content: bytes) -> bytes:
    """A PNG file with right checksums as far as its chunks can be followed; others unchanged."""
    if content[:8] != b"\x89PNG\r\n\x1a\n":
        return content
    parts = [content[:8]]
    place = 8
    while place + 12 <= len(content):
        (size,) = struct.unpack_from(">I", content, place)
        if place + 12 + size > len(content):
            break
        parts.append(chunk(content[place + 4 : place + 8], content[place + 8 : place + 8 + size]))
        place += 12 + size
    return b"".join(parts) + content[place:]
