"""Every preset trained for some epochs on all of MNIST: what it costs, and what comes of it.

    python -m tests.benchmarks.presets RUNS [--epochs 10] [--only NAME ...]

Trains each preset into a directory under RUNS, by the command, unless it stands there finished.
Then measures it, and prints and writes to RUNS/presets.csv:

    lines         code lines that no other preset needs: its row, and classes that are its alone
    loss, distortion, rate
                  of the test images after the last epoch, in nats per image
    seconds       of an epoch against one of `vae`, the median of interleaved pairs of short epochs
    confident     samples that the classifier of vaecli gives over 0.9 to one digit
    right         the same of samples with a label, to that label; for conditional models
    variety       exp of the entropy of the digits found in the samples: 10 for all alike
    energy        energy distance of latents of test images and draws of the prior, in their units
    chance        what two samples of the prior alone reach in one of twenty cases
"""

import argparse
import ast
import csv
import inspect
import statistics
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch

torch.set_flush_denormal(True)

import vaecli  # noqa: E402
from tests.test_layers import count_code  # noqa: E402
from tests.tools.two_samples import energy_distance  # noqa: E402
from vaecli.config import preset_table  # noqa: E402
from vaecli.config.build import TABLES  # noqa: E402
from vaecli.config.preset_table import PRESETS  # noqa: E402
from vaecli.config.presets import config_from_layers  # noqa: E402
from vaecli.evaluation.decoding import sample_prior  # noqa: E402
from vaecli.evaluation.features import FEATURE_SPACES, load_network, read_features  # noqa: E402
from vaecli.evaluation.intervals import share  # noqa: E402
from vaecli.evaluation.sample_metrics import CLEAR  # noqa: E402
from vaecli.run.names import CONFIG  # noqa: E402

COLUMNS = ("lines", "loss", "distortion", "rate", "seconds", "confident", "right", "variety")
COLUMNS += ("energy", "chance")
SAMPLES = 1000
NETWORK = load_network(FEATURE_SPACES["mnist"])
PAIRS, IMAGES = 5, 12_800


def train(name: str, folder: Path, epochs: int) -> vaecli.Run:
    """The finished run of a preset."""
    begun = (folder / CONFIG).exists()
    if not begun or vaecli.open(folder).record.status != "completed":
        what = ["--resume", folder] if begun else ["--run-dir", folder, "--preset", name]
        command = [sys.executable, "-m", "vaecli", "train", "--quiet", "--epochs", epochs, *what]
        subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    return vaecli.open(folder)


def own_lines(name: str) -> int:
    """Code lines of the row, and of the part classes that no other preset uses."""
    used = Counter(part for other in PRESETS for part in parts(other))
    own = [part for part in parts(name) if used[part] == 1]
    return row_lines(name) + sum(
        count_code(textwrap.dedent(inspect.getsource(part))) for part in own
    )


def parts(name: str) -> set[type]:
    """The classes that a preset names."""
    config = config_from_layers({"preset": name})
    return {table[getattr(config, kind).name] for kind, table in TABLES.items()}


def row_lines(name: str) -> int:
    tree = ast.parse(Path(preset_table.__file__).read_text(encoding="utf-8"))
    rows = {
        key.value: row.end_lineno - key.lineno + 1
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict)
        for key, row in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant)
    }
    return rows[name]


def epochs_of(name: str) -> Callable[[], float]:
    """Trains for one more short epoch at every call; returns its seconds."""
    config = config_from_layers(
        {"preset": name, "epochs": 1000, "train_images": IMAGES, "test_images": 10}
    )
    train, test, _ = vaecli.load(config)
    events = vaecli.fit(vaecli.start(config, train), train, test)
    return lambda: next(e for e in events if isinstance(e, vaecli.Epoch)).train_seconds


def relative_seconds(name: str) -> float:
    """Of an epoch, against the preset `vae`."""
    plain, this = epochs_of("vae"), epochs_of(name)
    pairs = [(plain(), this()) for _ in range(PAIRS + 1)]
    return statistics.median(b / a for a, b in pairs[1:])  # the first warms up


def judge(run: vaecli.Run) -> dict[str, float]:
    """What the classifier says of samples."""
    model = run.model()
    labels = torch.arange(SAMPLES) % 10
    p = read_features(NETWORK, sample_prior(model, labels, 0)).probabilities
    found = torch.bincount(p.argmax(-1), minlength=10) / SAMPLES
    words = {"confident": share(p.max(-1).values > CLEAR).value}
    if model.context:
        words["right"] = share(p.argmax(-1) == labels).value
    return words | {"variety": torch.special.entr(found).sum().exp().item()}


def compare(run: vaecli.Run) -> dict[str, float]:
    """The aggregate posterior of test images against the prior."""
    model, config = run.model(), run.config
    images = vaecli.load(config).test.first(SAMPLES)
    c = images.one_hot_labels(slice(None)) if model.context else None
    with torch.inference_mode():
        latents = model.encode(images.pixels(slice(None)), c).sample()
        pairs = [[model.sample_latent(SAMPLES, c) for _ in "ab"] for _ in range(20)]
        found = statistics.mean(energy_distance(latents, a) for a, _ in pairs)
        return {"energy": found, "chance": sorted(energy_distance(a, b) for a, b in pairs)[-2]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--only", nargs="*", default=list(PRESETS))
    options = parser.parse_args()
    rows = []
    print(f"| {'preset':20} | {' | '.join(f'{c:>7.7}' for c in COLUMNS)} |")
    for name in options.only:
        run = train(name, options.runs / name, options.epochs)
        last = run.history()[-1].test
        row = {"lines": own_lines(name), "seconds": relative_seconds(name), **last}
        row |= judge(run) | compare(run)
        rows.append({"preset": name} | {column: row.get(column, "") for column in COLUMNS})
        cells = [f"{value:.4g}" if value != "" else "-" for value in list(rows[-1].values())[1:]]
        print(f"| {name:20} | {' | '.join(f'{cell:>7}' for cell in cells)} |", flush=True)
    with (options.runs / "presets.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["preset", *COLUMNS])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
