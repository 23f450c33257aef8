"""The pages are true: their commands run, their options, names, links and walk-throughs exist."""

import csv
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from PIL import Image
from safetensors.torch import save_file

from tests.conftest import bars, write_idx
from tests.test_layers import ROWS
from vaecli.commands.app import COMMANDS, DATA_COMMANDS, app
from vaecli.config import aliases
from vaecli.config.build import TABLES, resolve
from vaecli.config.presets import PRESETS, config_from_layers
from vaecli.data.readers.public_sets import PUBLIC_SETS
from vaecli.run import migrate, names
from vaecli.system.errors import Interrupted, VaecliError

TOP = Path(__file__).parent.parent
README = TOP / "README.md"
GITHUB = TOP / ".github"
CONTRIBUTING = GITHUB / "CONTRIBUTING.md"
CHANGELOG = GITHUB / "CHANGELOG.md"
RUNS = GITHUB / "docs" / "runs.md"
IMAGES = GITHUB / "docs" / "images.md"
MACHINE_READABLE = GITHUB / "docs" / "machine-readable.md"
RESULTS = Path(__file__).parent / "tools" / "preset_results.csv"
PAGES = [README, *sorted(GITHUB.rglob("*.md"))]
LINES = [
    *(module.__name__.rpartition(".")[2].replace("_", "-") for module in COMMANDS),
    *(module.__name__.rpartition(".")[2].replace("_", " ") for module in DATA_COMMANDS),
]
# Pages that name neither old things nor those of the walk-throughs, which do not exist.
TODAY = [page for page in PAGES if page not in (CONTRIBUTING, CHANGELOG)]

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
each_page_of_today = pytest.mark.parametrize("page", TODAY, ids=lambda page: page.name)


def read(page):
    return page.read_text(encoding="utf-8")


def blocks(page, language):
    """The fenced blocks of a page in a language (or "" for none), without their indent."""
    fenced = re.findall(r"^( *)```(\w*)\n(.*?)^ *```$", read(page), re.DOTALL | re.MULTILINE)
    return [
        re.sub(f"(?m)^{indent}", "", block) for indent, name, block in fenced if name == language
    ]


def prose(page):
    """The page without its fenced blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", read(page), flags=re.DOTALL | re.MULTILINE)


def code_spans(page):
    return re.findall(r"`([^`\n]+)`", prose(page))


def shell_lines(page):
    return [line for block in blocks(page, "bash") for line in block.splitlines() if line]


def vaecli_commands(page):
    return [line for line in shell_lines(page) if line.startswith("vaecli ")]


def table(page, heading):
    """The cells of each row of the table whose header begins with `heading`."""
    lines = read(page).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
        rows.append([cell.strip() for cell in cells])
    return rows


def options(line):
    """The options that a command takes, such as `--epochs` and `-r`.

    Args:
        line: Begins with the names of groups and commands, such as `data download cifar10`.
    """
    command = typer.main.get_command(app)
    for word in line.split():
        if not hasattr(command, "commands"):
            break
        assert word in command.commands, line
        command = command.commands[word]
    return {"-h", "--help"}.union(*(parameter.opts for parameter in command.params))


ALL_OPTIONS = {"--version"}.union(*(options(line) for line in LINES))


@pytest.fixture
def folder(digits, tmp_path, monkeypatch):
    """An empty folder where commands are quick: small images, a small network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VAECLI_DATA_DIR", str(digits))
    monkeypatch.setenv("VAECLI_NETWORK", "mlp:width=16")
    monkeypatch.setenv("VAECLI_FITTED_PRIOR", "mixture:components=2")  # for few images
    write_idx(tmp_path / "my-digits")
    for number in range(12):
        for name in ("icons/round", "icons/square", "folder"):
            (tmp_path / name).mkdir(parents=True, exist_ok=True)
            colour = (20 * number, 9 * len(name), 100)
            Image.new("RGB", (8, 8), colour).save(tmp_path / name / f"{number}.png")
    (tmp_path / "new.png").write_bytes((tmp_path / "folder/0.png").read_bytes())
    return tmp_path


# Commands


@each_page_of_today
def test_the_commands_of_a_page_work_in_the_order_given(cli, folder, page):
    if page != README:  # the other pages go on from the first run of the README
        cli("train", "--epochs", 1)
    for command in vaecli_commands(page):
        short = re.sub(r"--(epochs|trials) \d+", r"--\1 1", command)
        assert cli(*shlex.split(short)[1:]).status == 0, command
        for name in re.findall(r"[\w.-]+\.png", command):
            assert (folder / name).exists(), command


