"""Save and load checkpoints: tensors and one JSON header in a safetensors file.

The format holds no code, so that opening a stranger's checkpoint runs none. The header carries a
SHA-256 of itself and every tensor.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize
from torch import Tensor

from ..system import files
from ..system.errors import RunError
from . import migrate

FORMAT = 2  # rises when an older vaecli cannot read a checkpoint
READABLE_BY = "0.2.0"  # the oldest vaecli that reads this format
KEY = "vaecli"  # one key only: with several, the file's bytes differ from process to process

Tensors = dict[str, Tensor]


def save(path: Path, tensors: Tensors, header: dict[str, Any]) -> None:
    """Write a checkpoint, or leave the old one as it was.

    Args:
        path: Usually ends in .safetensors.
        tensors: By name, from any device.
        header: What JSON can hold; `format`, `readable_by` and `sha256` are added.
    """
    # Cloned, since safetensors refuses tensors that share memory.
    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    header = {**header, "format": FORMAT, "readable_by": READABLE_BY}
    header["sha256"] = _digest(tensors, header)
    files.write_atomic(
        path, serialize(tensors, metadata={KEY: json.dumps(header, allow_nan=False)})
    )


def load(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """The tensors, on the CPU, and the header of a checkpoint, in today's format.

    Raises:
        RunError: The file is missing, of another program, of a newer vaecli, or damaged.
    """
    try:
        if not path.is_file():
            raise RunError(f"There is no checkpoint file {path}.")
        path.open("rb").close()  # safe_open calls a file that it may not read missing
    except OSError as error:
        raise RunError(f"Cannot read the checkpoint {path}: {error.strerror}.") from error
    try:
        with safe_open(path, framework="pt") as file:
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


def check_shapes(expected: Tensors, tensors: Tensors, path: Path, ignored: str = "") -> None:
    """Raise `RunError` unless the tensors have the expected names and shapes.

    Args:
        expected: Tensors of a model made from the checkpoint's own configuration.
        tensors: Those in the checkpoint.
        path: Of the checkpoint.
        ignored: Name of a tensor whose shape is free.
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
    if not same:  # a changed last digit may read as the same number
        raise RunError(f"Checksum mismatch in {path}: its header is damaged.")
    return dict(header)


def _digest(tensors: Tensors, header: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
