"""A training that dies at any of its writes is resumed to what it would have been."""

import os
import shutil
from pathlib import Path

import pytest

from tests import runs
from tests.experiments.trainings import options, run_training
from vaecli.run import names
from vaecli.system import files

pytestmark = pytest.mark.usefixtures("quick")


class Killed(BaseException):
    """Stands for the end of the process: no handler of errors may take it for one."""


class Process:
    """Dies just before the n-th file takes its name; dead, it writes and removes nothing more.

    Attributes:
        replaced: Names of the files that it has replaced.
    """

    def __init__(self, monkeypatch, dies_at):
        self.dies_at = dies_at
        self.replaced = []
        self.is_dead = False
        write, replace = files.write_atomic, os.replace
        monkeypatch.setattr(files, "write_atomic", self._alive(write))
        monkeypatch.setattr(os, "replace", lambda *paths: self._replace(replace, *paths))
        for name in ("unlink", "rmdir", "rename"):
            monkeypatch.setattr(os, name, self._if_alive(getattr(os, name)))

    def _replace(self, replace, source, target):
        if len(self.replaced) + 1 == self.dies_at:
            self.is_dead = True
            raise Killed
        replace(source, target)
        self.replaced.append(os.path.basename(target))

    def _alive(self, function):
        def call(*arguments):
            if self.is_dead:
                raise Killed
            return function(*arguments)

        return call

    def _if_alive(self, function):
        return lambda *arguments, **more: None if self.is_dead else function(*arguments, **more)


def chosen(digits):
    """Two epochs that write every kind of file, two batches in each."""
    return options(
        digits, epochs=2, batch_size=40, lr=0.05, validation=16, save_every=1, sample_every=1
    )


def train_and_die(monkeypatch, number, *arguments, **more):
    """Train in a process that dies at the n-th file; the files before it."""
    with monkeypatch.context() as patch:
        process = Process(patch, number)
        try:
            run_training(*arguments, **more)
        except Killed:
            assert process.is_dead
        return process


def assert_same_files(run, reference):
    """The same run, to its last file, and nothing besides."""
    runs.assert_same_run(run, reference)
    found = {path.relative_to(run) for path in run.rglob("*")}
    assert found == {path.relative_to(reference) for path in reference.rglob("*")}
    for path in found:
        if path.suffix == ".safetensors":
            runs.assert_same_tensors(runs.tensors(run, path), runs.tensors(reference, path))
    for field in ("status", "reason", "epochs_done", "rollbacks", "data", "parameters"):
        assert runs.record(run)[field] == runs.record(reference)[field], field


def assert_no_file_says_more_than_the_checkpoint(run):
    """A reader finds an epoch in the checkpoint first, and last in run.json."""
    done = len(runs.header(run)["history"]) if (run / names.CHECKPOINT).exists() else 0
    assert runs.record(run)["status"] == "running"
    assert done - 1 <= runs.record(run)["epochs_done"] <= done
    rows = len(runs.losses(run)) if (run / names.LOSSES).exists() else 0
    assert max(done - 1, runs.record(run)["epochs_done"]) <= rows <= done
    for path in [*run.glob("checkpoints/epoch-*"), *run.glob("samples/epoch-*")]:
        assert int(path.stem.removeprefix("epoch-")) <= done


def test_a_training_that_dies_at_any_file_is_resumed_exactly(digits, tmp_path, monkeypatch):
    """It dies after the first checkpoint, and its resume dies at each file that it writes."""
    whole = tmp_path / "whole"
    writes = train_and_die(monkeypatch, None, chosen(digits), whole).replaced
    dead = tmp_path / "dead"
    number = writes.index("last.safetensors") + 2
    assert train_and_die(monkeypatch, number, chosen(digits), dead).is_dead
    assert_no_file_says_more_than_the_checkpoint(dead)
    resumed = Path(shutil.copytree(dead, tmp_path / "resumed"))
    writes = train_and_die(monkeypatch, None, {}, resume=str(resumed)).replaced
    assert_same_files(resumed, whole)
    caught_up = ["best.safetensors", "epoch-0001.safetensors", "losses.csv", "epoch-0001.png"]
    first = writes.index(caught_up[0])
    assert writes[first : first + 5] == [*caught_up, "run.json"]
    pictures = writes.index("epoch-0002.png") + 3  # the last ones are drawn anew in any case
    for number in [*range(1, pictures + 1), len(writes)]:
        run = Path(shutil.copytree(dead, tmp_path / f"dead-{number}"))
        process = train_and_die(monkeypatch, number, {}, resume=str(run))
        assert process.is_dead
        assert process.replaced == writes[: number - 1]
        assert_no_file_says_more_than_the_checkpoint(run)
        run_training({}, resume=str(run))
        assert_same_files(run, whole)
