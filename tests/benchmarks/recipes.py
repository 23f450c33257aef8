"""Which recipe makes the seed's model good soonest: the search behind `--preset vae-fast`.

    python -m tests.benchmarks.recipes [--epochs 8] [--out FILE.csv] OPTION=VALUE,VALUE,... ...

Trains the default model once for every combination of the options that are named, such as
`lr=0.002,0.004 lr_schedule=linear,cosine`, and in `network` and `optimizer` of what is joined by
`+`, such as `optimizer=adam:beta2=0.99+adam:beta2=0.98`. All are trained on the first 50,000
training images and judged by the other 10,000: the test images are not read. Prints a row for each,
and writes it to the file if one is named.
"""

import argparse
import itertools
from dataclasses import replace
from pathlib import Path

import torch

torch.set_flush_denormal(True)

import vaecli  # noqa: E402
from tests.benchmarks import write_csv  # noqa: E402

HELD_OUT = 10_000


def loss_of(config: vaecli.Config) -> tuple[float, float]:
    """The loss of the images held out, in nats, after the last epoch, and its seconds in all."""
    train, _, held_out = vaecli.load(config)
    assert held_out
    events = vaecli.fit(vaecli.start(config, train), train, held_out.first(1), held_out)
    epochs = [event for event in events if isinstance(event, vaecli.Epoch)]
    return epochs[-1].valid["loss"], sum(epoch.train_seconds for epoch in epochs)


def values(text: str) -> list[str | int | float]:
    """`"1,2"` to [1, 2]; specs have commas of their own, and are joined by `+`."""
    parts = text.split("+") if ":" in text or "+" in text else text.split(",")
    numbers = [float(part) if "." in part else int(part) for part in parts if part[0].isdigit()]
    return [*numbers] or [*parts]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("options", nargs="+")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    options = {name: values(text) for name, _, text in (o.partition("=") for o in given.options)}
    rows = []
    for chosen in itertools.product(*options.values()):
        recipe = dict(zip(options, chosen, strict=True))
        base = vaecli.Config(epochs=given.epochs, validation=HELD_OUT)
        config = replace(base, **recipe)  # type: ignore[arg-type]
        loss, seconds = loss_of(config)
        rows.append(recipe | {"loss": f"{loss:.2f}", "seconds": f"{seconds:.0f}"})
        print(*(f"{name}={value}" for name, value in rows[-1].items()), flush=True)
    if given.out:
        write_csv(given.out, rows)


if __name__ == "__main__":
    main()
