"""Which options and parts fit together, as far as it is a rule; `build` checks the rest."""

from typing import Any

# A rule has `equal`, two facts about parts that must have the same value (a part without the fact
# fits all), or `option` and `requires`, an option and what it needs.
RULES: list[dict[str, Any]] = [
    {
        "equal": ["posterior.space", "prior.space"],
        "text": "Posterior and prior have the same latent space.",
    },
    {
        "equal": ["posterior.space", "fitted_prior.space"],
        "text": "So has a prior that is fitted after training; none fits every posterior.",
    },
    {
        "option": "patience",
        "requires": ["validation"],
        "text": "Early stopping needs validation images.",
    },
]
