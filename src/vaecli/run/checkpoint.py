"""Checkpoints: tensors and one JSON header in a safetensors file, whole or refused.

The format holds no code, so that opening a stranger's checkpoint runs none. The header carries a
SHA-256 over itself and every tensor.
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

FORMAT = 1  # counts up when an older vaecli could not read a checkpoint


KEY = "vaecli"  # one key only: with several, the file's bytes differ from process to process


Tensors = dict[str, Tensor]


def save(path: Path, tensors: Tensors, header: dict[str, Any]) -> None:
    """Write a checkpoint, or leave the old one as it was.

    Args:
        path: Usually ends in .safetensors.
        tensors: By name, from any device.
        header: What JSON can hold; the keys `format` and `sha256` are added.
    """
    # Cloned, since the format refuses tensors that share memory.
    tensors = {name: t.detach().cpu().clone().contiguous() for name, t in tensors.items()}
    header = {**header, "format": FORMAT}
    header["sha256"] = _digest(tensors, header)
    files.write_atomic(
        path, serialize(tensors, metadata={KEY: json.dumps(header, allow_nan=False)})
    )


def load(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """The tensors, on the CPU, and the header of a checkpoint.

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
            raise RunError(f"{path} holds numbers that are not finite, in {name}.")
    return tensors, header


def compare(expected: Tensors, tensors: Tensors, path: Path, but: str = "") -> None:
    """Refuse the tensors of the checkpoint at `path` unless names and shapes are as expected.

    The shape of the tensor called `but` is free.
    """
    wanted = {name: tuple(t.shape) for name, t in expected.items() if name != but}
    found = {name: tuple(t.shape) for name, t in tensors.items() if name != but}
    if wanted != found:
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
    if version != FORMAT:
        written = header.get("vaecli", "another version")
        raise RunError(
            f"{path} has format {version!r}, but this vaecli reads {FORMAT}: "
            f"it needs vaecli >= {written!r}."
        )
    if not same:  # as with the last of many digits, which changes no number
        raise RunError(f"Checksum mismatch in {path}: its header is damaged.")
    return dict(header)


def _digest(tensors: Tensors, header: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
