"""Test loss against seconds of training: the loop of most tutorials, pythae, and vaecli's recipes.

    python -m tests.benchmarks.curves [--seconds 150] [--pythae PYTHON] [--out FILE.png]

All train the default network, 784-400-400-20, on MNIST in batches of 128, an epoch each in turn,
until each has had its seconds or its recipe is done; what they take to evaluate does not count.
Draws the figure of the README, and writes a CSV beside it.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch

torch.set_flush_denormal(True)

from matplotlib.figure import Figure  # noqa: E402

import vaecli  # noqa: E402
from tests.benchmarks import write_csv  # noqa: E402
from tests.benchmarks.speed import Other  # noqa: E402
from vaecli.config.presets import config_from_layers  # noqa: E402
from vaecli.training.runtime import keep_freed_memory  # noqa: E402

SEED_RECIPE = 99.0  # nats: the test loss of the default recipe after 50 epochs, of the README
COLORS = {"textbook loop": "#94a4a2", "pythae": "#ffa90e", "vae": "#3f90da", "vae-fast": "#bd1f01"}
Contender = Callable[[], tuple[float, float]]


def recipe(preset: str) -> Contender:
    """An epoch of a preset at every call."""
    config = config_from_layers({"preset": preset})
    train, test, _ = vaecli.load(config)
    events = vaecli.fit(vaecli.start(config, train), train, test)

    def epoch() -> tuple[float, float]:
        done = next(e for e in events if isinstance(e, vaecli.Epoch))
        return done.train_seconds, done.test["loss"]

    return epoch


def race(contenders: dict[str, Contender], seconds: float) -> list[dict[str, object]]:
    """A row for every epoch of each."""
    rows: list[dict[str, object]] = []
    spent, running = dict.fromkeys(contenders, 0.0), dict(contenders)
    while running:
        for who, run in list(running.items()):
            try:
                took, loss = run()
            except StopIteration:
                del running[who]
                continue
            spent[who] += took
            rows.append({"who": who, "seconds": round(spent[who], 2), "loss": round(loss, 3)})
            print(*rows[-1].values(), flush=True)
            if spent[who] > seconds:
                del running[who]
    return rows


def draw(rows: list[dict[str, object]], path: Path) -> None:
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.axhline(SEED_RECIPE, color="black", lw=0.8, ls=":")
    axes.annotate("vae after 50 epochs", (3.1, SEED_RECIPE + 0.15), va="bottom", size=9)
    for who, color in COLORS.items():
        points = [(row["seconds"], row["loss"]) for row in rows if row["who"] == who]
        if points:
            axes.plot(*zip(*points, strict=True), ".-", color=color, label=who)
    axes.set(xlabel="seconds of training on two cores", ylabel="test loss, nats per image (grey)")
    axes.set(
        ylim=(97, 120), xscale="log", xlim=(3, 1.1 * max(float(str(r["seconds"])) for r in rows))
    )
    ticks = [tick for tick in (5, 10, 20, 50, 100, 200, 500) if tick < axes.get_xlim()[1]]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=150)
    parser.add_argument("--pythae", help="the Python of an environment with pythae")
    parser.add_argument("--out", type=Path, default=Path("curves.png"))
    options = parser.parse_args()
    keep_freed_memory()
    contenders: dict[str, Contender] = {}
    contenders["textbook loop"] = Other(sys.executable, "textbook_epochs.py", 2, 60_000, 128)
    if options.pythae:
        contenders["pythae"] = Other(options.pythae, "pythae_epochs.py", 2, 60_000, 128)
    contenders |= {name: recipe(name) for name in ("vae", "vae-fast")}
    rows = race(contenders, options.seconds)
    draw(rows, options.out)
    write_csv(options.out.with_suffix(".csv"), rows)


if __name__ == "__main__":
    main()
