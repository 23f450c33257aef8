"""A new run that begins with the weights of another one, as `train --from` asks."""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..config import presets
from ..config.build import resolve, with_latent_dim
from ..config.config import PART_KINDS, Config
from ..config.image_sizes import format_image_size
from ..config.option_files import read_options_file
from ..config.preset_table import PRESETS
from ..run import names
from ..run.checkpoint import Tensors
from ..run.record import Origin, Record
from ..run.run import Run
from ..system.errors import ConfigError, RunError
from ..training.state import State
from .events import Notice

# Options that the new run has from the other one, unless the user gives them.
MODEL_OPTIONS = ("preset", *sorted({*PART_KINDS} - {"optimizer"}), "latent_dim", "conditional")
# Of them, those that it has although the user gives another preset.
SIZE_OPTIONS = ("network", "latent_dim", "conditional")
LISTED = 5  # tensors in a notice

WITH_RESUME = (
    "--from begins a new run, and --resume RUN goes on with an old one: leave one out. --resume "
    "auto goes on with an unfinished run of these options, and begins one only if there is none."
)


@dataclass(frozen=True)
class Start:
    """The weights with which a new run begins.

    Attributes:
        path: Absolute path of the run directory or checkpoint file that the user named.
        run: It, with the checkpoint to read.
    """

    path: Path
    run: Run

    @property
    def origin(self) -> Origin:
        """What run.json says of it before the weights are read."""
        return Origin(run=str(self.path), checkpoint=self.run.checkpoint.name)


def start_path(path: str | Path) -> Path:
    """The path of the run or file that `--from` names, by which a resumed run is compared."""
    return Path(os.path.realpath(path))


def model_options(run: Run, *layers: Mapping[str, Any]) -> dict[str, Any]:
    """The lowest layer of options of a new run that begins with the weights of another.

    Args:
        run: The other run. Of a run directory config.json is read, and no weights.
        layers: The layers above. If they name another preset, only the `SIZE_OPTIONS` that it does
            not set come from the run.

    Raises:
        ConfigError: config.json cannot be read.
        RunError: The checkpoint file cannot be read.
    """
    config = _chosen_config(run)
    given: dict[str, Any] = {}
    for layer in layers:
        given |= presets.typed_options(layer)
    chosen: Iterable[str] = MODEL_OPTIONS
    preset = given.get("preset", config.preset)
    if preset != config.preset and preset in PRESETS:
        chosen = set(SIZE_OPTIONS) - PRESETS[preset].changes.keys()
    return {name: getattr(config, name) for name in chosen}


def _chosen_config(run: Run) -> Config:
    """The configuration of a run; without the latents if their number follows from its images."""
    if run.is_run_directory():
        config = Config.from_values(read_options_file(run.folder / names.CONFIG))
        follows = "latent_dim" in run.record.derived
    else:
        config = run.config
        free = resolve(config.with_values(latent_dim=None))
        follows = free.latent_dim is None and config.latent_dim == (
            with_latent_dim(free, run.contents[1].shape).latent_dim
        )
    if follows:
        return config.with_values(latent_dim=None)
    return config


def refuse_own_origin(run: Run, run_dir: Path | None, overwrite: bool) -> None:
    """Raise a `ConfigError` if `--overwrite` would delete the weights to begin with."""
    if overwrite and run_dir is not None:
        target = os.path.realpath(run_dir)
        if Path(os.path.realpath(run.checkpoint)).is_relative_to(target):
            raise ConfigError(
                f"--overwrite would delete {run.checkpoint}, whose weights --from takes: choose "
                "another --run-dir."
            )


def require_same_origin(run: Run, path: Path | None) -> None:
    """Raise a `ConfigError` unless a run to resume began with the weights that `--from` names.

    Args:
        run: The run to resume.
        path: As `start_path` returns it; None without `--from`.
    """
    if path is not None and not began_with(run.record, path):
        raise ConfigError(
            f"{run.folder} did not begin with the weights of {path}: choose another --run-dir, or "
            "leave --from out to go on with it."
        )


def began_with(record: Record, path: Path | None) -> bool:
    """Whether a run began with the weights of that run or file; None for random weights."""
    origin = record.initialized_from
    if origin is None or path is None:
        return origin is None and path is None
    return origin.run == str(path)


def require_weights(run: Run) -> None:
    """Raise a `RunError` if a run to resume has lost the weights that it was to begin with.

    It is so if its process was killed before it saved them.
    """
    if run.has_checkpoint():
        return
    origin = run.record.initialized_from
    if origin is not None:
        raise RunError(
            f"{run.folder} was stopped before it saved the weights of {origin.run}, with which it "
            "begins: start it again with --from and the same --run-dir."
        )


