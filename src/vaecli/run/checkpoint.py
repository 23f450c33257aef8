"""Save and load checkpoints: tensors and one JSON header in a safetensors file.

The format cannot contain code, so that it is safe to open a checkpoint from others. The header has
a SHA-256 of itself and every tensor.
"""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize
from torch import Tensor

from ..system import files, machine
from ..system.errors import RunError
from ..system.version import __version__
from . import migrate

FORMAT = 2  # incremented when older releases cannot read a new checkpoint
READABLE_BY = "0.2.0"  # the oldest vaecli that reads this format
KEY = "vaecli"  # the only key: with several, the bytes of the file differ between processes

VERSION = r"\d{1,6}(\.\d{1,6}){1,2}"

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
        ResourceError: It is larger than the memory that is left.
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
            # a forged file may be sparse, and have more zeros than the memory holds
            machine.require_memory(os.fstat(opened.fileno()).st_size, f"The checkpoint {path}")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if header.pop("sha256", None) != _digest(tensors, header):
            raise RunError(f"Checksum mismatch in {path}: the checkpoint is damaged.")
        for name, tensor in tensors.items():
            if not tensor.isfinite().all():
                raise RunError(f"{path} holds NaN or infinite numbers, in {name}.")
    except (SafetensorError, OSError, RuntimeError) as error:  # also an unusual type of numbers
        raise RunError(f"{path} is not a vaecli checkpoint: {error}.") from error
    return migrate.upgrade(tensors, header)


def _name_of(file: BinaryIO) -> str:
    """A name of this very file. `safe_open` opens it twice, and training may replace it between."""
    name = f"/dev/fd/{file.fileno()}"
    return name if os.path.exists(name) else file.name  # Windows replaces no open file


def check_shapes(expected: Tensors, tensors: Tensors, path: Path) -> None:
    """Raise `RunError` unless the tensors have the expected names, shapes and types.

    Args:
        expected: Tensors made from the checkpoint's own configuration.
        tensors: Tensors in the checkpoint.
        path: Path of the checkpoint, for the message.
    """
    wanted = {name: _describe(tensor) for name, tensor in expected.items()}
    found = {name: _describe(tensor) for name, tensor in tensors.items()}
    if wanted == found:
        return
    names = sorted(n for n in wanted.keys() | found.keys() if wanted.get(n) != found.get(n))
    first = "; ".join(
        f"{n}: expected {wanted.get(n, 'nothing')}, found {found.get(n, 'nothing')}"
        for n in names[:3]
    )
    raise RunError(f"{path} does not fit its own configuration ({first}).")


def check_means(names: tuple[str, ...], tensors: Tensors, path: Path) -> None:
    """Raise `RunError` unless the running means in a checkpoint are numbers of these metrics.

    Their type is not checked: it depends on the precision of training.
    """
    expected = {"means.sums": (len(names),) if names else (), "means.finite": ()}
    for name, shape in expected.items():
        tensor = tensors.get(name)
        if tensor is None or tuple(tensor.shape) != shape or not tensor.is_floating_point():
            found = "nothing" if tensor is None else _describe(tensor)
            raise RunError(
                f"{path} does not fit its own position ({name}: expected {shape}, found {found})."
            )


def _describe(tensor: Tensor) -> str:
    """The shape, and the type of the numbers where it is not the usual one."""
    shape = str(tuple(tensor.shape))
    if tensor.dtype == torch.float32:
        return shape
    return f"{shape} of {str(tensor.dtype).removeprefix('torch.')}"


def _newer_version(header: dict[str, Any]) -> str | None:
    """The oldest version that reads the file, by its own account, if it is newer than this one."""
    for version in (header.get("readable_by"), header.get("vaecli")):
        if isinstance(version, str) and re.fullmatch(VERSION, version):
            return version if _numbers(version) > _numbers(__version__) else None
    return None


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


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
        if named := _newer_version(header):
            needed = f"version {named} or later"
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
