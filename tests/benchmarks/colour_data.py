"""Icons and photographs of Debian packages as arrays of 64x64 pixels, with held-out images.

    for p in PACKAGES; do apt-get download $p && dpkg-deb -x ${p}_*.deb UNPACKED/$p; done
    python -m tests.benchmarks.colour_data UNPACKED OUT

`ICON_PACKAGES` and `PHOTOGRAPHS` name the packages of Debian 12. Writes to OUT:

    wallpapers/     every photograph, whole, as its package has it
    icons.npz       train, test: uint8 (N, 3, 64, 64); name: of each test icon
    photographs.npz train, test: uint8 (N, 3, 64, 64); name: the photograph of each test crop

An icon lies over white. It occurs in several sizes, themes and colours, and under several names, so
the split is by name over all packages; then test icons go that resemble a training icon or an
earlier test icon: by a root mean square difference of 16x16 pixels below `NEAR`, or by a perceptual
hash that differs in at most `NEAR_BITS` of its 63 bits. Crops are of photographs that are scaled to
`SIDE` pixels on the shorter side; the photographs of test crops have no crop in training.
"""

import argparse
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.fft import dctn

ICON_PACKAGES = (
    "oxygen-icon-theme",
    "faenza-icon-theme",
    "mate-icon-theme",
    "gnome-icon-theme",
    "lxde-icon-theme",
    "gnome-extra-icons",
    "tango-icon-theme",
    "moka-icon-theme",
    "mint-y-icons",
    "elementary-xfce-icon-theme",
    "paper-icon-theme",
)
# Chosen by eye: the other wallpapers of these packages are drawings.
PHOTOGRAPHS = {
    "lomiri-wallpapers-16.04": "Bridge Dragonfly Picture_0B Picture_1A Wine aitzgorri free friends "
    "greentock life picosdeeuropa seeding sunset",
    "lomiri-wallpapers-20.04": "Kleiber",
    "mate-backgrounds": "Aqua Blinds Dune FreshFlower Garden GreenMeadow LadyBird RainDrops Storm "
    "TwoWings Wood YellowFlower",
    "plasma-workspace-wallpapers": "BytheWater ColdRipple ColorfulCups DarkestHour EveningGlow "
    "FallenLeaf Grey Kite OneStandsOut Path summer_1am",
}
SIZE, SIDE = 64, 512
NEAR, NEAR_BITS = 0.05, 4
TEST_NAMES, TEST_PHOTOGRAPHS = 0.5, 16
TRAIN_CROPS, TEST_CROPS = 400, 64


def position(name: str) -> float:
    """A number in [0, 1) that only the name decides."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6]) / 2**48


def icon_files(unpacked: Path) -> Iterator[Path]:
    """Of each icon of each theme the smallest of 64 pixels or more, and the largest of 32 to 63."""
    best: dict[tuple[str, str, bool], tuple[int, Path]] = {}
    for package in ICON_PACKAGES:
        root = unpacked / package / "usr/share"
        for path in sorted(root.rglob("*.png")):
            if path.is_symlink() or not path.is_file():
                continue
            with Image.open(path) as image:
                side = min(image.size)
            distance = abs(side - SIZE)
            key = path.relative_to(root).parts[:2][-1], path.stem, side >= SIZE
            if side >= 32 and (key not in best or distance < best[key][0]):
                best[key] = distance, path
    return (path for _, path in best.values())


def read_icon(path: Path) -> np.ndarray:
    """Pixels over white, shape (3, 64, 64), uint8."""
    with Image.open(path) as opened:
        image = opened.convert("RGBA")
    # transparent pixels have a colour too, which scaling would mix in
    over_white = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = over_white.convert("RGB").crop((left, top, left + side, top + side))
    return np.asarray(square.resize((SIZE, SIZE), Image.Resampling.LANCZOS)).transpose(2, 0, 1)


def thumbnails(images: np.ndarray) -> np.ndarray:
    """Means of 4x4 pixels in [0, 1], shape (N, 768)."""
    shrunk = images.reshape(len(images), 3, 16, 4, 16, 4).mean((3, 5)) / 255
    return shrunk.reshape(len(images), -1).astype(np.float32)


def hashes(images: np.ndarray) -> np.ndarray:
    """Perceptual hashes of the brightness, shape (N, 63): signs of low cosine coefficients, +-1."""
    grey = images.mean(1).reshape(len(images), 32, 2, 32, 2).mean((2, 4))
    low = dctn(grey, axes=(1, 2))[:, :8, :8].reshape(len(images), 64)[:, 1:]
    return np.where(low > np.median(low, axis=1, keepdims=True), 1, -1).astype(np.float32)


def resembling(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whether the images resemble the others, shape (N, M)."""
    a, b = thumbnails(images), thumbnails(others)
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    bits = (63 - hashes(images) @ hashes(others).T) / 2
    found: np.ndarray = (squares / a.shape[1] < NEAR**2) | (bits <= NEAR_BITS)
    return found


