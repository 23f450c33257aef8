"""Names in files of release 0.1.0, and what later releases call the same.

A column of losses.csv is `SPLIT_TERM`; the tables hold terms. A name that is in no table has not
changed. Every function leaves newer names as they are.
"""

SPLITS = ("train", "valid", "test")

PRESETS = {"warmup": "annealing"}

TERMS = {
    "critic": "discriminator_loss",
    "fooled": "fooled_fraction",
    "dip": "dip_penalty",
    "code": "latent_l2",
    "roughness": "decoder_penalty",
    "penalty": "vq_loss",
}

# Terms that mean something else in other objectives, by the objective.
TERMS_OF = {"vae-gan": {"error": "feature_error"}, "m2": {"error": "classification_error"}}

# What the old number of a term is multiplied by, by the objective: powers of 2, which are exact.
FACTORS_OF = {"factor": {"critic": 2}}  # it was half of the loss


def preset(name: str) -> str:
    """The newest name of a preset."""
    return PRESETS.get(name, name)


def column(name: str, objective: str) -> str:
    """The newest name of a column of losses.csv.

    Args:
        name: Old or new, such as `train_critic`.
        objective: The one that wrote it, without its options.
    """
    split, _, term = name.partition("_")
    if split not in SPLITS:
        return name
    terms = TERMS | TERMS_OF.get(objective, {})
    return f"{split}_{terms.get(term, term)}"


def row(texts: dict[str, str], objective: str) -> dict[str, str]:
    """A row of losses.csv under the newest names, each number as the newest release writes it.

    Raises:
        ValueError: A column stands there under its old and its new name.
    """
    factors = FACTORS_OF.get(objective, {})
    newest = {}
    for name, text in texts.items():
        factor = factors.get(name.partition("_")[2])
        newest[column(name, objective)] = str(float(text) * factor) if factor else text
    if len(newest) < len(texts):
        raise ValueError(f"old and new names of one column: {', '.join(texts)}")
    return newest
