"""The section of a model card on what the model is."""

import re
from typing import get_args

from ...config.build import TABLES
from ...config.catalogue import references, summary
from ...config.preset_table import PRESETS
from ...config.spec import Spec, part_options
from ...config.train_command import shortest_spec
from .facts import Facts
from .markdown import bullets, code, prose, table

SYMBOLS = {  # in a table, where a bar needs a backslash
    "posterior": "posterior q(z\\|x), the encoder",
    "prior": "prior p(z)",
    "fitted_prior": "prior that was fitted after training, in its place",
    "likelihood": "likelihood p(x\\|z), the decoder",
    "objective": "objective, what training minimizes",
    "network": "network of encoder and decoder",
}

# Of the options for which a paper is cited, that which does something by default.
ON_BY_DEFAULT = "gradient_penalty"


def model_section(facts: Facts) -> str:
    """The parts of the model in words, and the papers that introduced them."""
    intro = (
        "A variational autoencoder maps an image x to a distribution of latents z, the posterior, "
        "and latents to a distribution of images, the likelihood. New images are decoded from "
        "latents of the prior."
    )
    if facts.config.conditional:
        intro += " This one is conditional: it also reads the class of the image."
    size = (
        f"It has {facts.config.latent_dim:,} latents for each image, and {facts.weights:,} weights."
    )
    rows = [
        [SYMBOLS[kind], code(str(shortest_spec(kind, spec))), prose(summary(kind, spec.name))]
        for kind, spec in _specs(facts).items()
    ]
    parts = table(["choice", "in vaecli", "what it is"], rows)
    text = ["## Model", intro, size, parts]
    if found := papers(facts):
        text += ["Papers:", bullets(prose(paper) for paper in found)]
    preset = PRESETS.get(facts.config.preset)
    if preset is not None and preset.departures:
        text.append(f"Where the preset differs from its paper: {prose(preset.departures)}")
    return "\n\n".join(text)


def _specs(facts: Facts) -> dict[str, Spec]:
    specs = {kind: getattr(facts.config, kind) for kind in SYMBOLS}
    if not facts.run.has_fitted_prior():
        del specs["fitted_prior"]
    return specs


def papers(facts: Facts) -> list[str]:
    """The papers of the preset and of the parts, without those of options that do nothing."""
    found: dict[str, str] = {}
    preset = PRESETS.get(facts.config.preset)
    if preset is not None and preset.paper is not None:
        citation = f"{preset.paper}, {preset.paper.url}"
        found[citation] = citation
    for kind, spec in _specs(facts).items():
        for paper in references(TABLES[kind][spec.name]):
            citation, _, purpose = paper.partition(", for ")
            if _is_used(kind, spec, purpose):
                found.setdefault(citation, paper)
    return list(found.values())


def _is_used(kind: str, spec: Spec, purpose: str) -> bool:
    """Whether a part does what a paper is cited for.

    Args:
        kind: Kind of the part.
        spec: The part with all its options.
        purpose: Names an option or a choice of one, such as `capacity` and `latents as a map`;
            otherwise the paper is about the whole part.
    """
    words = set(re.findall(r"\w+", purpose))
    parameters = part_options(TABLES[kind][spec.name])
    for option, parameter in parameters.items():
        if any(choice in words for choice in get_args(parameter.annotation)):
            return spec.options[option] in words
    named = parameters.keys() & words
    changed = {name for name in named if spec.options[name] != parameters[name].default}
    return not named or ON_BY_DEFAULT in named or bool(changed)
