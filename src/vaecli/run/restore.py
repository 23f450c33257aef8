"""The model and the objective of a checkpoint."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..config.build import build, build_fitted_prior, resolve
from ..config.config import Config
from ..evaluation.fitting import with_prior
from ..model import VAE
from ..objectives import Objective
from ..system.errors import ConfigError, RunError
from . import names
from .checkpoint import Tensors, check_shapes
from .header import Header

MODEL, OBJECTIVE = names.WEIGHTS


def restore(
    tensors: Tensors, header: Header, path: Path, with_objective: bool, fitted: bool
) -> tuple[VAE, Objective]:
    """The model and the objective of a checkpoint, on the CPU, in evaluation mode.

    Args:
        tensors: Those of the checkpoint.
        header: Its header.
        path: Path of the checkpoint, for messages.
        with_objective: Whether an objective that infers the label has its trained weights.
        fitted: Whether the prior is the fitted one, if the checkpoint holds one.

    Raises:
        RunError: The tensors do not fit the header.
    """
    has_fit = fitted and any(name.startswith(names.FITTED_PRIOR) for name in tensors)
    try:
        config = resolve(header.config)
        # Shapes only, so that a wrong header cannot allocate memory.
        with torch.device("meta"):
            outlines = _build(config, header, has_fit)
    except (ConfigError, RuntimeError) as error:
        raise RunError(f"{path} has a broken header: {error}") from error
    with_objective = with_objective and outlines[OBJECTIVE].infers_label
    unwanted = set() if with_objective else {OBJECTIVE}
    weights = {prefix: _weights(tensors, prefix) for prefix in outlines.keys() - unwanted}
    for prefix, found in weights.items():
        expected = outlines[prefix].state_dict()
        if prefix == OBJECTIVE and expected and not found:
            raise RunError(
                f"{path} has no weights of the objective {config.objective.name}, "
                "which an older vaecli left out: use --checkpoint last."
            )
        check_shapes(expected, found, path)
    parts = _build(config, header, has_fit)
    for prefix, found in weights.items():
        parts[prefix].load_state_dict(found)
    model = parts[MODEL]
    if has_fit:
        model = with_prior(model, parts[names.FITTED_PRIOR])
    return model.eval(), parts[OBJECTIVE].eval()


def _build(config: Config, header: Header, has_fit: bool) -> dict[str, Any]:
    """The untrained parts, by the prefix of their tensors.

    An empty module stands for a fitted prior that the configuration lacks.
    """
    model, objective = build(config, header.shape, header.classes)
    parts: dict[str, Any] = {MODEL: model, OBJECTIVE: objective}
    if has_fit:
        prior = build_fitted_prior(config, model, header.shape, header.classes)
        parts[names.FITTED_PRIOR] = prior or nn.Module()
    return parts


def _weights(tensors: Tensors, prefix: str) -> Tensors:
    """The tensors with a prefix, by their names without it."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