@dataclass(frozen=True)
class Taken:
    """What a new run has of the weights of another.

    Attributes:
        origin: For run.json.
        notices: For the user.
    """

    origin: Origin
    notices: list[Notice]


def take_weights(start: Start, state: State) -> Taken:
    """Set the weights of a new state to those of another run, where name and shape are the same.

    A tensor of another shape begins anew as a whole. So does everything that a layer keeps beside
    its weights, such as the running mean of a batch norm, if one of its tensors does. Priors that
    were fitted after training, and the state of the optimizer, are not taken.

    Args:
        start: The other run.
        state: State at the start of training; it is changed.

    Raises:
        ConfigError: Nothing fits.
        RunError: The checkpoint is missing or damaged.
    """
    tensors, header = start.run.contents
    found = _weights(tensors)
    wanted = _weights(state.tensors())
    fitting = {n for n, tensor in wanted.items() if n in found and _alike(tensor, found[n])}
    buffers = _buffers(state)
    spoilt = {_module(name) for name in wanted.keys() - fitting}
    taken = sorted(name for name in fitting if name not in buffers or _module(name) not in spoilt)
    if not taken or not any(found[name].numel() > 1 for name in taken):
        raise ConfigError(
            f"Nothing of {start.run.checkpoint} fits this model, by name and shape: leave --from "
            f"out, or {_differences(resolve(header.config), state.config)}."
        )
    with torch.no_grad():
        for name in taken:
            wanted[name].copy_(found[name])
    anew = sorted(wanted.keys() - set(taken))
    texts = [_summary(start.run.checkpoint, wanted, taken)]
    if anew:
        texts.append(f"Begin anew: {_list([_describe(n, wanted, found) for n in anew])}.")
    if header.shape != state.shape:
        texts.append(_size_advice(header.shape))
    if unused := sorted(found.keys() - wanted.keys()):
        texts.append(f"Of that run this model does not have {_list(unused)}.")
    notices = [Notice(" ".join(texts)), *_class_notices(header.class_names, state)]
    changes = {"taken": len(taken), "anew": anew, "sha256": _digest(found, taken)}
    return Taken(start.origin.model_copy(update=changes), notices)


def _weights(tensors: Tensors) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if name.startswith(names.WEIGHTS)}


def _alike(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype


def _module(name: str) -> str:
    """The layer of a tensor, from its name."""
    return name.rpartition(".")[0]


def _buffers(state: State) -> set[str]:
    """The names of the weights that no optimizer changes."""
    return {
        f"{group}.{name}"
        for group, part in (("model", state.model), ("objective", state.objective))
        for name, _ in part.named_buffers()
    }


def _differences(old: Config, new: Config) -> str:
    """Advice that names the options in which two models differ."""
    differ = [name for name in MODEL_OPTIONS[1:] if getattr(old, name) != getattr(new, name)]
    if not differ:
        return "use images of that run's size"
    flags = ", ".join(f"--{name.replace('_', '-')}" for name in differ)
    return f"leave out the options that differ from that run: {flags}"


def _summary(checkpoint: Path, wanted: Tensors, taken: Sequence[str]) -> str:
    numbers = sum(wanted[name].numel() for name in taken)
    share = numbers / sum(tensor.numel() for tensor in wanted.values())
    return (
        f"Begins with the weights of {checkpoint}: {len(taken)} of {len(wanted)} tensors, "
        f"{100 * share:.0f} % of all numbers."
    )


def _describe(name: str, wanted: Tensors, found: Tensors) -> str:
    """A tensor that begins anew, and why."""
    shape = tuple(wanted[name].shape)
    if name not in found:
        return f"{name} (not in that run)"
    there = tuple(found[name].shape)
    if there == shape:
        return f"{name} (its layer differs)"
    return f"{name} {shape} (there {there})"


def _size_advice(shape: tuple[int, int, int]) -> str:
    channels, height, width = shape
    size = format_image_size(height, width)
    return f"With its --image-size {size} --channels {channels} more would be kept."


def _list(texts: Sequence[str]) -> str:
    """The first of the texts, and how many more there are."""
    listed = ", ".join(texts[:LISTED])
    if len(texts) > LISTED:
        listed += f" and {len(texts) - LISTED:,} more"
    return listed


def _class_notices(before: Sequence[str], state: State) -> list[Notice]:
    """A warning if the weights read labels that have had other names."""
    reads_labels = state.model.context > 0 or state.objective.reads_labels
    if not reads_labels or not before or tuple(before) == state.class_names:
        return []
    text = "The classes of that run are not those of the images: its weights take them for others."
    return [Notice(text, "warning")]


def _digest(tensors: Tensors, taken: Sequence[str]) -> str:
    """The SHA-256 of the names and the numbers of the tensors, in hexadecimal."""
    digest = hashlib.sha256()
    for name in taken:
        digest.update(name.encode())
        digest.update(tensors[name].contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
