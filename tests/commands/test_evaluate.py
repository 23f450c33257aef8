"""`vaecli evaluate`: one line of JSON, and what is refused."""

import json
import re

import pytest

import vaecli
from tests.runs import arguments
from vaecli.evaluation.bounds import log_likelihood
from vaecli.run import checkpoint, names


def test_the_result_is_one_line_of_json(cli, trained):
    done = cli("evaluate", "-r", trained, "-n", 30, "--samples", 50)
    assert (done.status, done.err) == (0, "")
    assert done.out.count("\n") == 1
    found = json.loads(done.out)
    assert found["loss"] == pytest.approx(found["distortion"] + found["rate"], rel=1e-5)
    assert (found["split"], found["images"], found["samples"]) == ("test", 30, 50)
    assert found["nll"] < found["loss"]
    run = vaecli.open(trained)
    test = vaecli.load(run.config).test.first(30)
    expected = -log_likelihood(run.model(), test, 50, 0).mean().item()
    assert found["nll"] == pytest.approx(expected, rel=1e-6)
    assert "nll" not in json.loads(cli("evaluate", "-r", trained).out)


def test_every_split_can_be_evaluated(cli, trained):
    train = json.loads(cli("evaluate", "-r", trained, "--split", "train").out)
    assert (train["split"], train["images"]) == ("train", 96)
    last = vaecli.open(trained).history()[-1]
    test = json.loads(cli("evaluate", "-r", trained).out)
    assert test["images"] == 40
    assert test["loss"] == pytest.approx(last.test["loss"], rel=1e-5)


def test_a_deterministic_posterior_has_no_likelihood(cli, digits, tmp_path):
    cli(*arguments(digits, tmp_path / "run", "-q", "--epochs", 1, "--preset", "ae"))
    found = json.loads(cli("evaluate", "-r", tmp_path / "run").out)
    assert "distortion" in found
    assert "loss" not in found
    done = cli("evaluate", "-r", tmp_path / "run", "--samples", 5)
    assert done.status == 2
    assert "needs a posterior with a density" in done.err


def test_a_score_that_is_not_finite_is_an_error(cli, trained, tmp_path):
    tensors, header = checkpoint.load(trained / names.CHECKPOINT)
    for name, tensor in tensors.items():
        if name.startswith("model.likelihood"):
            tensor.fill_(1e30)
    checkpoint.save(tmp_path / "wild.safetensors", tensors, header)
    done = cli("evaluate", "-r", tmp_path / "wild.safetensors")
    assert (done.status, done.out) == (5, "")
    assert re.fullmatch(
        r"Error: The distortion of these images is (inf|nan): the model overflows\.\n", done.err
    )
