"""`vaecli evaluate`: what it prints, and what it refuses."""

import json
import re

import pytest

import vaecli
from vaecli.evaluation.bounds import log_likelihood
from vaecli.run import checkpoint


def test_evaluate_prints_one_line_of_json(cli, trained):
    done = cli("evaluate", "-r", trained, "-n", 30, "--samples", 50)
    assert (done.status, done.err) == (0, "")
    found = json.loads(done.out)
    assert found["loss"] == pytest.approx(found["distortion"] + found["rate"], rel=1e-5)
    assert (found["split"], found["images"], found["samples"]) == ("test", 30, 50)
    assert found["nll"] < found["loss"]
    run = vaecli.open(trained)
    test = vaecli.load(run.config).test.first(30)
    wanted = -log_likelihood(run.model(), test, 50, 0).mean().item()
    assert found["nll"] == pytest.approx(wanted, rel=1e-6)
    assert "nll" not in json.loads(cli("evaluate", "-r", trained).out)


def test_a_point_has_no_likelihood(cli, digits, tmp_path):
    from tests.commands.test_process import arguments

    cli(*arguments(digits, tmp_path / "run", "-q", "--epochs", 1, "--preset", "ae"))
    found = json.loads(cli("evaluate", "-r", tmp_path / "run").out)
    assert "distortion" in found
    assert "loss" not in found
    done = cli("evaluate", "-r", tmp_path / "run", "--samples", 5)
    assert done.status == 2
    assert "needs a posterior with a density" in done.err


def test_a_score_that_is_no_number_is_not_printed(cli, trained, tmp_path):
    tensors, header = checkpoint.load(trained / "checkpoints/last.safetensors")
    wild = {n: t.fill_(1e30) if n.startswith("model.likelihood") else t for n, t in tensors.items()}
    checkpoint.save(tmp_path / "wild.safetensors", wild, header)
    done = cli("evaluate", "-r", tmp_path / "wild.safetensors")
    assert (done.status, done.out) == (5, "")
    assert re.fullmatch(r"Error: The distortion of .* is (inf|nan)\.\n", done.err)
