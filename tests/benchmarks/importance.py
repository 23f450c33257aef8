"""Does the importance of options name those that matter, after few trials?

python -m tests.benchmarks.importance

Each study searches four options of a formula by TPE. Two of them explain 98 % of its variance over
the ranges: the learning rate and the number of latents. Printed is in how many of the studies these
have the two greatest importances, and the mean importance of each option.
"""

import argparse
import math
import warnings

import numpy as np
import optuna
from optuna.importance import (
    FanovaImportanceEvaluator,
    PedAnovaImportanceEvaluator,
    get_param_importances,
)

EVALUATORS = {
    "fANOVA": FanovaImportanceEvaluator(seed=0),
    "PED-ANOVA": PedAnovaImportanceEvaluator(),
}
TRIALS = (5, 10, 15, 20, 40, 100)
MATTER = {"lr", "latent"}
LATENT = {8: 4.0, 16: 0.5, 32: 0.0}  # nats that a number of latents costs
BATCH = {64: 0.0, 128: 0.2, 256: 0.6}


def loss(trial, noise):
    """A loss of four options in nats, with noise of a standard deviation of 0.1."""
    lr = trial.suggest_float("lr", 1e-4, 1e-2, log=True)
    width = trial.suggest_int("width", 200, 800)
    latent = trial.suggest_categorical("latent", list(LATENT))
    batch = trial.suggest_categorical("batch", list(BATCH))
    parts = (6 * (math.log10(lr) + 2.9) ** 2, LATENT[latent], (800 - width) / 600, BATCH[batch])
    return 100 + sum(parts) + 0.1 * noise.normal()


def importances(trials, seed):
    """Importance of each option by each evaluator, after one study."""
    noise = np.random.default_rng(seed)
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=min(10, trials))
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: loss(trial, noise), n_trials=trials)
    return {name: get_param_importances(study, evaluator=e) for name, e in EVALUATORS.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=12)
    count = parser.parse_args().studies
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for trials in TRIALS:
        found = [importances(trials, seed) for seed in range(count)]
        for name in EVALUATORS:
            each = [values[name] for values in found]
            right = sum(set(sorted(v, key=v.get)[-2:]) == MATTER for v in each)
            means = "  ".join(
                f"{option} {np.mean([v[option] for v in each]):.2f}" for option in sorted(each[0])
            )
            print(f"{trials:3} trials, {name:9}: right in {right} of {count}; {means}", flush=True)


if __name__ == "__main__":
    main()
