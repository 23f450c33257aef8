"""The pages under .github/docs/ that are made from code are those that the code makes."""

import re
from unittest.mock import Mock

import pytest
from typer.main import get_command

from tests.tools.make_docs import pages, presets_page, read_measured
from vaecli.commands.app import app
from vaecli.config.presets import PRESETS
from vaecli.parts.likelihoods import LIKELIHOODS
from vaecli.terminal.schema import schema_document


@pytest.fixture(scope="module")
def schema():
    return schema_document(get_command(app))


def test_the_committed_pages_are_those_that_make_docs_writes():
    for path, text in pages().items():
        assert path.read_text(encoding="utf-8") == text, "run: python -m tests.tools.make_docs"


def test_the_table_of_presets_has_a_row_for_each_and_needs_no_measurement(schema):
    page = presets_page(schema, {"vae": {"loss": "102.7", "recognized": "0.52"}})
    rows = re.findall(r"(?m)^\| ([\w-]+) \|.*\|$", page)
    assert rows == ["preset", "---", *PRESETS]
    assert re.search(r"(?m)^\| vae \| .* \| 102\.7 \| - \| - \| - \| 52% \| \[Auto-Enc", page)
    assert re.search(r"(?m)^\| laplace \| .* \| - \|$", page)
    assert re.search(r"(?m)^\| iwae \| .* \| - \| - \| - \| - \| - \| \[Importance W", page)


def test_the_page_of_presets_lists_every_departure_once(schema):
    _, _, below = presets_page(schema, {}).partition("## Departures from the papers\n")
    listed = re.findall(r"(?m)^- \*\*([\w-]+)\*\*: (.*)$", below)
    assert listed == [(name, p.departures) for name, p in PRESETS.items() if p.departures]


def test_the_page_of_presets_says_which_of_them_binarize_the_pixels(schema):
    binarized = [f"`{name}`" for name, preset in PRESETS.items() if "binarize" in preset.changes]
    page = " ".join(presets_page(schema, {}).split())
    assert f"All but {', '.join(binarized)} are trained on grey MNIST" in page


def test_the_page_of_presets_says_that_densities_are_not_dequantized(schema):
    densities = [
        name
        for name, likelihood in LIKELIHOODS.items()
        if "not dequantized" in likelihood.protocol(Mock(), "none")
    ]
    said = re.search(
        r"Those of a density \((.*?)\) .*? not dequantized", presets_page(schema, {}), re.S
    )
    assert said
    assert sorted(said[1].split(", ")) == sorted(densities)


def test_what_was_measured_is_a_preset():
    assert set(read_measured()) <= set(PRESETS)
