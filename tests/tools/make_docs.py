"""Writes the pages under .github/docs/ that are made from code.

    python -m tests.tools.make_docs

A test compares the pages with what this writes. `preset_results.csv` beside this file holds what
presets were measured to reach, by `python -m tests.benchmarks.presets`; a preset without a row in
it has not been measured yet.
"""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from vaecli.config.config import to_json
from vaecli.config.glossary import GLOSSARY
from vaecli.config.presets import PRESETS, config_from_layers

DOCS = Path(__file__).parents[2] / ".github" / "docs"
MEASURED = Path(__file__).parent / "preset_results.csv"
MADE = "<!-- Made by `python -m tests.tools.make_docs`; do not edit. -->"
PARTS = ("posterior", "prior", "likelihood", "objective")

PRESETS_TEXT = """\
`vaecli train --preset NAME` trains a published model. A preset is a row of this table: a posterior,
a prior, a likelihood, an objective, and other options where it needs them. Any option can be given
beside `--preset` and replaces that of the preset. `vaecli parts` lists all parts, and
`vaecli parts NAME` explains one.

The numbers are test results on MNIST after 10 epochs with seed 0 (m2: 3 epochs, 100 labels).

- loss, distortion, rate: nats per image. Losses of different likelihoods or objectives cannot be
  compared. Adversarial losses (adversarial, vae-gan) do not measure quality.
- relative time: time of an epoch over that of `vae`.
- recognized: share of 1,000 samples that a classifier assigns to one digit with a probability above
  0.9. `--fit mixture` of `vaecli sample` is for `ae`, `rae-l2` and `rae-gp`, whose latents do not
  follow the prior. With a density of learned scale (gaussian, laplace) samples keep grey noise.
- `-`: does not exist, or has not been measured.
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
        paper = f"[{preset.paper}]({preset.paper.url})"
        results = _results(measured.get(name, {}))
        lines.append(_row([name, *parts, _other_options(name), *results, paper]))
    return "\n".join(["# Presets", "", MADE, "", PRESETS_TEXT, *lines, ""])


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
    flags = []
    for option, value in PRESETS[name].changes.items():
        if option not in PARTS:
            flag = f"--{option.replace('_', '-')}"
            flags.append(flag if value is True else f"{flag} {value}")
    return f"`{' '.join(flags)}`" if flags else ""


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
