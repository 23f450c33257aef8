"""Every command, table and tree of the README is run or compared."""

import re
import shlex
from pathlib import Path

import pytest

import vaecli
from tests.conftest import write_idx
from vaecli.commands import app
from vaecli.config.config import Config
from vaecli.config.presets import PRESETS, config_from_layers
from vaecli.system.errors import VaecliError

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text(encoding="utf-8")
SOURCE = Path(vaecli.__file__).parent


def blocks(language):
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    return [block for name, block in fenced if name == language]


def commands():
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    return [line for line in lines if line.startswith("vaecli ")]


@pytest.fixture
def small(digits, tmp_path, monkeypatch):
    """A folder where the commands are quick: small images, one epoch."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VAECLI_DATA_DIR", str(digits))
    monkeypatch.setenv("VAECLI_NETWORK", "mlp:width=16")
    write_idx(tmp_path / "my-digits")
    return tmp_path


def test_every_command_works_in_the_order_given(cli, small):
    assert len(commands()) == 10
    for command in commands():
        short = re.sub(r"--epochs \d+", "--epochs 1", command)
        assert cli(*shlex.split(short)[1:]).status == 0, command
    assert (small / "grid.png").exists()
    assert (small / "latent.png").exists()


def test_every_python_block_runs(small, cli, capsys):
    cli("train", "--epochs", 1)
    for block in blocks("python"):
        assert len([line for line in block.splitlines() if line]) <= 9
        names = {}
        exec(block.replace("train_images=10_000", "train_images=64"), names)
        assert names["images"].shape[0] == 64
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["1", "2"]


def test_the_run_directory_is_the_tree_shown(trained):
    block = next(b for b in blocks("") if b.startswith("runs/"))
    shown = set(re.findall(r"^[├└]── (\S+)", block, re.MULTILINE))
    found = {str(p.relative_to(trained)) for p in trained.rglob("*") if p.is_file()}
    assert {name for name in found if not name.startswith("samples/epoch-0002")} == shown


def test_the_table_of_presets_is_the_table_in_the_code():
    rows = [line.strip("| ").split(" | ") for line in TEXT.splitlines() if line.startswith("| ")]
    shown = {row[0]: row[1:] for row in rows if row[0] in PRESETS and "](" in row[-1]}
    measured = [row[0] for row in rows if row[0] in PRESETS and "](" not in row[-1]]
    assert measured == list(PRESETS)
    for name in PRESETS:
        c = config_from_layers({"preset": name})
        parts = [c.posterior, c.prior, c.likelihood, c.objective]
        assert shown[name][:4] == list(map(str, parts))
        paper = PRESETS[name].paper
        assert shown[name][4] == f"[{paper}]({paper.url})"


def test_the_source_tree_is_the_one_there_is():
    block = next(b for b in blocks("") if b.startswith("src/vaecli/"))
    shown, folder = set(), ""
    for line in block.splitlines()[1:]:
        indent, name = len(line) - len(line.lstrip()), line.split()[0]
        if indent == 2:
            folder = name if name.endswith("/") else ""
        shown.add(folder + name if indent == 4 else name)
    modules = {str(p.relative_to(SOURCE)) for p in SOURCE.rglob("*.py")}
    hidden = {m for m in modules if Path(m).name.startswith("__") or m.startswith("commands/")}
    assert {name for name in shown if name.endswith(".py")} == modules - hidden
    packages = {f"{p.name}/" for p in SOURCE.iterdir() if (p / "__init__.py").exists()}
    assert {name for name in shown if name.endswith("/")} == packages


def test_every_option_named_exists():
    options = set(re.findall(r"`(--[a-z-]+)", TEXT))
    fields = {"--" + name.replace("_", "-") for name in Config.__dataclass_fields__}
    others = {"--config", "--plot", "--resume", "--version", "--checkpoint", "--dry-run"}
    assert options <= fields | others
    assert {c.callback.__name__.replace("_", "-") for c in app.registered_commands} == set(
        re.findall(
            r"vaecli (train|sample|reconstruct|embed|evaluate|classify|plot-loss|parts)", TEXT
        )
    )


def test_the_exit_statuses_are_those_of_the_code():
    line = TEXT[TEXT.index("Exit statuses:") :].split("\n\n")[0]
    for kind in VaecliError.__subclasses__():
        if kind.__name__ != "Interrupted":
            assert f" {kind.status} " in line.replace("\n", " ")


def test_the_table_of_results_adds_up():
    rows = re.findall(r"^\| (\d+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|", TEXT, re.MULTILINE)
    assert [int(row[0]) for row in rows] == [1, 10, 25, 50]
    for _, loss, distortion, rate in rows:
        assert float(loss) == pytest.approx(float(distortion) + float(rate), abs=0.02)


def test_every_picture_and_linked_file_is_there():
    links = re.findall(r"\]\(((?!http)[^)]+)\)", TEXT)
    assert len(links) >= 5
    for link in links:
        assert (README.parent / link).is_file(), link
