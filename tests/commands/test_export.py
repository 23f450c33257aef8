"""Tests of `vaecli export`."""

import json
import subprocess
import sys

import pytest

from tests.conftest import vaecli
from tests.json_schema import problems
from vaecli.run.find import open_run
from vaecli.terminal.results import RESULTS
from vaecli.terminal.schema import result_schema


@pytest.mark.slow
def test_the_paths_of_the_files_are_printed(cli, run_dir):
    outcome = cli("export", "-r", run_dir, "--format", "pt2")
    assert outcome.status == 0
    assert outcome.err == ""
    paths = outcome.out.splitlines()
    names = [f"{name}.pt2" for name in ("encoder", "decoder", "scorer", "sampler")]
    names.append("model.safetensors")
    assert paths == [str(run_dir / "export" / name) for name in names]
    assert {path.name for path in (run_dir / "export").iterdir()} == {*names}
    options = open_run(run_dir).config
    words = ("train", "-q", "--epochs", 1, "--data-dir", options.data_dir, "--run-dir", run_dir)
    assert vaecli(*words, "--overwrite") == 0  # files of an export are of vaecli
    assert not (run_dir / "export").exists()


@pytest.mark.slow
def test_json_is_one_object_on_stdout_and_nothing_else(trained, tmp_path):
    """In a process of its own: torch's exporters write to its streams themselves."""
    words = ["export", "-r", trained, "-o", tmp_path / "a", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "vaecli", *words], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1
    result = json.loads(done.stdout)
    assert problems(result, result_schema(RESULTS["export"])) == []
    assert result["refused"] == {}
    assert [file["graph"] for file in result["files"][::2]] == [
        "encoder",
        "decoder",
        "scorer",
        "sampler",
    ]
    for file in result["files"]:
        assert file["max_difference"] <= 1e-5
        assert file["path"].startswith(str(tmp_path))
    assert result["metadata"]["preset"] == "vae"


def test_a_folder_that_cannot_be_written_is_named_before_the_work(cli, trained, tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "inner"):
        outcome = cli("export", "-r", trained, "-o", folder)
        assert outcome.status == 2
        assert outcome.err == (
            f"Error: Cannot write to {folder}: {tmp_path / 'file'} is not a folder.\n"
        )
        assert outcome.out == ""


def test_without_the_extra_the_error_says_what_to_install(cli, trained, monkeypatch):
    from vaecli.export import export

    monkeypatch.setattr(export, "find_spec", lambda name: None)
    outcome = cli("export", "-r", trained)
    assert outcome.status == 2
    assert outcome.err == (
        'Error: ONNX files need the package onnx: pip install "vaecli[onnx]", or write only '
        "torch.export files by --format pt2.\n"
    )
