"""How many normals fit the latents of a model: by the density of latents held out from the fit.

    python -m tests.benchmarks.components [--components 100,200,400] [--iterations 25]
        [--out FILE.csv] OPTION=VALUE ...

Trains a model with these options of `vaecli.Config`, such as `preset=vae-fast latent_dim=16
beta=0.3`, on the first 50,000 training images, and fits a mixture of each size to their latents.
Prints the mean log-density, in nats, of those latents and of the latents of the other 10,000
images, and the seconds of the fit; the test images are not read. All from seed 0.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import torch

torch.set_flush_denormal(True)

import vaecli  # noqa: E402
from tests.benchmarks import write_csv  # noqa: E402
from vaecli.config.presets import config_from_layers  # noqa: E402
from vaecli.evaluation.embeddings import embed  # noqa: E402
from vaecli.model import VAE  # noqa: E402
from vaecli.parts.priors import FittedMixture, FixedLatents  # noqa: E402

HELD_OUT = 10_000


def value(text: str) -> object:
    """A number or true or false if the text is one; else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def latents_of(model: VAE, images: vaecli.Images) -> FixedLatents:
    """The posteriors of all images; the labels too if the model is conditional."""
    found = embed(model, images)
    labels = model.one_hot(images.labels.long()) if model.context else None
    std = torch.as_tensor(found.log_var).div(2).exp()
    return FixedLatents(torch.as_tensor(found.mean), std, context=labels)


def rows(
    model: VAE, train: FixedLatents, held_out: FixedLatents, sizes: list[int], iterations: int
) -> Iterator[dict[str, object]]:
    """A row for each number of components."""
    dim = train.mean.shape[1]
    for components in sizes:
        prior = FittedMixture(
            dim, model.posterior, model.context, components, iterations=iterations
        )
        generator = torch.Generator().manual_seed(0)
        began = time.perf_counter()
        for _ in prior.fit(train, generator):
            pass
        seconds = time.perf_counter() - began
        densities = {
            name: prior(latents.context).log_prob(latents.draw(prior.noise, generator)).mean()
            for name, latents in (("train", train), ("held out", held_out))
        }
        yield {
            "components": components,
            **{name: f"{density:.2f}" for name, density in densities.items()},
            "seconds": f"{seconds:.0f}",
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("options", nargs="*")
    parser.add_argument("--components", default="50,100,200,300,400,500,700")
    parser.add_argument("--iterations", type=int, default=25)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    parts = (option.partition("=") for option in given.options)
    options = {name: value(text) for name, _, text in parts}
    config = config_from_layers({"validation": HELD_OUT}, options)
    train, test, held_out = vaecli.load(config)
    assert held_out
    state = vaecli.start(config, train)
    for _ in vaecli.fit(state, train, test.first(1), held_out.first(1)):
        pass
    model = state.model.eval()
    sizes = [int(size) for size in given.components.split(",")]
    table = []
    fits = rows(
        model, latents_of(model, train), latents_of(model, held_out), sizes, given.iterations
    )
    for row in fits:
        print(*(f"{name}={value}" for name, value in row.items()), flush=True)
        table.append(row)
    if given.out:
        write_csv(given.out, table)


if __name__ == "__main__":
    main()
