"""Completion in bash, zsh and fish: of commands, options, and the names that they take."""

import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tests.processes import run_without_torch
from tests.runs import contents
from vaecli.config.build import TABLES
from vaecli.config.presets import PRESETS
from vaecli.data.readers.named import READERS
from vaecli.run import checkpoint, names
from vaecli.terminal import completion

# Calls the function that bash would call at the tab key, once for each line of stdin.
DRIVE = """
source <(vaecli --show-completion bash) || exit 1
completer=$(complete -p vaecli | sed -E 's/.* -F ([^ ]+) .*/\\1/')
while IFS= read -r line; do
    COMP_WORDS=($line)
    [[ $line == *' ' ]] && COMP_WORDS+=('')
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    COMPREPLY=()
    $completer vaecli "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    echo "${COMPREPLY[*]}"
done
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with two runs and a folder that is none."""
    monkeypatch.chdir(tmp_path)
    for name in ("mnist-vae-1", "mnist-iwae-1"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "config.json").write_text("{}")
    (tmp_path / "runs" / "mnist-foreign").mkdir()
    return tmp_path


@pytest.fixture
def bash(tmp_path):
    """Complete lines in a real bash: the proposals for each."""
    if shutil.which("bash") is None:
        pytest.skip("no bash")
    program = tmp_path / "bin" / "vaecli"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m vaecli "$@"\n')
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}

    def complete(*lines):
        done = subprocess.run(
            ["bash", "--norc", "-c", DRIVE],
            input="".join(f"{line}\n" for line in lines),
            capture_output=True,
            text=True,
            env=environment | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        )
        assert (done.returncode, done.stderr) == (0, "")
        return [line.split() for line in done.stdout.splitlines()]

    return complete


@pytest.mark.parametrize("kind", TABLES)
def test_names_of_parts_are_those_of_the_tables(kind):
    assert completion.part_names(kind) == list(TABLES[kind])


def test_every_kind_of_part_is_completed():
    assert completion.TABLES.keys() == TABLES.keys()


def test_a_table_that_is_not_found_is_a_defect_that_is_named(monkeypatch):
    monkeypatch.setitem(completion.TABLES, "prior", {"parts/likelihoods.py": "NOTHING"})
    with pytest.raises(LookupError, match=r"parts/likelihoods\.py has no table NOTHING"):
        completion.part_names("prior")


def test_presets_are_completed():
    assert completion.complete_preset("") == list(PRESETS)
    assert completion.complete_preset("iwa") == ["iwae"]
    assert completion.complete_preset("none-such") == []
    found = completion.complete_preset("ae")  # it is also in the middle of "vae"
    assert found == [name for name in PRESETS if name[:2] == "ae"]
    assert "ae" in found
    assert "vae" not in found


def test_parts_are_completed():
    assert completion.complete_part("network")("") == list(TABLES["network"])
    assert completion.complete_part("likelihood")("bern") == ["bernoulli"]
    names = completion.complete_preset_or_part("")
    assert names[: len(PRESETS)] == list(PRESETS)
    assert {name for table in TABLES.values() for name in table} <= set(names)
    assert len(names) == len(set(names))
    found = completion.complete_preset_or_part("ae")
    assert found
    assert all(name.startswith("ae") for name in found)


@pytest.mark.parametrize("kind", TABLES)
def test_parts_are_completed_from_their_first_letters(kind):
    for name in TABLES[kind]:
        found = completion.complete_part(kind)(name[:2])
        assert found == [other for other in TABLES[kind] if other[:2] == name[:2]]


def test_data_sets_are_completed():
    assert completion.complete_data_set("") == list(READERS)
    assert completion.complete_public_set("mn") == []
    assert completion.complete_public_set("cif") == ["cifar10", "cifar100"]


def test_run_directories_are_completed(here):
    assert completion.complete_run("") == ["runs/mnist-iwae-1", "runs/mnist-vae-1"]
    assert completion.complete_run("runs/mnist-v") == ["runs/mnist-vae-1"]
    assert completion.complete_run("mnist") == []


def test_run_directories_are_completed_in_the_order_of_their_names(here):
    for number in (4, 1, 5, 2, 6, 3):
        (here / f"runs/x-{number}").mkdir()
        (here / f"runs/x-{number}/config.json").write_text("{}")
    assert completion.complete_run("runs/x") == [f"runs/x-{number}" for number in range(1, 7)]


def test_without_runs_nothing_is_completed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert completion.complete_run("") == []


