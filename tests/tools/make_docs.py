"""Writes the pages under .github/docs/ that are made from code.

    python -m tests.tools.make_docs

A test compares the pages with what this writes. `preset_results.csv` beside this file holds what
presets were measured to reach, by `python -m tests.benchmarks.presets`; a preset without a row in
it has not been measured yet.
"""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from vaecli.config.catalogue import flags
from vaecli.config.config import to_json
from vaecli.config.glossary import GLOSSARY
from vaecli.config.presets import PRESETS, config_from_layers

DOCS = Path(__file__).parents[2] / ".github" / "docs"
MEASURED = Path(__file__).parent / "preset_results.csv"
MADE = "<!-- Made by `python -m tests.tools.make_docs`; do not edit. -->"
PARTS = ("posterior", "prior", "likelihood", "objective")

PRESETS_TEXT = """\
`vaecli train --preset NAME` trains a published model. A preset is a row of this table: a posterior,
a prior, a likelihood, an objective, and other options where it needs them. An option given with
`--preset` replaces that of the preset. `vaecli parts` lists all parts, and `vaecli parts NAME`
explains one. Where a preset differs from its paper stands [below](#departures-from-the-papers).

The numbers are losses of the 10,000 MNIST test images after training with `--epochs 10` and seed 0,
so that the 8 epochs of vae-fast do not apply (m2: 3 epochs, 100 labels). They are rounded to four
digits. README and [results](results.md) report separate runs. Results are bit-identical only on
one machine, with the same versions and threads; of the same options, these differ by up to 0.1.

- loss, distortion, rate: nats per image, one posterior sample per image. The loss is that of the
  training objective. Losses of different likelihoods or objectives cannot be compared, and
  adversarial losses (adversarial, vae-gan) do not measure quality. With a codebook (vq-vae,
  residual-vq) the loss is distortion + rate + vq_loss; the rate is constant, log(codes) nats for
  each position and level. Those of a density (gaussian, laplace, continuous-bernoulli) can be
  negative: grey levels are not dequantized. All are with the prior of training, also where another
  is fitted after it. The loss of capacity uses the final target of 25 nats, while training for 10
  epochs reaches a target of 10.
- relative time: time of an epoch divided by that of `vae`.
- recognized: fraction of 1,000 samples that a classifier assigns to one digit with a probability
  above 0.9. All are samples of the prior, and where `--fitted-prior` names one, of that; loss and
  rate are those of the training before. With a density of learned scale (gaussian, laplace)
  samples keep grey noise.
- `-`: does not exist, or has not been measured.
"""

DEPARTURES_TEXT = """\
## Departures from the papers

All presets have the network, the 20 latents, the optimizer and the batch size of the defaults, if
their row does not say otherwise; their papers have others, and train longer. All but `m2` are
trained on grey MNIST: where a paper scores pixels by a Bernoulli, it mostly draws them black or
white first, as `--binarize dynamic` does. `laplace` has no paper. A preset that is not listed
differs in nothing else.
"""


def glossary_page() -> str:
    """The glossary in Markdown."""
    lines = [f"- **{term}**: {meaning}" for term, meaning in GLOSSARY.items()]
    return "\n".join(["# Glossary", "", MADE, "", *lines, ""])


def presets_page(measured: Mapping[str, Mapping[str, str]]) -> str:
    """Every preset with its options, its paper and what it reaches, in Markdown.

    Args:
        measured: Rows of `preset_results.csv` by preset; some may be missing.
    """
    columns = ["preset", *PARTS, "other options"]
    columns += ["loss", "distortion", "rate", "relative time", "recognized", "paper"]
    lines = [_row(columns), _row("---" for _ in columns)]
    for name, preset in PRESETS.items():
        values = to_json(config_from_layers({"preset": name}))
        parts = [values[kind] for kind in PARTS]
        paper = f"[{preset.paper}]({preset.paper.url})" if preset.paper else "-"
        results = _results(measured.get(name, {}))
        lines.append(_row([name, *parts, _other_options(name), *results, paper]))
    departures = [
        f"- **{name}**: {preset.departures}"
        for name, preset in PRESETS.items()
        if preset.departures
    ]
    text = ["# Presets", "", MADE, "", PRESETS_TEXT, *lines, "", DEPARTURES_TEXT, *departures]
    return "\n".join([*text, ""])


def read_measured(path: Path = MEASURED) -> dict[str, dict[str, str]]:
    """The rows of `preset_results.csv` by preset."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["preset"]: row for row in csv.DictReader(file)}


def pages() -> dict[Path, str]:
    """Every page by its file."""
    return {
        DOCS / "glossary.md": glossary_page(),
        DOCS / "presets.md": presets_page(read_measured()),
    }


def _other_options(name: str) -> str:
    changes = PRESETS[name].changes
    others = flags({option: value for option, value in changes.items() if option not in PARTS})
    return f"`{' '.join(others)}`" if others else ""


def _results(row: Mapping[str, str]) -> list[str]:
    columns = ("loss", "distortion", "rate", "relative_time")
    cells = [row.get(column) or "-" for column in columns]
    recognized = row.get("recognized")
    return [*cells, f"{float(recognized):.0%}" if recognized else "-"]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    for path, text in pages().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path)
