"""`evaluate` and `embed` by several processes: the results, and the errors, of one."""

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.benchmarks.two_nodes import children
from tests.experiments.test_resumed_from_the_cache import MAPPED
from tests.processes import PATIENCE, begin, end, posix
from tests.several import run_several
from vaecli.run import checkpoint, names

pytestmark = [posix, pytest.mark.slow]

# On process 1 the images are others.
OTHER_IMAGES = """
import os
import re
from dataclasses import replace
from vaecli.data import splits
def other(*arguments, select=splits._select):
    images = select(*arguments)
    return replace(images, x=255 - images.x) if os.environ["RANK"] == "1" else images
splits._select = other
"""


def together(count, *arguments, fault=""):
    """What the first of so many processes says; the others say nothing, and end as it does."""
    faults = dict.fromkeys(range(count), fault)
    first, *others = run_several(count, *arguments, faults=faults)
    for other in others:
        assert other == (first.status, "", "")
    return first


def assert_same_result(found, expected):
    """The same JSON, but for the rounding of sums; estimates are the same to the last bit."""
    assert (found.status, found.err) == (0, expected.err)
    assert found.out.count("\n") == 1
    results = json.loads(found.out), json.loads(expected.out)
    assert list(results[0]) == list(results[1])
    for name, value in results[1].items():
        exact = name in ("nll", "negative_bound", "standard_error") or not isinstance(value, float)
        wanted = value if exact else pytest.approx(value, rel=1e-6)
        assert results[0][name] == wanted, name


@pytest.mark.parametrize("options", [("--samples", 1500, "-n", 31), ("-n", 1)], ids=str)
def test_processes_evaluate_as_one(cli, trained, options):
    arguments = ("evaluate", "-r", trained, *options)
    assert_same_result(together(3, *arguments), cli(*arguments))


def test_processes_embed_as_one(cli, trained, tmp_path):
    files = [tmp_path / "one.npz", tmp_path / "three.npz"]
    cli("embed", "-r", trained, "-o", files[0])
    done = together(3, "embed", "-r", trained, "-o", files[1])
    assert done == (0, f"{files[1]}\n", "")
    assert files[1].read_bytes() == files[0].read_bytes()


def test_every_process_reads_images_that_are_mapped_from_a_file(
    cli, trained, tmp_path, monkeypatch
):
    monkeypatch.setenv("VAECLI_CACHE", str(tmp_path / "cache"))
    arguments = ("evaluate", "-r", trained, "--samples", 1500)
    assert_same_result(together(2, *arguments, fault=MAPPED), cli(*arguments))
    done = together(2, *arguments, fault=OTHER_IMAGES + MAPPED)
    assert (done.status, done.out) == (3, "")
    assert done.err == (
        "Error: Process 1: The images of mnist differ from those of process 0: copy the same files "
        "to every machine.\n"
    )


def test_only_process_0_says_what_is_wrong(cli, trained, tmp_path):
    tensors, header = checkpoint.load(trained / names.CHECKPOINT)
    for name, tensor in tensors.items():
        if name.startswith("model.likelihood"):
            tensor.fill_(1e30)
    checkpoint.save(tmp_path / "wild.safetensors", tensors, header)
    for arguments in (
        ("evaluate", "-r", tmp_path / "wild.safetensors"),
        ("embed", "-r", tmp_path / "nothing"),
        ("evaluate", "-r", trained, "--metrics", "samples", "--samples", 3),
    ):
        expected = cli(*arguments)
        assert expected.status
        assert together(2, *arguments) == expected


def is_second(pid):
    """Whether its environment says that it is process 1."""
    return b"\0RANK=1\0" in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_killed_process_ends_the_command(trained):
    process = begin("evaluate", "-r", trained, "--samples", 1_000_000, "--devices", 2)
    deadline = time.monotonic() + PATIENCE
    while not (killed := [pid for pid in children(process.pid) if is_second(pid)]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(10)  # it computes, or is about to
    os.kill(killed[0], signal.SIGKILL)
    began = time.monotonic()
    done = end(process)
    assert (done.status, done.out) == (137, "")
    assert re.fullmatch(r"Error: Process 1 was ended by SIGKILL.*\n", done.err)
    assert time.monotonic() - began < 60
