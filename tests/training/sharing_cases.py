"""Configurations that couple the images of a batch, or draw noise for them: what processes share.

A case is the options of `Config` by name, and `image_channels` and `steps` of its training.
"""

from vaecli.config.presets import PRESETS

Case = dict[str, object]

MAIN = ("vae", "cvae", "iwae", "aae", "vq-vae")
WITH_BATCH_NORM = "mlp:width=12,depth=1,norm=batch"
CONV = "conv:width=4"
# With few vectors in a batch several codes start at the same one. Which of them is the nearest is
# then a matter of rounding, and this depends on the number of vectors that are compared at a time.
CODES = {"posterior": "quantized", "prior": "codes", "latent_dim": 20}
PRESET_CHANGES: dict[str, Case] = {
    "vq-vae": {"latent_dim": 20},
    "residual-vq": {"posterior": "quantized:levels=2,codes=8", "latent_dim": 20},
    # about the rate of a latent here: it is above in some batches, or for some processes
    "free-bits": {"objective": "elbo:free_bits=0.04,free_bits_groups=0"},
    "conv-map": {"network": f"{CONV},activation=silu,latent=map", "latent_dim": None},
    "m2": {"labels": 12, "network": WITH_BATCH_NORM},
    "vamp": {"prior": "vamp:components=10"},
}


def presets() -> dict[str, Case]:
    """Every preset, with small networks."""
    cases: dict[str, Case] = {}
    for name, preset in PRESETS.items():
        plane = {"latent_dim": preset.changes.get("latent_dim", 4)}
        cases[name] = {"preset": name, **plane, **PRESET_CHANGES.get(name, {})}
    return cases


OPTIONS: dict[str, Case] = {
    "batch norm": {"network": WITH_BATCH_NORM},
    "batch norm of convolutions": {"network": f"{CONV},norm=batch", "image_channels": 3},
    "batch norm, several samples": {"network": WITH_BATCH_NORM, "objective": "iwae:samples=3"},
    "batch norm of pseudo-inputs": {"network": WITH_BATCH_NORM, "prior": "vamp:components=5"},
    "batch norm in a penalty": {"network": WITH_BATCH_NORM, "preset": "rae-gp"},
    "batch norm in a discriminator": {"network": WITH_BATCH_NORM, "preset": "vae-gan"},
    "layer norm": {"network": "resnet:width=4,norm=layer"},
    "free bits": {"objective": "elbo:free_bits=0.15"},
    "free bits of groups": {"objective": "elbo:free_bits=0.09,free_bits_groups=2"},
    "capacity": {"objective": "elbo:capacity=5,capacity_epochs=2"},
    "annealing": {"objective": "elbo:annealing_epochs=2"},
    "dip I": {"objective": "dip:variant=I"},
    "many images": {"objective": "beta-tc", "batch_size": 100},
    "conditional beta-tc": {"objective": "beta-tc", "conditional": True},
    "conditional vae-gan": {"preset": "vae-gan", "conditional": True, "prior": "conditional"},
    "vae-gan of a mixture": {"preset": "vae-gan", "prior": "mixture:components=4"},
    "conditional wae": {"objective": "wae", "conditional": True, "prior": "flow"},
    # as many components as images of a process: they must not be taken for rows of the batch
    "wae of a mixture": {"objective": "wae", "prior": "mixture:components=5"},
    "swae of pseudo-inputs": {"objective": "swae", "prior": "vamp:components=5"},
    "wae of a hierarchy": {"preset": "hierarchical", "objective": "wae:kl_weight=0.5"},
    "wae of codes": {**CODES, "objective": "wae"},
    "wae on a sphere": {"preset": "svae", "objective": "wae"},
    "aae with a gaussian": {"objective": "adversarial", "posterior": "gaussian"},
    "aae of labels": {"preset": "aae-labels", "labels": 12, "latent_dim": 2},
    "m2 with all labels": {"preset": "m2", "labels": None, "network": WITH_BATCH_NORM},
    "m2 with codes": {"preset": "m2", "labels": 12, "network": WITH_BATCH_NORM, **CODES},
    "m2 of a flow": {"preset": "m2", "labels": 6, "network": CONV, "prior": "flow"},
    "m2 with a learned prior": {
        "preset": "m2",
        "labels": 3,
        "prior": "vamp:components=5",
        "network": WITH_BATCH_NORM,
    },
    "codes that are reset": {**CODES, "steps": 32},
    "codes of a map": {
        "posterior": "quantized:codes=16",
        "prior": "codes",
        "latent_dim": None,
        "network": f"{CONV},latent=map",
    },
    "penalty of a map": {
        "preset": "rae-gp",
        "image_channels": 3,
        "latent_dim": None,
        "network": f"{CONV},latent=map",
    },
    "dreg of a vmf": {"preset": "svae", "objective": "iwae:samples=3"},
    "iaf and levels": {"posterior": "iaf", "prior": "hierarchical", "objective": "iwae:samples=2"},
    "ladder with bounds": {"preset": "ladder", "objective": "iwae:samples=2,bounds=2"},
    "dynamic binarization": {"binarize": "dynamic"},
    "threshold": {"binarize": "threshold", "likelihood": "logistic:components=2"},
    "sgd": {"optimizer": "sgd"},
    "adamw": {"optimizer": "adamw"},
    "schedule": {"lr_schedule": "cosine", "lr_warmup": 0.2},
}
