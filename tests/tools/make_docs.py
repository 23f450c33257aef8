"""Writes the pages under .github/docs/, or parts of them, that are made from `vaecli schema`.

    python -m tests.tools.make_docs

A test compares the pages with what this writes. `preset_results.csv` beside this file holds what
presets were measured to reach, by `python -m tests.benchmarks.presets`; a preset without a row in
it has not been measured yet.
"""

import csv
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from typer.main import get_command

from vaecli.commands.app import app
from vaecli.config.catalogue import flags
from vaecli.terminal.schema import schema_document

Document = Mapping[str, Any]

DOCS = Path(__file__).parents[2] / ".github" / "docs"
MEASURED = Path(__file__).parent / "preset_results.csv"
# A part of a page that is made, by its name; everything else in the page is written.
PART = r"(<!-- Begin {}: .*? -->\n).*?(<!-- End -->)"
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


def glossary_page(schema: Document) -> str:
    """The glossary in Markdown."""
    lines = [f"- **{term}**: {meaning}" for term, meaning in schema["glossary"].items()]
    return "\n".join(["# Glossary", "", MADE, "", *lines, ""])


def presets_page(schema: Document, measured: Mapping[str, Mapping[str, str]]) -> str:
    """Every preset with its options, its paper and what it reaches, in Markdown.

    Args:
        schema: The document of `vaecli schema`.
        measured: Rows of `preset_results.csv` by preset; some may be missing.
    """
    columns = ["preset", *PARTS, "other options"]
    columns += ["loss", "distortion", "rate", "relative time", "recognized", "paper"]
    lines = [_row(columns), _row("---" for _ in columns)]
    for name, preset in schema["presets"].items():
        chosen, paper = preset["options"], preset["paper"]
        parts = [chosen.get(kind, schema["config"][kind]["default"]) for kind in PARTS]
        cited = f"[{paper['text']}]({paper['url']})" if paper else "-"
        results = _results(measured.get(name, {}))
        lines.append(_row([name, *parts, _other_options(chosen), *results, cited]))
    departures = [
        f"- **{name}**: {preset['departures']}"
        for name, preset in schema["presets"].items()
        if preset["departures"]
    ]
    text = ["# Presets", "", MADE, "", PRESETS_TEXT, *lines, "", DEPARTURES_TEXT, *departures]
    return "\n".join([*text, ""])


def files_part(schema: Document) -> str:
    """The tree of a run directory."""
    files = [(name, file) for name, file in schema["files"].items() if not file["when"]]
    lines = ["```", "runs/mnist-vae-1/"]
    for name, file in files:
        branch = "└──" if name == files[-1][0] else "├──"
        shown = name.format(1) + " …" * (name != name.format(1))
        lines.append(f"{branch} {shown:29} {file['meaning']}")
    return "\n".join([*lines, "```", ""])


def statuses_part(schema: Document) -> str:
    """The table of exit statuses."""
    return _table(["status", "meaning"], map(list, schema["exit_statuses"].items()))


def document_part(schema: Document) -> str:
    """What the keys of the schema hold."""
    keys = schema["results"]["schema"]["properties"]
    return _table(["key", "holds"], [[f"`{k}`", v["description"]] for k, v in keys.items()])


def columns_part(schema: Document) -> str:
    """The table of the metrics in losses.csv."""
    rows = [[f"`{k}`", v["unit"] or "-", v["meaning"]] for k, v in schema["metrics"].items()]
    return _table(["metric", "unit", "meaning"], rows)


def results_part(schema: Document) -> str:
    """Every object that --json prints, each with a table of its keys."""
    sections: list[str] = []
    first: dict[str, str] = {}  # by description
    for name, result in schema["results"].items():
        if name == "schema":
            continue
        description = result["description"]
        sections += [f"### vaecli {name}", "", description]
        if description in first:
            sections[-1] += f" The keys are those of `vaecli {first[description]}`.\n"
            continue
        first[description] = name
        rows = _key_rows(result, result, {})
        sections += ["", _table(["key", "type", "unit", "meaning"], rows)]
    return "\n".join(sections)


def _key_rows(
    schema: Document, root: Document, shown: dict[str, str], prefix: str = ""
) -> Iterable[list[str]]:
    """A row for each key of an object, and for those of objects in it.

    Args:
        schema: Describes the object.
        root: Describes the outermost object.
        shown: The first key of each kind of object, which alone has rows for the keys in it.
        prefix: What stands before a key.
    """
    for name, value in schema["properties"].items():
        optional = "" if name in schema.get("required", []) else ", optional"
        words, kind = _type(value)
        if kind in shown:
            words = f"{words} like `{shown[kind]}`"
        meaning = value.get("description", "")
        yield [f"`{prefix}{name}`", f"{words}{optional}", value.get("unit", ""), meaning]
        if kind and kind not in shown:
            place = f"{prefix}{name}{'[]' * words.startswith('array')}"
            shown[kind] = place
            yield from _key_rows(root["$defs"][kind], root, shown, f"{place}.")


def _type(value: Document) -> tuple[str, str]:
    """The type of a value in words, and the kind of the objects in it; empty if it has none."""
    if "$ref" in value:
        return "object", value["$ref"].rpartition("/")[2]
    if "anyOf" in value:
        words, kinds = zip(*map(_type, value["anyOf"]), strict=True)
        return " or ".join(words), "".join(kinds)
    choices = value.get("enum", [value["const"]] if "const" in value else [])
    if choices:
        return " or ".join(f"`{choice}`" for choice in choices), ""
    if value["type"] == "array":
        words, kind = _type(value["items"])
        noun, *rest = words.split(" ")
        return " ".join(["array of", f"{noun}s", *rest]), kind
    return value["type"], ""


def read_measured(path: Path = MEASURED) -> dict[str, dict[str, str]]:
    """The rows of `preset_results.csv` by preset."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["preset"]: row for row in csv.DictReader(file)}


def pages() -> dict[Path, str]:
    """Every page by its file."""
    schema = schema_document(get_command(app))
    return {
        DOCS / "glossary.md": glossary_page(schema),
        DOCS / "presets.md": presets_page(schema, read_measured()),
        DOCS / "runs.md": _with_parts(
            "runs.md", {"files": files_part(schema), "statuses": statuses_part(schema)}
        ),
        DOCS / "machine-readable.md": _with_parts(
            "machine-readable.md",
            {
                "document": document_part(schema),
                "metrics": columns_part(schema),
                "results": results_part(schema),
            },
        ),
    }


def _with_parts(name: str, parts: Mapping[str, str]) -> str:
    """A page that is written, with its parts that are made."""
    text = (DOCS / name).read_text(encoding="utf-8")
    for part, made in parts.items():
        pattern = re.compile(PART.format(part), re.DOTALL)
        text, count = pattern.subn(lambda found, made=made: f"{found[1]}\n{made}\n{found[2]}", text)
        assert count == 1, f"{name} has no part {part}"
    return text


def _other_options(changes: Mapping[str, Any]) -> str:
    others = flags({option: value for option, value in changes.items() if option not in PARTS})
    return f"`{' '.join(others)}`" if others else ""


def _results(row: Mapping[str, str]) -> list[str]:
    columns = ("loss", "distortion", "rate", "relative_time")
    cells = [row.get(column) or "-" for column in columns]
    recognized = row.get("recognized")
    return [*cells, f"{float(recognized):.0%}" if recognized else "-"]


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    escaped = ([cell.replace("|", r"\|") for cell in row] for row in rows)
    lines = [_row(head), _row("---" for _ in head), *map(_row, escaped)]
    return "\n".join([*lines, ""])


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    for path, text in pages().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path)
