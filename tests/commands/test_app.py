"""The frame around the commands: help, mistakes, exit statuses, streams."""

import os
import re
import subprocess
import sys
import warnings

import pytest
from typer.main import get_command

from tests.conftest import TINY
from tests.processes import run_without_torch
from vaecli import __version__, commands
from vaecli.commands.app import COMMANDS, DATA_COMMANDS, app

NAMES = [module.__name__.rpartition(".")[2].replace("_", "-") for module in COMMANDS]
OF_DATA = [module.__name__.rpartition(".data_")[2] for module in DATA_COMMANDS]
ALL = [*NAMES, *(f"data {name}" for name in OF_DATA)]
READERS = [name for name in NAMES if name not in ("train", "tune", "refit", "parts", "schema")]


def test_the_commands_are_those_of_the_table(cli):
    listed = cli("--help").out.split("Commands:\n")[1].split("\n\n")[0]
    assert [line.split()[0] for line in listed.splitlines()] == [*NAMES, "data"]
    listed = cli("data", "--help").out.split("Commands:\n")[1].split("\n\n")[0]
    assert [line.split()[0] for line in listed.splitlines()] == OF_DATA
    assert {c.callback.__name__.replace("_", "-") for c in app.registered_commands} == set(NAMES)


@pytest.mark.parametrize("group", [[], ["data"]])
def test_help_describes_every_command_in_one_line_that_is_not_cut(cli, group):
    listed = cli(*group, "--help").out.split("Commands:\n")[1]
    assert "..." not in listed


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("command", ALL)
def test_help_starts_with_a_verb_and_ends_with_examples(cli, command, flag):
    done = cli(*command.split(), flag)
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].startswith(f"Usage: vaecli {command} [OPTIONS]")
    assert re.fullmatch(r"  [A-Z][a-z]+ .*", lines[2])
    assert f"Examples:\n    vaecli {command}" in done.out
    assert max(map(len, lines)) <= 80
    assert not re.search(r"<(int|str|float|path|list)|x>", done.out)


@pytest.mark.parametrize("command", ALL)
def test_every_option_has_a_help_that_is_a_sentence(command):
    found = get_command(app)
    for name in command.split():
        found = found.commands[name]
    for parameter in found.params:
        if not getattr(parameter, "hidden", False):
            assert re.fullmatch(r"[A-Z].*[.\]]", parameter.help), parameter.name


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], *([*c.split(), "-h"] for c in ALL)]
)
def test_help_and_version_need_no_torch(arguments):
    done = run_without_torch(*arguments)
    assert (done.status, done.err) == (0, "")
    assert done.out


@pytest.mark.parametrize("group", [[], ["data"]])
def test_without_a_command_help_is_shown_on_stderr(cli, group):
    done = cli(*group)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"Usage: {' '.join(['vaecli', *group])} [OPTIONS] COMMAND")


def test_the_version_is_printed(cli):
    assert cli("--version") == (0, f"vaecli {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (["trian"], 2, "No such command 'trian'"),
        (["data", "downlaod"], 2, "No such command 'downlaod'"),
        (["data", "download"], 2, "Missing argument 'NAME'"),
        (["data", "download", "cifar"], 2, "Did you mean 'cifar10'?"),
        (["train", "--epoch", "3"], 2, "No such option: --epoch"),
        (["train", "--epochs", "1e3"], 2, "--epochs"),
        (["train", "--epochs", "0"], 2, "--epochs 0: should be greater than or equal to 1"),
        (["train", "--lr", "inf"], 2, "--lr inf: should be a finite number"),
        (["train", "--device", "cuda:99"], 2, "--device cuda:99: this machine has"),
        (["train", "--network", "mlp:width=0"], 2, "'width' should be greater than or equal to 1"),
        (["train", "--data", "cifar"], 2, "Unknown data set 'cifar'"),
        (["train", "--overwrite"], 2, "--overwrite needs --run-dir"),
        (["train", "--overwrite", "--dry-run"], 2, "--overwrite needs --run-dir"),
        (["train", "--data-dir", "nowhere"], 3, "nowhere has no file t10k-images"),
        (["train", "--run-dir", "bad\udcff"], 2, "is not UTF-8 text"),
        (["sample"], 4, "Make one with: vaecli train"),
        (["refit", "nowhere", "--prior", "none"], 4, "nowhere does not exist"),
        *[([command, "-r", "nowhere"], 4, "nowhere does not exist") for command in READERS],
        (["parts", ""], 2, "Unknown preset or part ''"),
        (["parts", "gausian"], 2, "Did you mean 'gaussian'?"),
    ],
)
def test_a_mistake_gets_one_sentence_and_its_status(
    cli, tmp_path, monkeypatch, arguments, status, reason
):
    monkeypatch.chdir(tmp_path)
    done = cli(*arguments)
    assert (done.status, done.out) == (status, "")
    assert done.err.startswith("Error: ")
    assert reason in done.err
    assert len(done.err.splitlines()) <= 2
    assert list(tmp_path.iterdir()) == []  # nothing is left behind


def test_a_variable_that_is_no_text_is_refused(cli, monkeypatch):
    monkeypatch.setenv("VAECLI_RUN_DIR", "bad\udcff")
    done = cli("sample")
    assert done.status == 2
    assert "is not UTF-8 text" in done.err


@pytest.fixture
def fail(monkeypatch):
    """Let opening a run fail with an error: `fail(MemoryError())`."""

    def with_error(error):
        def broken(path, checkpoint=None):
            raise error

        monkeypatch.setattr("vaecli.terminal.inputs.open_run", broken)

    return with_error


