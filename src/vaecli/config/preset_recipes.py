"""Options and departures from papers that several presets share."""

# The ring and swiss-roll priors are defined in a plane only.
TWO_LATENTS = {"posterior": "dirac", "latent_dim": 2}

# Departures that several presets share.
RAE = "The distortion is a cross entropy, where the paper has a squared error."
AAE = (
    "The distortion is a cross entropy, where the paper has a squared error. All networks take one "
    "step together, with an R1 penalty, where the paper alternates."
)
AAE_UNLABELLED = f"{AAE} The discriminator sees no labels, where the paper shows it 10,000."


# Found by tests.benchmarks.recipes.
FAST = {
    "epochs": 8,
    "lr": 5e-3,
    "lr_schedule": "linear",
    "lr_warmup": 0.05,
    "optimizer": "adam:beta2=0.98",
    "network": "mlp:activation=silu,output_bias=data",
}
SHARP = {**FAST, "latent_dim": 16, "objective": "elbo:beta=0.2"}
# The paper's mixture; the latents of a deterministic encoder fill no normal.
TEN_NORMALS = {"posterior": "dirac", "fitted_prior": "mixture:components=10"}
