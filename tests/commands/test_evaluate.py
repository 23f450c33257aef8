"""`vaecli evaluate`: the bound, and the likelihood it is a bound of."""

import json
import math
import re

import pytest
import torch

import vaecli
from tests.conftest import bars
from vaecli import checkpoint
from vaecli.evaluation import log_likelihood

CONFIG = vaecli.Config(latent_dim=1, network="mlp:width=8,depth=1", epochs=30, lr=1e-2)
DATA = bars(64)


@pytest.fixture(scope="module")
def model():
    state = vaecli.start(CONFIG, DATA)
    list(vaecli.fit(state, DATA, DATA))
    return state.model.eval()


def quadrature(model, images):
    """`log p(x)` of each image by the sum over a fine grid of the one latent."""
    z = torch.linspace(-12, 12, 4801)
    x = images.pixels(slice(None))
    with torch.no_grad():
        log_px = model.likelihood(z.view(-1, 1, 1).expand(-1, len(x), 1)).log_prob(x)
        log_pz = model.prior().log_prob(z.unsqueeze(-1)).unsqueeze(1)
    return (log_px + log_pz).logsumexp(0) + math.log(24 / 4800)


def test_the_estimate_is_the_likelihood_by_quadrature(model):
    images = DATA.first(8)
    found = log_likelihood(model, images, 5000, seed=0)
    torch.testing.assert_close(found, quadrature(model, images), atol=0.06, rtol=0)


def test_the_estimate_rises_from_the_bound_to_the_likelihood(model):
    images = bars(64, seed=3)
    means = [log_likelihood(model, images, k, seed=0).mean().item() for k in (1, 10, 1000)]
    exact = quadrature(model, images).mean().item()
    assert means == sorted(means)
    assert means[0] < exact - 0.1
    assert means[2] == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize("rows", [7, 40, 1000])
def test_few_latents_are_decoded_at_a_time(model, monkeypatch, rows):
    from vaecli import evaluation

    monkeypatch.setattr(evaluation, "MAX_DECODED_LATENTS", rows)
    seen, done = [], []
    hook = model.likelihood.decoder.register_forward_hook(lambda *a: seen.append(len(a[2])))
    found = log_likelihood(model, DATA.first(5), 20, 0, done.append)
    hook.remove()
    assert max(seen) <= rows
    assert (sum(seen), sum(done), found.shape) == (100, 5, (5,))


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
