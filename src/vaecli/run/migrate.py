"""Translates checkpoints of older formats when they are read: tensors, columns and header keys.

`config.aliases` translates names that users type, and those in config files.
"""

import re
from typing import Any

from torch import Tensor

OLD_FORMATS = (1,)

# Tensor names of format 1, as regular expressions, and their replacements.
TENSORS: dict[str, str] = {
    r"^optimizer\.mean\.": "optimizer.exp_avg.",
    r"^optimizer\.square\.": "optimizer.exp_avg_sq.",
    r"^optimizer\.count$": "optimizer.step",
    r"^objective\.critic\.": "objective.discriminator.",
    r"^model\.posterior\.quantizer\.books$": "model.posterior.quantizer.codebooks",
    r"^model\.posterior\.quantizer\.use$": "model.posterior.quantizer.usage",
    r"^model\.prior\.images$": "model.prior.pseudo_inputs",
    r"^model\.prior\.labels$": "model.prior.pseudo_labels",
    r"^model\.prior\.own\.": "model.prior.top_down.",
}

# Columns of format 1, by objective ("" for all) and old name: new name, and factor of the values.
COLUMNS: dict[str, dict[str, tuple[str, float]]] = {
    "": {
        "penalty": ("vq_loss", 1.0),
        "critic": ("discriminator_loss", 1.0),
        "fooled": ("fooled_fraction", 1.0),
        "code": ("latent_l2", 1.0),
        "roughness": ("decoder_penalty", 1.0),
    },
    "dip": {"dip": ("dip_penalty", 1.0)},
    "factor": {"critic": ("discriminator_loss", 2.0)},  # it was halved
    "m2": {"error": ("classification_error", 1.0)},
    "vae-gan": {"error": ("feature_error", 1.0)},
}


def upgrade(
    tensors: dict[str, Tensor], header: dict[str, Any]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and header in the current format; unchanged if they are in it already.

    A header with missing keys or values of a wrong type is not translated: `Header` refuses it.
    """
    if header["format"] not in OLD_FORMATS:
        return tensors, header
    header = {**header, "format": 2, "readable_by": "0.2.0"}
    tensors = {_tensor_name(name): tensor for name, tensor in tensors.items()}
    try:
        table = _columns(header["config"])
        header["history"] = [_upgrade_epoch(epoch, table) for epoch in header["history"]]
        names = header["position"]["names"]
        header["position"] = header["position"] | {"names": [_column(n, table)[0] for n in names]}
        if names:
            sums = tensors["means.sums"]
            factors = [_column(name, table)[1] for name in names]
            tensors["means.sums"] = sums * sums.new_tensor(factors)
    except (AttributeError, KeyError, RuntimeError, TypeError):
        pass
    return tensors, header


def _tensor_name(name: str) -> str:
    for pattern, replacement in TENSORS.items():
        name = re.sub(pattern, replacement, name)
    return name


def _columns(config: dict[str, Any]) -> dict[str, tuple[str, float]]:
    """New name and factor of each column that changed, for the objective of a configuration."""
    objective = config["objective"].partition(":")[0]
    return COLUMNS[""] | COLUMNS.get(objective, {})


def _column(name: str, table: dict[str, tuple[str, float]]) -> tuple[str, float]:
    return table.get(name, (name, 1.0))


def _upgrade_epoch(epoch: dict[str, Any], table: dict[str, tuple[str, float]]) -> dict[str, Any]:
    upgraded = dict(epoch)
    for split in ("train", "test", "valid"):
        if split in epoch:
            upgraded[split] = {}
            for name, value in epoch[split].items():
                new_name, factor = _column(name, table)
                upgraded[split][new_name] = value if factor == 1 else value * factor
    return upgraded
