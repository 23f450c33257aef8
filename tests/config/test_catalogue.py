"""What `vaecli parts` prints comes from the classes, the presets and the glossary themselves."""

import inspect
import re
import subprocess
import sys

import pytest

from vaecli.config.build import TABLES
from vaecli.config.catalogue import explanation, glossary, overview, references, summary
from vaecli.config.glossary import GLOSSARY
from vaecli.config.papers import PAPERS
from vaecli.config.presets import PRESETS
from vaecli.config.spec import part_options
from vaecli.system.renamed import RenamedWarning

PARTS = [(kind, name) for kind, table in TABLES.items() for name in table]


def test_the_overview_lists_every_preset_and_part():
    lines = overview().splitlines()
    for name in [*PRESETS, *(name for _, name in PARTS)]:
        assert any(line.startswith(f"  {name} ") for line in lines), name


def test_every_preset_is_listed_with_what_it_sets_and_its_paper_in_lines_that_differ():
    listed = overview().partition("\n\n")[0].splitlines()[1:]
    assert "  vae                   the defaults (Kingma & Welling, 2014)" in listed
    assert "  laplace               --likelihood laplace" in listed
    start = listed.index("  aae-ring              --posterior dirac --latent-dim 2 --prior ring")
    assert listed[start + 1].strip() == "--objective adversarial:weight=100 (Makhzani et al., 2016)"
    assert max(map(len, listed)) <= 100
    meanings = re.split(r"\n  (?=\S)", "\n" + "\n".join(listed))[1:]
    assert len({meaning.partition("  ")[2] for meaning in meanings}) == len(PRESETS)


def test_the_command_prints_lists_and_explanations(cli):
    assert cli("parts").out == overview() + "\n"
    assert cli("parts", "iwae").out == explanation("iwae") + "\n"
    assert cli("parts", "glossary").out == glossary() + "\n"
    wrong = cli("parts", "gausian")
    assert wrong.status == 2
    assert "Did you mean 'gaussian'?" in wrong.err


def test_a_long_departure_is_wrapped_in_indented_lines():
    shown = explanation("ladder").partition("\n\n")[0].splitlines()
    start = next(i for i, line in enumerate(shown) if line.startswith("  Differs from"))
    assert max(map(len, shown)) <= 100
    assert all(line.startswith("    ") for line in shown[start + 1 :])
    text = " ".join(line.strip() for line in shown[start:])
    assert text == f"Differs from the paper: {PRESETS['ladder'].departures}"


@pytest.mark.parametrize(
    ("old", "new"), [("warmup", "annealing"), ("hvae", "hierarchical"), ("betatc", "beta-tc")]
)
def test_an_old_name_is_explained_with_a_warning(old, new):
    with pytest.warns(RenamedWarning, match=f"{old!r} is now called {new!r}"):
        assert explanation(old) == explanation(new)


def test_a_part_is_explained_with_type_and_default_of_every_option():
    assert "      width (int, 400): Units in a hidden layer." in explanation("mlp").splitlines()
    assert explanation("gaussian").startswith("posterior gaussian\n")
    assert "\n\nlikelihood gaussian\n" in explanation("gaussian")


def test_a_preset_is_explained_by_its_options_and_its_paper():
    assert explanation("vae") == (
        "preset vae\n"
        "  the defaults\n"
        "  Auto-Encoding Variational Bayes (Kingma & Welling, 2014)\n"
        "  https://arxiv.org/abs/1312.6114"
    )
    iwae = explanation("iwae").partition("\n\n")[0].splitlines()
    assert iwae[-1] == f"  Differs from the paper: {PRESETS['iwae'].departures}"
    without_paper = explanation("laplace").partition("\n\n")[0]
    assert without_paper == "preset laplace\n  --likelihood laplace"
    shown = explanation("m2")
    for line in ("preset m2", "  --conditional", "  --labels 100", "  --network mlp:norm=batch"):
        assert line in shown.splitlines()
    assert "\n\nobjective m2\n" in shown


def test_the_glossary_is_explained():
    shown = glossary()
    for term, meaning in GLOSSARY.items():
        assert re.search(rf"(?m)^  {re.escape(term)} +{re.escape(meaning)}$", shown), term


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_every_part_explains_its_options_and_cites_its_paper(kind, name):
    part = TABLES[kind][name]
    assert summary(kind, name).endswith(".")
    for option in part_options(part):
        assert re.search(rf"(?m)^    {option}: \S", inspect.getdoc(part)), option
    assert kind == "network" or name == "none" or references(part)
    for cited in references(part):
        assert re.match(r"\S.*?\(.*? \d{4}\), .*?https://\S+", cited), cited


def test_the_papers_are_those_that_the_parts_cite():
    cited = [text for kind, name in PARTS for text in references(TABLES[kind][name])]
    for key, paper in PAPERS.items():
        # Between title and address a figure may stand, after it what the paper is cited for.
        pattern = rf"{re.escape(str(paper))}, (?:[^,]+, )?{re.escape(paper.url)}\b.*"
        assert any(re.fullmatch(pattern, text) for text in cited), key
        assert all(str(paper) in text for text in cited if paper.url in text), key


def test_every_listed_paper_is_that_of_a_preset():
    assert set(PAPERS.values()) <= {preset.paper for preset in PRESETS.values()}


@pytest.mark.parametrize("name", [None, "iwae", "mlp", "glossary"])
def test_without_docstrings_parts_still_says_something_of_each(name):
    arguments = ["-OO", "-m", "vaecli", "parts", *([name] if name else [])]
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    if name is None:
        assert "  vae-gan               --objective vae-gan (Larsen et al., 2016)" in lines
        assert "  normal        Takes no options." in lines
        assert "  mixture       By default mixture:components=10." in lines
        assert len(lines) == len(overview().splitlines())
    elif name == "mlp":
        assert "      width (int, 400)" in lines
    elif name == "iwae":
        assert "  https://arxiv.org/abs/1509.00519" in lines
    else:
        assert done.stdout == glossary() + "\n"
