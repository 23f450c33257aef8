"""Every combination of posterior, prior, likelihood, objective and condition, on a tiny batch.

    python -m tests.benchmarks.every_combination [--every N] [--network SPEC] [--latent-dim N]

Each one is built, trained for a batch, evaluated, sampled and reconstructed from, or refused in one
sentence. Prints how many did what, and every sentence with how often it was said; exits with 1 if
one ended otherwise. `--every N` takes each N-th only. Latents are a vector of two, which every
prior can have; `--network conv:width=4,latent=map --latent-dim 8` makes them a map of 2x2.
"""

import argparse
import itertools
import sys
from collections import Counter

import torch

import vaecli
from tests.conftest import bars
from vaecli.config.config import Config
from vaecli.objectives import OBJECTIVES
from vaecli.parts.likelihoods import LIKELIHOODS
from vaecli.parts.posteriors import POSTERIORS
from vaecli.parts.priors import PRIORS
from vaecli.system.errors import VaecliError

NETWORK = "mlp:width=8,depth=1"
TRAIN, TEST = bars(24), bars(6, seed=1)


def config(posterior: str, prior: str, likelihood: str, objective: str, labels: bool) -> Config:
    """The parts, with a small network of two latents."""
    return Config(
        posterior=posterior,
        prior=prior,
        likelihood=likelihood,
        objective=objective,
        conditional=labels,
        latent_dim=2,
        network=NETWORK,
        batch_size=12,
        epochs=1,
    )


def run(chosen: Config) -> None:
    """Train, sample and reconstruct.

    Raises:
        VaecliError: The parts do not go together.
        AssertionError: They seem to, but do not work.
    """
    state = vaecli.start(chosen, TRAIN)
    list(vaecli.fit(state, TRAIN, TEST))
    with torch.no_grad():
        c = TEST.one_hot_labels(slice(None))
        x = TEST.pixels(slice(None))
        for made in (state.model.sample(6), state.model.reconstruct(x, c)):
            assert made.shape == x.shape, made.shape
            assert made.isfinite().all(), "not finite"


def combinations() -> list[tuple[str, str, str, str, bool]]:
    """All of them."""
    return list(
        itertools.product(
            POSTERIORS, PRIORS, LIKELIHOODS, [*OBJECTIVES, "elbo:beta=0"], (False, True)
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--network", default=NETWORK)
    parser.add_argument("--latent-dim", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(1)
    done, said, broken = 0, Counter[str](), Counter[str]()
    chosen = combinations()[:: given.every]
    for combination in chosen:
        try:
            parts = config(*combination)
            run(parts.with_values(network=given.network, latent_dim=given.latent_dim))
            done += 1
        except VaecliError as error:
            said[str(error)] += 1
        except Exception as error:
            broken[f"{type(error).__name__}: {str(error)[:100]}"] += 1
            print(combination, repr(error)[:300], flush=True)
    print(f"{len(chosen)} combinations: {done} work, {said.total()} are refused:")
    for sentence, count in said.most_common():
        print(f"{count:6}  {sentence}")
    print(f"{broken.total()} are broken")
    for sentence, count in broken.most_common():
        print(f"{count:6}  {sentence}")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
