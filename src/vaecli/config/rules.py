"""Which options and parts fit together, as data for programs that choose options.

The code that builds a model checks these rules and others, such as those about the number of images
or of latents. A test compares.

A rule is about names: `patience` is a field of `Config` that is set, `prior.ring` a part in use,
`objective.elbo.beta` an option of a part in use that is given, and `posterior.space` what the class
of the part says.
"""

from typing import Any, NotRequired, TypedDict


class Rule(TypedDict):
    """One rule: either `equal`, or `when` with `requires`, `excludes` or both.

    Attributes:
        equal: Two names that have the same value, unless one of them has none.
        when: A name; the rest holds if it is set or in use.
        requires: Names that must be set or in use too, with the value that they must have, or None
            for any.
        excludes: Names that must not be set or in use.
        unless: Names with values; the rule does not hold if all of them have these.
        text: The same as a sentence.
    """

    equal: NotRequired[list[str]]
    when: NotRequired[str]
    requires: NotRequired[dict[str, Any]]
    excludes: NotRequired[list[str]]
    unless: NotRequired[dict[str, Any]]
    text: str


IN_A_PLANE: list[Rule] = [
    {
        "when": f"prior.{name}",
        "requires": {"latent_dim": 2},
        "text": "This prior lies in a plane.",
    }
    for name in ("ring", "swiss-roll")
]
OF_INDEPENDENT_LATENTS: list[Rule] = [
    {
        "when": f"objective.{name}",
        "requires": {"posterior.gaussian": None},
        "text": "The objective needs a posterior with independent dimensions.",
    }
    for name in ("dreg", "beta-tc", "factor", "dip")
]
RULES: list[Rule] = [
    {
        "equal": ["posterior.space", "prior.space"],
        "text": "Posterior and prior have the same latent space.",
    },
    {
        "equal": ["posterior.space", "fitted_prior.space"],
        "text": "A prior that is fitted after training has the latent space of the posterior.",
    },
    {
        "equal": ["posterior.hierarchical.levels", "prior.hierarchical.levels"],
        "text": "Posterior and prior have the same number of levels.",
    },
    {
        "equal": ["posterior.ladder.levels", "prior.hierarchical.levels"],
        "text": "Posterior and prior have the same number of levels.",
    },
    {
        "equal": ["posterior.ladder.width", "prior.hierarchical.width"],
        "text": "A ladder posterior and its prior share a network.",
    },
    {
        "when": "fitted_prior.mixture",
        "excludes": ["network.conv.latent", "network.resnet.latent"],
        "text": "A map of latents mostly has more dimensions than the fit of a mixture takes.",
    },
    {
        "when": "patience",
        "requires": {"validation": None},
        "text": "Early stopping needs validation images.",
    },
    {
        "when": "labels",
        "requires": {"objective.m2": None},
        "text": "A semi-supervised objective uses few labels.",
    },
    {
        "when": "objective.m2",
        "requires": {"conditional": True},
        "text": "The model of m2 is conditional.",
    },
    {
        "when": "prior.conditional",
        "requires": {"conditional": True},
        "text": "This prior reads labels.",
    },
    *IN_A_PLANE,
    {
        "when": "prior.vamp",
        "requires": {"posterior.gaussian": None},
        "text": "This prior mixes Gaussian posteriors.",
    },
    *OF_INDEPENDENT_LATENTS,
    {
        "when": "objective.rae",
        "requires": {"posterior.dirac": None},
        "text": "The objective needs a deterministic posterior.",
    },
    {
        "when": "posterior.dirac",
        "excludes": [
            "objective.iwae",
            "objective.piwae",
            "objective.renyi",
            "objective.m2",
            "objective.vae-gan",
            "objective.wae.kl_weight",
        ],
        "text": "These need a posterior with a density.",
    },
    {
        "when": "posterior.dirac",
        "excludes": ["objective.elbo"],
        "unless": {"objective.elbo.beta": 0},
        "text": "So does elbo, unless its beta is 0: that is an autoencoder.",
    },
    {
        "when": "objective.adversarial",
        "excludes": [
            "prior.mixture",
            "prior.vamp",
            "prior.flow",
            "prior.conditional",
            "prior.hierarchical",
        ],
        "text": "The objective needs a prior without parameters.",
    },
    {
        "when": "objective.adversarial.labels",
        "requires": {"conditional": True},
        "text": "The discriminator can read labels where the decoder does.",
    },
    {
        "when": "objective.vae-gan",
        "excludes": ["likelihood.gaussian", "likelihood.laplace", "likelihood.logistic"],
        "text": "The objective trains no scale of pixels.",
    },
    {
        "when": "objective.elbo.annealing_epochs",
        "excludes": ["objective.elbo.cycle_epochs"],
        "text": "There is one schedule of beta.",
    },
    {
        "when": "objective.elbo.capacity",
        "excludes": [
            "objective.elbo.beta",
            "objective.elbo.annealing_epochs",
            "objective.elbo.cycle_epochs",
            "objective.elbo.free_bits",
        ],
        "text": "A capacity takes the place of beta and of free bits.",
    },
    {
        "when": "objective.elbo.free_bits_groups",
        "requires": {"objective.elbo.free_bits": None, "posterior.gaussian": None},
        "excludes": ["prior.mixture", "prior.vamp", "prior.flow", "prior.hierarchical"],
        "text": "Groups of latents share the free bits of a sum over independent dimensions.",
    },
]