def test_the_readme_begins_with_a_training():
    assert vaecli_commands(README)[0] == "vaecli train --epochs 50"


@each_page
def test_other_commands_of_a_page_are_those_of_this_repository(page):
    known = ("vaecli ", "pip install .", 'pip install -e ".[dev]"', "python -m pytest", "ruff ")
    for line in shell_lines(page):
        assert line.startswith(known) or line == "mypy", line


def test_the_readme_holds_the_commands_that_ci_reads():
    lines = shell_lines(README)
    assert lines.count("python -m pytest") == 1
    assert "pip install ." in lines
    assert 'pip install -e ".[dev]"' in lines


@each_page
def test_the_scripts_of_a_page_exist_and_take_the_options_named(page):
    for span in [*code_spans(page), *shell_lines(page)]:
        if span.startswith("python -m tests."):
            module, *arguments = shlex.split(span.removeprefix("python -m "))
            spec = importlib.util.find_spec(module)
            assert spec, span
            source = Path(spec.origin).read_text(encoding="utf-8")
            for argument in arguments:
                if argument.startswith("--"):
                    assert argument in source, span


@pytest.mark.parametrize("page", [*TODAY, CONTRIBUTING], ids=lambda page: page.name)
def test_every_command_and_option_named_exists(page):
    for span in code_spans(page):
        if span.startswith(("python ", "pip ")):
            continue
        known = ALL_OPTIONS
        if span.startswith("vaecli "):
            line = span.removeprefix("vaecli ")
            if line in ("-h", "--help", "--version"):
                continue
            known = options(line)
        for option in re.findall(r"(?<![\w-])(?:--[a-z][a-z-]*|-[a-zA-Z])(?![\w-])", span):
            assert option in known, span


@each_page_of_today
def test_every_part_named_with_its_options_exists(page):
    texts = [*code_spans(page), *shell_lines(page)]
    texts += [line for block in blocks(page, "python") for line in block.splitlines()]
    for kind in TABLES:
        flag = kind.replace("_", "-")
        for text in texts:
            for spec in re.findall(
                rf"(?:(?<!refit )--{flag} |\b{kind}=[\"'])([a-z0-9][^\s\"']*)", text
            ):
                resolve(config_from_layers({kind: spec}))
    named = re.findall(r"--preset ([a-z][\w-]*)", "\n".join(texts))
    assert set(named) <= set(PRESETS)


# Tables and trees


def test_the_readme_is_short():
    assert len(read(README).splitlines()) <= 150


def test_the_families_are_made_of_parts_and_presets_that_exist():
    rows = table(README, "family")
    assert 12 <= len(rows) <= 16
    seen = []
    for _, chosen, presets in rows:
        seen += presets.split(", ")
        kind, *others = re.findall(r"`--([\w-]+)[^`]*`|`([a-z][^`]*)`", chosen)
        for _, name in others:
            assert name in TABLES[kind[0].replace("-", "_")], chosen
    assert set(seen) <= set(PRESETS)
    assert len(seen) == len(set(seen))


def test_the_options_of_a_family_work_as_they_stand(cli, folder, monkeypatch):
    monkeypatch.delenv("VAECLI_FITTED_PRIOR")
    for _, chosen, _ in table(README, "family"):
        first, *others = re.findall(r"`([^`]+)`", chosen)
        for other in [None, *others]:
            few = first.replace("--labels 100", "--labels 20")  # images
            words = few.replace(
                "--fitted-prior mixture", "--fitted-prior mixture:components=2"
            ).split()
            if other:  # another part of the same kind
                words[1] = other
            done = cli("train", "--dry-run", "--epochs", 1, *words)
            assert done.status == 0, (words, done.err)


def tree_names(page):
    block = next(block for block in blocks(page, "") if block.startswith("runs/"))
    return set(re.findall(r"^[├└]── (\S+)", block, re.MULTILINE))


def test_the_run_directory_is_the_tree_shown(trained):
    found = {str(path.relative_to(trained)) for path in trained.rglob("*") if path.is_file()}
    assert tree_names(RUNS) == found - {"samples/epoch-0002.png"}
    assert tree_names(README) <= tree_names(RUNS)
    for name in tree_names(RUNS):
        assert name in names.ALL or re.fullmatch(names.PATTERN, name), name


