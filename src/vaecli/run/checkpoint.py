"""Save and load checkpoints: tensors and one JSON header in a safetensors file.

The format cannot contain code, so that it is safe to open a checkpoint from others. The header has
a SHA-256 of itself and every tensor.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize
from torch import Tensor

from ..system import files
from ..system.errors import RunError
from . import migrate

FORMAT = 2  # incremented when older releases cannot read a new checkpoint
READABLE_BY = "0.2.0"  # the oldest vaecli that reads this format
KEY = "vaecli"  # the only key: with several, the bytes of the file differ between processes

Tensors = dict[str, Tensor]


def save(path: Path, tensors: Tensors, header: dict[str, Any]) -> None:
    """Write a checkpoint atomically: if it fails, the old file is unchanged.

    Args:
        path: File to write, usually with the extension .safetensors.
        tensors: Tensors by name, on any device.
        header: Values for JSON; `format`, `readable_by` and `sha256` are added.
    """
    # cloned, since safetensors refuses tensors that share memory
    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    header = {**header, "format": FORMAT, "readable_by": READABLE_BY}
    header["sha256"] = _digest(tensors, header)
    files.write_atomic(
        path, serialize(tensors, metadata={KEY: json.dumps(header, allow_nan=False)})
    )


def load(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """The tensors, on the CPU, and the header of a checkpoint, in the current format.

    Raises:
        RunError: The file is missing, damaged, or written by another program or a newer vaecli.
    """
    try:
        if not path.is_file():
            raise RunError(f"There is no checkpoint file {path}.")
        opened = path.open("rb")  # safe_open reports a file without read permission as missing
    except OSError as error:
        raise RunError(f"Cannot read the checkpoint {path}: {error.strerror}.") from error
    try:
        with opened, safe_open(_name_of(opened), framework="pt") as file:
            header = _header(file.metadata() or {}, path)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, RuntimeError) as error:
        raise RunError(f"{path} is not a vaecli checkpoint: {error}.") from error
    if header.pop("sha256", None) != _digest(tensors, header):
        raise RunError(f"Checksum mismatch in {path}: the checkpoint is damaged.")
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise RunError(f"{path} holds NaN or infinite numbers, in {name}.")
    return migrate.upgrade(tensors, header)


def _name_of(file: BinaryIO) -> str:
    """A name of this very file. `safe_open` opens it twice, and training may replace it between."""
    name = f"/dev/fd/{file.fileno()}"
    return name if os.path.exists(name) else file.name  # Windows replaces no open file


def check_shapes(expected: Tensors, tensors: Tensors, path: Path, ignored: str = "") -> None:
    """Raise `RunError` unless the tensors have the expected names and shapes.

    Args:
        expected: Tensors of a model made from the checkpoint's own configuration.
        tensors: Tensors in the checkpoint.
        path: Path of the checkpoint, for the message.
        ignored: Name of a tensor that is not checked.
    """
    wanted = {name: tuple(t.shape) for name, t in expected.items() if name != ignored}
    found = {name: tuple(t.shape) for name, t in tensors.items() if name != ignored}
    if wanted == found:
        return
    names = sorted(n for n in wanted.keys() | found.keys() if wanted.get(n) != found.get(n))
    first = "; ".join(
        f"{n}: expected {wanted.get(n, 'nothing')}, found {found.get(n, 'nothing')}"
        for n in names[:3]
    )
    raise RunError(f"{path} does not fit its own configuration ({first}).")


def _header(metadata: dict[str, str], path: Path) -> dict[str, Any]:
    try:
        header = json.loads(metadata[KEY])
        version = header["format"]
        same = json.dumps(header, allow_nan=False) == metadata[KEY]
    except (KeyError, TypeError, ValueError):
        raise RunError(f"{path} is not a vaecli checkpoint: it has no vaecli header.") from None
    if type(version) is not int or version < 1:
        raise RunError(f"{path} is not a vaecli checkpoint: its format is {version!r}.")
    if version > FORMAT:
        needed = "a newer version"
        if writer := header.get("readable_by") or header.get("vaecli"):
            needed = f"version {writer} or later"
        raise RunError(
            f"{path} has format {version}, which this vaecli does not read: it needs {needed}."
        )
    if not same:  # a changed last digit of a number may have no effect on its value
        raise RunError(f"Checksum mismatch in {path}: its header is damaged.")
    return dict(header)


def _digest(tensors: Tensors, header: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