def icons(unpacked: Path) -> dict[str, np.ndarray]:
    files = sorted(icon_files(unpacked), key=lambda path: position(str(path.relative_to(unpacked))))
    pixels = np.stack([read_icon(path) for path in files])
    # an empty icon shows nothing
    shown = pixels.reshape(len(pixels), -1).std(1) > 5
    files, pixels = [f for f, keep in zip(files, shown, strict=True) if keep], pixels[shown]
    held_out = np.array([position(path.stem.lower()) < TEST_NAMES for path in files])
    train, test = pixels[~held_out], pixels[held_out]
    names = np.array([path.stem for path, held in zip(files, held_out, strict=True) if held])
    new = ~resembling(test, train).any(1)
    test, names = test[new], names[new]
    first = ~np.tril(resembling(test, test), -1).any(1)
    print(f"{len(files)} icons; {len(train)} to train, {held_out.sum()} of other names, of which")
    print(f"{new.sum()} resemble no training icon, {first.sum()} no earlier test icon either")
    return {"train": train, "test": test[first], "name": names[first]}


def photograph_files(unpacked: Path) -> dict[str, Path]:
    """The largest file of each photograph."""
    found = {}
    for package, names in PHOTOGRAPHS.items():
        paths = [p for p in (unpacked / package).rglob("*.jpg") if p.is_file()]
        for name in names.split():
            its = [p for p in paths if p.name.startswith(name) or f"/{name}/contents/" in str(p)]
            found[name] = max(
                (p for p in its if p.stem != "screenshot"), key=lambda p: p.stat().st_size
            )
    return found


def crops(path: Path, number: int) -> np.ndarray:
    """Crops at random places, shape (number, 3, 64, 64), uint8."""
    random = np.random.default_rng(int(position(path.name) * 2**32))
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    scale = SIDE / min(image.size)
    size = round(image.width * scale), round(image.height * scale)
    pixels = np.asarray(image.resize(size, Image.Resampling.LANCZOS)).transpose(2, 0, 1)
    corners = random.integers(0, (size[1] - SIZE + 1, size[0] - SIZE + 1), (number, 2))
    return np.stack([pixels[:, y : y + SIZE, x : x + SIZE] for y, x in corners])


def photographs(files: dict[str, Path]) -> dict[str, np.ndarray]:
    names = sorted(files, key=position)
    test, train = names[:TEST_PHOTOGRAPHS], names[TEST_PHOTOGRAPHS:]
    print(f"{len(train)} photographs to train: {' '.join(train)}")
    print(f"{len(test)} to test: {' '.join(test)}")
    return {
        "train": np.concatenate([crops(files[name], TRAIN_CROPS) for name in train]),
        "test": np.concatenate([crops(files[name], TEST_CROPS) for name in test]),
        "name": np.repeat(test, TEST_CROPS),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("unpacked", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    files = photograph_files(options.unpacked)
    wallpapers = options.out / "wallpapers"
    wallpapers.mkdir(parents=True, exist_ok=True)
    for name, path in files.items():
        shutil.copyfile(path, wallpapers / f"{name}.jpg")
    np.savez(options.out / "photographs.npz", **photographs(files))
    np.savez(options.out / "icons.npz", **icons(options.unpacked))


if __name__ == "__main__":
    main()