def test_the_exit_statuses_are_those_of_the_code():
    shown = {int(status) for row in table(RUNS, "status") for status in row[0].split(", ")}
    kinds = [kind for kind in VaecliError.__subclasses__() if kind is not Interrupted]
    assert shown == {kind.status for kind in kinds} | {0, 1, 129, 130, 141, 143}


def test_only_pages_that_say_which_pixels_have_a_likelihood_use_the_word():
    """Most numbers are of grey pixels under a Bernoulli, which have a loss only."""
    named = {
        page.name for page in PAGES if re.search(r"(?i)log-likelihood|\bnll\b", page.read_text())
    }
    pages = ("CHANGELOG", "glossary", "machine-readable", "results", "runs")
    assert named <= {f"{page}.md" for page in pages}


def test_the_table_of_results_adds_up():
    rows = table(README, "epoch")
    assert [int(row[0]) for row in rows] == [1, 10, 25, 50]
    for _, loss, distortion, rate, _ in rows:
        assert float(loss) == pytest.approx(float(distortion) + float(rate), abs=0.02)


def test_the_speeds_of_the_readme_are_those_of_the_page_of_speed():
    page = {row[0]: row[1:] for row in table(GITHUB / "docs" / "speed.md", "time / floor")}
    both = zip(
        table(README, "network"),
        (page["two layers, batch 128 (default)"], page["one layer, batch 128"]),
        strict=True,
    )
    for short, (ours, _, by_hand, textbook, pythae, _) in both:
        assert short[1:] == [cell.split(" (")[0] for cell in (ours, by_hand, textbook, pythae)]


def test_the_public_data_sets_are_those_of_the_code():
    rows = table(IMAGES, "name")
    shown = {name: row for row in rows for name in row[0].split(", ")}
    assert shown.keys() == PUBLIC_SETS.keys()
    for name, row in shown.items():
        assert int(row[3]) == (len(PUBLIC_SETS[name].class_names) or 10), name


def test_the_measured_presets_exist():
    with RESULTS.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len({row["preset"] for row in rows}) == len(rows)
    for row in rows:
        assert row["preset"] in PRESETS
        assert int(row["epochs"]) > 0
        assert float(row["relative_time"]) > 0
        assert 0 <= float(row["recognized"]) <= 1
        float(row["loss"])
        float(row["distortion"])
        assert row["rate"] == "" or float(row["rate"]) > 0


def test_the_table_of_the_packages_is_the_order_of_imports():
    packages = [row[0].strip("`") for row in table(CONTRIBUTING, "package")]
    assert packages == [name for names in ROWS for name in names.split()]


def test_every_old_name_is_in_the_changelog():
    pairs = list(aliases.PRESETS.items()) + list(aliases.KEYS.items())
    for renamed in [*aliases.PARTS.values(), *aliases.OPTIONS.values()]:
        pairs += renamed.items()
    for columns in migrate.COLUMNS.values():
        pairs += [(old, new) for old, (new, _) in columns.items()]
    shown = [row[-2:] for row in re.findall(r"(?m)^\|(.*?)\| (.*?) \| (.*?) \|$", read(CHANGELOG))]
    for old, new in pairs:
        assert (f"`{old}`", f"`{new}`") in shown, (old, new)


# Links


@each_page
def test_every_link_and_picture_is_there(page):
    links = re.findall(r"\]\(((?!http)[^)]+)\)", read(page))
    for link in links:
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.is_file(), link
        if anchor:
            headings = re.findall(r"(?m)^#+ (.*)$", read(target))
            assert anchor in {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}


# Other languages


def install_command(folder, monkeypatch):
    """Put `vaecli` on the path, as an installation does."""
    (folder / "bin").mkdir()
    script = folder / "bin" / "vaecli"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m vaecli "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    source = os.pathsep.join([str(TOP / "src"), str(TOP)])
    monkeypatch.setenv("PYTHONPATH", source)


@pytest.mark.slow
def test_every_block_of_the_page_on_json_runs(folder, monkeypatch):
    """Those of a shell need jq."""
    install_command(folder, monkeypatch)
    shell, python = blocks(MACHINE_READABLE, "sh"), blocks(MACHINE_READABLE, "python")
    assert shell
    assert python
    for block in python:
        assert run_block([sys.executable, "-c", block])
    if shutil.which("jq"):
        for line in shell:
            assert run_block(["bash", "-euo", "pipefail", "-c", line])


def run_block(command):
    """What a command prints; it must succeed."""
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