def test_a_defect_is_status_1_and_its_traceback_is_kept(cli, fail, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    fail(ZeroDivisionError("oops"))
    done = cli("sample", "-r", "x")
    assert (done.status, done.out) == (1, "")
    (path,) = tmp_path.iterdir()
    assert done.err == (f"Error: unexpected ZeroDivisionError: oops\nThe traceback is in {path}.\n")
    assert "in broken" in path.read_text()


def test_a_defect_is_shown_on_demand(fail, monkeypatch, capsys):
    fail(ZeroDivisionError("oops"))
    monkeypatch.setattr(sys, "argv", ["vaecli", "sample", "-r", "x"])
    monkeypatch.setenv("VAECLI_DEBUG", "1")
    with pytest.raises(SystemExit):
        commands.main()
    assert "Traceback" in capsys.readouterr().err


def test_warnings_are_printed_as_lines_of_ours(cli, monkeypatch):
    monkeypatch.setattr(warnings, "formatwarning", None)
    assert cli("--version").status == 0
    text = warnings.formatwarning("lr=0 is old.", UserWarning, "x.py", 1)
    assert text == "Warning: --lr 0 is old.\n"


@pytest.mark.parametrize(
    ("arguments", "warning"),
    [
        (["parts", "betatc"], "'betatc' is now called 'beta-tc'."),
        (["train", "--dry-run", "--preset", "warmup"], "'warmup' is now called 'annealing'."),
        (["train", "--dry-run", "--warmup", "0.1"], "--warmup is now called --lr-warmup."),
    ],
)
@pytest.mark.parametrize("action", ["error", "err::FutureWarning"])
def test_old_names_work_where_warnings_are_errors(tmp_path, action, arguments, warning):
    small = ["--train-images", "100", "--test-images", "50", *TINY]
    images = small if arguments[0] == "train" else []
    command = [sys.executable, "-m", "vaecli", *arguments, *images]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONWARNINGS": action},
    )
    assert done.returncode == 0, done.stderr
    [line] = [line for line in done.stderr.splitlines() if "is now called" in line]
    assert line.startswith("Warning: ")
    assert line.endswith(warning)
    assert "Traceback" not in done.stderr


def test_out_of_memory_is_status_6(cli, fail):
    fail(MemoryError())
    done = cli("sample", "-r", "x")
    assert (done.status, done.out) == (6, "")
    assert done.err.startswith("Error: Out of memory. Try a smaller --batch-size")


def test_an_interrupt_is_status_130(cli, fail):
    fail(KeyboardInterrupt())
    assert cli("sample", "-r", "x").status == 130


def test_paths_are_printed_in_any_encoding(run_dir, tmp_path):
    target = tmp_path / "größe \N{GRINNING FACE} [red].png"
    command = [sys.executable, "-m", "vaecli", "plot-loss", "-r", run_dir, "-o", target]
    environment = {"PATH": "/usr/bin", "PYTHONIOENCODING": "ascii", "COLUMNS": "20"}
    done = subprocess.run(command, capture_output=True, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == f"{target}\n"


def test_options_read_the_same_in_every_command(cli):
    helps = {command: cli(command, "-h").out.split() for command in READERS}
    assert all("-r," in words and "--run-dir" in words for words in helps.values())
    printers = [command for command, words in helps.items() if "-o," not in words]
    assert printers[:2] == ["evaluate", "classify"]
    described = {" ".join(w).split("--run-dir ")[1].split("]")[0] for w in helps.values()}
    assert described == {
        "RUN Run directory or checkpoint to read. [default: the newest run under runs/"
    }


def test_the_newest_run_is_read_and_named(cli, digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        cli("train", "-q", "--epochs", 1, "--data-dir", digits, *TINY)
    done = cli("sample")
    assert done.out == "runs/mnist-vae-2/samples.png\n"
    assert done.err == "Reading runs/mnist-vae-2, the newest run; -r chooses another.\n"


def test_a_variable_stands_in_for_run_dir(cli, run_dir, monkeypatch):
    monkeypatch.setenv("VAECLI_RUN_DIR", str(run_dir))
    assert cli("sample") == (0, f"{run_dir / 'samples.png'}\n", "")
    assert cli("plot-loss") == (0, f"{run_dir / 'loss.png'}\n", "")


@pytest.mark.parametrize("command", ["sample", "reconstruct", "embed"])
def test_a_checkpoint_alone_is_enough(cli, run_dir, tmp_path, command):
    lone = tmp_path / "elsewhere" / "model.safetensors"
    lone.parent.mkdir()
    lone.write_bytes((run_dir / "checkpoints" / "last.safetensors").read_bytes())
    done = cli(command, "-r", lone)
    assert done.status == 0
    assert done.out.startswith(str(lone.parent))


@pytest.mark.parametrize("command", ["sample", "reconstruct", "embed", "evaluate", "classify"])
def test_a_checkpoint_that_is_not_there_or_chosen_twice_is_refused(cli, trained, command):
    done = cli(command, "-r", trained, "--checkpoint", "best")
    assert (done.status, done.out) == (4, "")
    assert "has no best checkpoint: train it with --validation N." in done.err
    done = cli(command, "-r", trained / "checkpoints/last.safetensors", "--checkpoint", "last")
    assert done.status == 2
    assert "-r names a file" in done.err


def test_without_held_out_images_there_is_no_validation_split(cli, trained):
    done = cli("embed", "-r", trained, "--split", "validation")
    assert done.status == 2
    assert "No images were held out for validation" in done.err
