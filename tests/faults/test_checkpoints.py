"""Checkpoints that are damaged, foreign, malicious, newer, or of another machine."""

import os
import pickle
import re
import shutil
import struct
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from tests.processes import assert_clean, assert_refused, posix
from tests.runs import contents
from vaecli.run import checkpoint, names

UNSAFE = ("weights_only", "pickle", "unsafe", "torch.load", "trust")

HTML = b"<!DOCTYPE html><html><title>Not found</title></html>"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(1000)
DAMAGE = {
    "half": lambda content: content[: len(content) // 2],
    "one byte short": lambda content: content[:-1],
    "empty": lambda content: b"",
    "zeros": lambda content: bytes(len(content)),
    "zeros in its second half": lambda content: content[: len(content) // 2].ljust(
        len(content), b"\0"
    ),
    "a web page": lambda content: HTML,
    "text": lambda content: b"epoch,train_loss\n1,2.5\n" * 50,
    "random": lambda content: np.random.default_rng(0).bytes(len(content)),
    "a picture": lambda content: PNG,
}


@contextmanager
def no_waiting():
    """What hangs is woken and fails: far more time than a refusal takes on a busy machine."""
    if os.name == "nt":
        yield
        return
    import signal

    def late(*arguments):
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(30)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def refusals(cli, run):
    """What every command that reads a checkpoint says of this one; no file of the run changes."""
    path, old = run / names.CHECKPOINT, contents(run)
    for command in (
        ["sample", "-r", run],
        ["embed", "-r", path],
        ["train", "--resume", run, "--epochs", 3],
    ):
        with no_waiting():
            done = cli(*command)
        assert_refused(done, 4, run, old=old)
        assert len(done.err.splitlines()) == 1
        assert str(path) in done.err
        said = done.err.replace(str(path), "").lower()
        assert not any(word in said for word in UNSAFE)
        assert contents(run) == old
        yield done.err


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_checkpoint_is_refused_at_once(cli, run_dir, kind):
    path = run_dir / names.CHECKPOINT
    path.write_bytes(DAMAGE[kind](path.read_bytes()))
    whole = kind == "zeros in its second half"
    reason = "Checksum mismatch" if whole else "is not a vaecli checkpoint"
    assert all(reason in said for said in refusals(cli, run_dir))


def make_giant(path):
    with path.open("wb") as file:
        file.truncate(1 << 40)


def make_endless(path):
    path.symlink_to("/dev/zero")


NO_FILES = [
    os.mkdir,
    make_giant,
    pytest.param(getattr(os, "mkfifo", None), marks=posix),
    pytest.param(make_endless, marks=posix),
]


@pytest.mark.parametrize("make", NO_FILES)
@pytest.mark.parametrize(
    "name", [names.CHECKPOINT, names.RECORD, names.LOSSES, names.CONFIG, names.LOG]
)
def test_what_is_no_ordinary_file_is_refused_at_once(cli, run_dir, name, make):
    path = run_dir / name
    path.unlink()
    make(path)
    commands = {
        "sample": ["sample", "-r", run_dir],
        "plot": ["plot-loss", "-r", run_dir],
        "resume": ["train", "-q", "--resume", run_dir, "--epochs", 3],
        "checkpoint": ["embed", "-r", run_dir / names.CHECKPOINT],
    }
    refusing = {
        names.CHECKPOINT: {"sample", "resume", "checkpoint"},
        names.RECORD: {"resume"},
        names.LOSSES: {"plot"},
        names.CONFIG: set(),
        names.LOG: set() if make is make_giant else {"resume"},
    }
    if name == names.CONFIG and make is not make_giant:  # this is no run directory
        refusing[names.CONFIG] = {"sample", "plot", "resume"}
    order = ["sample", "plot", "checkpoint"] + (["resume"] if name != names.LOSSES else [])
    for command in order:
        if command == "resume" and "resume" not in refusing[name]:
            continue  # it trains, and replaces the file
        with no_waiting():
            done = cli(*commands[command])
        if command in refusing[name]:
            assert_refused(done, 4, run_dir)
            assert str(path if name != names.CONFIG else run_dir) in done.err
        else:
            assert done.status == 0, (command, done.err)


@pytest.mark.parametrize("make", NO_FILES)
def test_another_run_that_cannot_be_read_is_skipped_with_a_word(
    cli, run_dir, tmp_path, monkeypatch, make
):
    shutil.copytree(run_dir, tmp_path / "runs" / "whole")
    other = shutil.copytree(run_dir, tmp_path / "runs" / "other")
    (other / names.RECORD).unlink()
    make(other / names.RECORD)
    monkeypatch.chdir(tmp_path)
    with no_waiting():
        done = cli("plot-loss")
    assert (done.status, done.out) == (0, "runs/whole/loss.png\n")
    first, second = done.err.splitlines()
    assert first.startswith("Warning: a run is skipped. Cannot read runs/other/run.json: it ")
    assert second == "Reading runs/whole, the newest run; -r chooses another."


@pytest.mark.parametrize("seed", range(3))
def test_a_flipped_bit_in_a_tensor_is_a_checksum_mismatch(cli, run_dir, seed):
    random = np.random.default_rng(seed)
    path = run_dir / names.CHECKPOINT
    content = bytearray(path.read_bytes())
    first = 8 + struct.unpack("<Q", content[:8])[0]
    content[random.integers(first, len(content))] ^= 1 << random.integers(8)
    path.write_bytes(content)
    assert all(f"Checksum mismatch in {path}" in said for said in refusals(cli, run_dir))


class Command:
    """Runs a command of the system when it is unpickled."""

    def __init__(self, line):
        self.line = line

    def __reduce__(self):
        return os.system, (self.line,)


@pytest.mark.parametrize(
    "dump",
    [
        lambda bomb, path: path.write_bytes(pickle.dumps(bomb)),
        lambda bomb, path: torch.save({"model": bomb}, path),
        lambda bomb, path: torch.save(bomb, path, _use_new_zipfile_serialization=False),
    ],
)
def test_a_malicious_pickle_runs_nothing(cli, run_dir, dump):
    mark = run_dir / "mark"
    dump(Command(f"echo > {mark}"), run_dir / names.CHECKPOINT)
    assert all("is not a vaecli checkpoint" in said for said in refusals(cli, run_dir))
    assert not mark.exists()


def test_tensors_that_do_not_fit_are_named_up_to_three(cli, run_dir):
    path = run_dir / names.CHECKPOINT
    tensors, header = checkpoint.load(path)
    header.pop("format")
    ours = sorted(name for name in tensors if name.startswith("model."))
    del tensors[ours[0]]
    tensors["model.additional"] = torch.zeros(2)
    for name in (ours[1], ours[-1]):
        tensors[name] = torch.zeros(1, 1, 1)
    checkpoint.save(path, tensors, header)
    for said in refusals(cli, run_dir):
        assert said.count("expected ") == 3
        for name, shape in ((ours[0], "nothing"), ("additional", r"(2,)"), (ours[1], "(1, 1, 1)")):
            assert re.search(
                rf"{name.removeprefix('model.')}: expected .*, found {re.escape(shape)}", said
            )
        assert ours[-1].removeprefix("model.") not in said


@pytest.fixture
def without_accelerators(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_a_run_trained_on_cuda_is_read_without_one(cli, run_dir, without_accelerators):
    """The file says `--device cuda`; its tensors are bytes of no device."""
    path = run_dir / names.CHECKPOINT
    tensors, header = checkpoint.load(path)
    header["config"]["device"] = "cuda"
    checkpoint.save(path, tensors, header)
    drawn = (run_dir / "samples.png").read_bytes()
    for command in ("sample", "reconstruct", "embed"):
        done = cli(command, "-r", run_dir)
        assert (done.status, done.err) == (0, "")
    assert (run_dir / "samples.png").read_bytes() == drawn
    resume = ["train", "-q", "--resume", run_dir, "--epochs", 3]
    refused = cli(*resume)
    assert_refused(refused, 2, run_dir)
    assert "--device cuda: this machine has cpu" in refused.err
    done = cli(*resume, "--device", "cpu")
    assert done.status == 0
    assert_clean(done, run_dir, result=f"{run_dir}\n")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_tensors_saved_from_cuda_load_on_the_cpu(tmp_path):
    saved = {"a": torch.arange(6.0, device="cuda").view(2, 3)}
    checkpoint.save(tmp_path / "c", saved, {})
    loaded = checkpoint.load(tmp_path / "c")[0]["a"]
    torch.testing.assert_close(loaded, saved["a"].cpu(), rtol=0, atol=0)
    assert loaded.device.type == "cpu"