def test_bash_completes(here, bash):
    before = contents(here)
    found = bash(
        "vaecli recon",
        "vaecli train --latent",
        "vaecli train --preset iwa",
        "vaecli train --preset vae --objective dre",
        "vaecli train --posterior gau",
        "vaecli sample -r runs/mnist-i",
        "vaecli train --resume runs/mnist-",
        "vaecli train --progress pl",
        "vaecli train --preset none-such",
        "vaecli train --network ",
        "vaecli parts iwa",
        "vaecli train --data cifar",
        "vaecli data down",
        "vaecli data download fash",
    )
    assert found == [
        ["reconstruct"],
        ["--latent-dim"],
        ["iwae"],
        ["dreg"],
        ["gaussian"],
        ["runs/mnist-iwae-1"],
        ["runs/mnist-iwae-1", "runs/mnist-vae-1"],
        ["plain"],
        [],
        list(TABLES["network"]),
        ["iwae"],  # the preset and the objective
        ["cifar10", "cifar100"],
        ["download"],
        ["fashion-mnist"],
    ]
    assert contents(here) == before


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("vaecli tr", "train"),
        ("vaecli train --lat", "--latent-dim"),
        ("vaecli train --prior vam", "vamp"),
    ],
)
def test_completion_needs_no_torch(monkeypatch, words, expected):
    monkeypatch.setenv("_VAECLI_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    assert run_without_torch() == (0, f"{expected}\n", "")


@pytest.mark.parametrize(
    ("request_", "more"),
    [
        ("complete_bash", {}),
        ("complete_bash", {"COMP_WORDS": "vaecli tr", "COMP_CWORD": "one"}),
        ("complete_csh", {}),
        ("rubbish", {}),
    ],
)
def test_a_request_that_no_shell_makes_is_refused(cli, monkeypatch, request_, more):
    for name, value in {"_VAECLI_COMPLETE": request_, **more}.items():
        monkeypatch.setenv(name, value)
    done = cli()
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"Error: _VAECLI_COMPLETE={request_} is for completion scripts only")


def complete_by_protocol(monkeypatch, shell, line, **more):
    """What the program prints when the completion script of a shell calls it."""
    monkeypatch.setenv("_VAECLI_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", line)
    for name, value in more.items():
        monkeypatch.setenv(name, value)
    return run_without_torch()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("vaecli recon", "reconstruct"),
        ("vaecli train --preset iwa", "iwae"),
        ("vaecli train --network ml", "mlp"),
        ("vaecli evaluate -r runs/mnist-v", "runs/mnist-vae-1"),
    ],
)
def test_zsh_and_fish_complete(here, monkeypatch, line, expected):
    zsh = complete_by_protocol(monkeypatch, "zsh", line)
    assert zsh.status == 0
    assert zsh.out.startswith("_arguments ")
    assert f'"{expected}"' in zsh.out
    fish = complete_by_protocol(monkeypatch, "fish", line, _TYPER_COMPLETE_FISH_ACTION="get-args")
    assert fish.status == 0
    assert [item.split("\t")[0] for item in fish.out.splitlines()] == [expected]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_a_script(monkeypatch, cli, shell):
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    done = cli("--show-completion", shell)
    assert done.status == 0
    assert f"_VAECLI_COMPLETE=complete_{shell}" in done.out


def name_classes(run, class_names):
    """Save the last checkpoint as that of classes with these names."""
    tensors, header = checkpoint.load(run / names.CHECKPOINT)
    checkpoint.save(run / names.CHECKPOINT, tensors, {**header, "class_names": class_names})


def test_classes_are_completed_from_the_head_of_the_checkpoint(run_dir):
    name_classes(run_dir, ["alpha", "two words"])
    for run in (run_dir, run_dir / names.CHECKPOINT):
        context = SimpleNamespace(params={"run_dir": run})
        assert completion.complete_class(context, "") == ["all", "alpha", "two words"]
        assert completion.complete_class(context, "t") == ["two words"]


def test_names_that_a_shell_cannot_take_are_not_proposed(run_dir):
    name_classes(run_dir, ["a\nb", "\x1b[2J"])
    context = SimpleNamespace(params={"run_dir": run_dir})
    assert completion.complete_class(context, "") == ["all"]


def test_without_a_checkpoint_that_can_be_read_all_is_proposed(tmp_path, monkeypatch, trained):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken").write_bytes(b"\xff" * 99)
    (tmp_path / "short").write_bytes(b"\2\0\0\0\0\0\0\0[]")
    (tmp_path / "deep").write_bytes((10**6).to_bytes(8, "little") + b"[" * 10**6)
    for run in (None, tmp_path, *tmp_path.iterdir(), tmp_path / "none", trained):
        context = SimpleNamespace(params={"run_dir": run})
        assert completion.complete_class(context, "") == ["all"]


def test_completing_classes_needs_no_torch(run_dir):
    name_classes(run_dir, ["alpha", "beta"])
    code = (
        "import sys; from pathlib import Path; from vaecli.run.class_names import read_class_names;"
        "print(read_class_names(Path(sys.argv[1])), 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(run_dir)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "('alpha', 'beta') False\n"
