"""The frame around the commands: help, errors, statuses, streams."""

import subprocess
import sys
from pathlib import Path

import pytest

from vaecli import __version__, commands

COMMANDS = ["train", "sample", "reconstruct", "embed", "evaluate", "plot-loss"]
WITHOUT_TORCH = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchvision"):
            raise ImportError(f"{name} is stubbed to fail")
sys.meta_path.insert(0, Refuse())
sys.argv = ["vaecli", *sys.argv[1:]]
from vaecli.commands import main
main()
"""


def without_torch(*arguments):
    command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_starts_with_a_verb_and_ends_with_examples(cli, command, flag):
    done = cli(command, flag)
    assert done.status == 0
    assert done.out.startswith(f"Usage: vaecli {command} [OPTIONS]\n\n  ")
    assert done.out.splitlines()[2].split()[0] in ("Train", "Draw", "Encode", "Score", "Plot")
    assert f"Examples:\n    vaecli {command}" in done.out
    assert max(map(len, done.out.splitlines())) <= 80


def test_help_lists_every_command_in_one_line(cli):
    out = cli("--help").out
    for command in COMMANDS:
        assert f"\n  {command} " in out
    assert "..." not in out.split("Commands:")[1]  # no summary is cut


def test_no_command_shows_help_on_stderr(cli):
    done = cli()
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("Usage: vaecli")


def test_the_version_is_printed(cli):
    assert cli("--version") == (0, f"vaecli {__version__}\n", "")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *[[c, "-h"] for c in COMMANDS]])
def test_help_and_version_need_no_torch(arguments):
    done = without_torch(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_plot_loss_needs_no_torch(run_dir):
    done = without_torch("plot-loss", "-r", run_dir)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{run_dir / 'loss.png'}\n"


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (["trian"], 2, "No such command 'trian'"),
        (["train", "--epoch", "3"], 2, "No such option: --epoch"),
        (["train", "--epochs", "1e3"], 2, "--epochs"),
        (["train", "--epochs", "0"], 2, "--epochs 0: should be greater than or equal to 1"),
        (["train", "--lr", "inf"], 2, "--lr inf: should be a finite number"),
        (["train", "--device", "cuda:99"], 2, "--device cuda:99: this machine has"),
        (["train", "--network", "mlp:width=0"], 2, "'width' should be greater than or equal to 1"),
        (["train", "--data", "cifar"], 2, "Unknown data set 'cifar'"),
        (["train", "--overwrite"], 2, "--overwrite needs --run-dir"),
        (["train", "--data-dir", "nowhere"], 3, "nowhere has no file train-images"),
        (["train", "--run-dir", "bad\udcff"], 2, "is not UTF-8 text"),
        (["sample"], 4, "Make one with: vaecli train"),
        (["sample", "-r", "nowhere"], 4, "nowhere does not exist"),
        (["plot-loss", "-r", "nowhere"], 4, "nowhere does not exist"),
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


def test_a_defect_of_ours_is_short_and_keeps_the_traceback(cli, monkeypatch):
    def broken(path, checkpoint=None):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("vaecli.run.open", broken)
    done = cli("sample", "-r", "x")
    assert (done.status, done.out) == (1, "")
    first, second = done.err.splitlines()
    assert first == "Error: unexpected ZeroDivisionError: oops"
    path = Path(second.removeprefix("The traceback is in ").removesuffix("."))
    assert "in broken" in path.read_text()
    path.unlink()


def test_a_defect_is_shown_on_demand(monkeypatch, capsys):
    def broken(path, checkpoint=None):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("vaecli.run.open", broken)
    monkeypatch.setattr(sys, "argv", ["vaecli", "sample", "-r", "x"])
    monkeypatch.setenv("VAECLI_DEBUG", "1")
    with pytest.raises(SystemExit):
        commands.main()
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes."),
        RuntimeError("CUDA out of memory. Tried to allocate 2 GiB."),
    ],
)
def test_memory_that_does_not_suffice_is_status_6(cli, monkeypatch, error):
    def large(path, checkpoint=None):
        raise error

    monkeypatch.setattr("vaecli.run.open", large)
    done = cli("sample", "-r", "x")
    assert done.status == 6
    assert done.err.startswith("Error: The memory does not suffice.")


def test_an_interrupt_is_status_130(cli, monkeypatch):
    def interrupted(path, checkpoint=None):
        raise KeyboardInterrupt

    monkeypatch.setattr("vaecli.run.open", interrupted)
    assert cli("sample", "-r", "x").status == 130


def test_paths_are_printed_in_any_encoding(run_dir, tmp_path):
    target = tmp_path / "größe \N{GRINNING FACE} [red].png"
    command = [sys.executable, "-m", "vaecli", "plot-loss", "-r", run_dir, "-o", target]
    environment = {"PATH": "/usr/bin", "PYTHONIOENCODING": "ascii", "COLUMNS": "20"}
    done = subprocess.run(command, capture_output=True, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == f"{target}\n"


def test_options_read_the_same_everywhere(cli):
    helps = {command: cli(command, "-h").out.split() for command in COMMANDS[1:]}
    assert all("-r," in words and "--run-dir" in words for words in helps.values())
    assert [c for c, words in helps.items() if "-o," not in words] == ["evaluate"]  # it prints
    del helps["plot-loss"]  # it takes several
    described = [" ".join(w).split("--run-dir <")[1].split("]")[0] for w in helps.values()]
    assert len(set(described)) == 1