@pytest.mark.parametrize("page", [README, RUNS], ids=lambda page: page.name)
def test_every_python_block_runs(cli, folder, capsys, page):
    cli("train", "--epochs", 1)
    for block in blocks(page, "python"):
        namespace = {}
        exec(block.replace("train_images=10_000", "train_images=64"), namespace)
        assert namespace["images"].shape[0] == 64
    if page == README:
        (block,) = blocks(page, "python")
        code = [line for line in block.splitlines() if line]
        assert len(code) <= 8
        assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["1", "2"]


# Walk-throughs


def steps(page):
    """The edits of the walk-throughs: `(path, anchor, language, code)`, in order.

    Code goes above the line that begins with the anchor, or into a new file if there is none.
    """
    pattern = (
        r"(?:above `(\w+)` in )?`(src/[^`]+)`:\n\n"  # the sentence ends with the path
        r"( *)```(python|diff)\n(.*?)^ *```$"
    )
    for anchor, path, indent, language, code in re.findall(
        pattern, read(page), re.DOTALL | re.MULTILINE
    ):
        yield path, anchor, language, re.sub(f"(?m)^{indent}", "", code)


def apply(root, path, anchor, language, code):
    """Make one edit of a walk-through in a copy of the repository."""
    file = root / path
    if language == "python" and not anchor:
        assert not file.exists(), f"{path} is no new file"
        file.write_text(code, encoding="utf-8")
        return
    text = file.read_text(encoding="utf-8")
    if anchor:
        assert text.count(f"\n{anchor}") == 1, f"{path} has no place {anchor}"
        text = text.replace(f"\n{anchor}", f"\n{code}\n\n{anchor}")
    for hunk in re.split(r"(?m)^@@\n", code) if language == "diff" else []:
        before = "".join(line[1:] for line in hunk.splitlines(True) if line[0] != "+")
        after = "".join(line[1:] for line in hunk.splitlines(True) if line[0] != "-")
        assert text.count(before) == 1, f"{path} does not hold, once:\n{before}"
        text = text.replace(before, after)
    file.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """A copy of the source in which the walk-throughs were followed."""
    root = tmp_path_factory.mktemp("extended")
    shutil.copytree(TOP / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(TOP / "pyproject.toml", root)
    edits = list(steps(CONTRIBUTING))
    assert len(edits) == 10
    for edit in edits:
        apply(root, *edit)
    return root


@pytest.mark.slow
def test_the_walk_throughs_work_as_they_stand(extended, folder):
    save_file(
        {"images": bars(40).x.squeeze(1), "labels": bars(40).labels}, folder / "images.safetensors"
    )
    environment = dict(os.environ, PYTHONPATH=str(extended / "src"))
    commands = vaecli_commands(CONTRIBUTING)
    assert len(commands) == 5
    for command in [*commands, "vaecli train --data images.safetensors --epochs 1"]:
        run = [sys.executable, "-m", *shlex.split(command)]
        done = subprocess.run(run, env=environment, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        assert done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["ruff check", "ruff format --check", "mypy"])
def test_the_walk_throughs_pass_the_checks(extended, tool):
    files = sorted({path for path, *_ in steps(CONTRIBUTING)})
    command = [sys.executable, "-m", *tool.split(), *files]
    done = subprocess.run(command, cwd=extended, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_the_walk_throughs_pass_the_tests(extended, tmp_path):
    """The tests that run for every part, preset and command, and those that the page shows."""
    root = shutil.copytree(extended, tmp_path / "copy")
    pages = ("test_docs.py", "test_page.py", "test_scale_page.py")
    ignored = shutil.ignore_patterns("__pycache__", "*golden*", *pages)
    shutil.copytree(TOP / "tests", root / "tests", ignore=ignored)
    shown = [block for block in blocks(CONTRIBUTING, "python") if block.startswith("def test_")]
    imports = (
        "from tests.parts.test_priors import make",
        "from vaecli.objectives.energy import energy_distance",
        "import json",
        "import pytest\nfrom safetensors.torch import save\n"
        "from vaecli.data.readers.formats import list_images\n"
        "from vaecli.system.errors import DataError",
    )
    for number, (line, block) in enumerate(zip(imports, shown, strict=True)):
        text = f"import torch\n{line}\n\n\n{block}"
        (root / "tests" / f"test_page_{number}.py").write_text(text, encoding="utf-8")
    chosen = (
        "energy or laplace or sparse or test_layers or test_catalogue or test_app or test_page or "
        "test_schema"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-k", chosen, "tests"]
    environment = dict(os.environ, PYTHONPATH=str(root / "src"))
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
