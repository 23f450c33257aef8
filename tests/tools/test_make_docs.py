"""The pages under .github/docs/ that are made from code are those that the code makes."""

import re

from tests.tools.make_docs import pages, presets_page, read_measured
from vaecli.config.presets import PRESETS


def test_the_committed_pages_are_those_that_make_docs_writes():
    for path, text in pages().items():
        assert path.read_text(encoding="utf-8") == text, "run: python -m tests.tools.make_docs"


def test_the_table_of_presets_has_a_row_for_each_and_needs_no_measurement():
    page = presets_page({"vae": {"loss": "102.7", "recognized": "0.52"}})
    rows = re.findall(r"(?m)^\| ([\w-]+) \|.*\|$", page)
    assert rows == ["preset", "---", *PRESETS]
    assert re.search(r"(?m)^\| vae \| .* \| 102\.7 \| - \| - \| - \| 52% \| \[Auto-Enc", page)
    assert re.search(r"(?m)^\| laplace \| .* \| - \|$", page)
    assert re.search(r"(?m)^\| iwae \| .* \| - \| - \| - \| - \| - \| \[Importance W", page)


def test_the_page_of_presets_lists_every_departure_once():
    _, _, below = presets_page({}).partition("## Departures from the papers\n")
    listed = re.findall(r"(?m)^- \*\*([\w-]+)\*\*: (.*)$", below)
    assert listed == [(name, p.departures) for name, p in PRESETS.items() if p.departures]


def test_what_was_measured_is_a_preset():
    assert set(read_measured()) <= set(PRESETS)
