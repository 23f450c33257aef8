"""Small valid files that contain several images: archives, arrays and tables."""

import io
import zipfile

import numpy as np

from .images import encode, picture


def archive(entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The bytes of a zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as opened:
        for name, content in entries.items():
            opened.writestr(name, content)
    return file.getvalue()


def npy(array: np.ndarray) -> bytes:
    """The bytes of a `.npy` file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(**arrays) -> bytes:
    """The bytes of a compressed `.npz` file."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def valid_sets() -> dict[str, bytes]:
    """Files by a name whose suffix is that of the format."""
    grey = encode(picture("L"), "PNG")
    colour = encode(picture("RGB"), "JPEG")
    images = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    labels = np.array([0, 1, 0, 1])
    return {
        "deflated.zip": archive(
            {"train/a/1.png": grey, "train/b/2": colour, "test/a/3.jpg": colour}
        ),
        "stored.zip": archive({"a/1.png": grey, "b/2.jpg": colour}, zipfile.ZIP_STORED),
        "bytes.npy": npy(images.astype(np.uint8)),
        "floats.npy": npy(images.astype(">f4") / 120),
        "colours.npy": npy(np.asfortranarray(images[..., None].repeat(3, 3).astype(np.int64))),
        "splits.npz": npz(x_train=images, y_train=labels, x_test=images / 200, y_test=labels),
        "names.npz": npz(images=images.astype(np.uint16), labels=np.array(["a", "b", "c", "a"])),
        "table.csv": b'\xef\xbb\xbfpath,label,split\r\n1.png,cat,train\r\n"2,3.png",dog,test\r\n',
        "table.tsv": b"1.png\tcat\n2.png\tdog\n",
    }
