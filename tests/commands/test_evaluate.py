"""`vaecli evaluate`: one line of JSON, what it says of its numbers, and what is refused."""

import json
import re
import shutil

import pytest

import vaecli
from tests.conftest import bars, idx
from tests.conftest import vaecli as vaecli_command
from tests.runs import arguments
from vaecli.evaluation.bounds import log_likelihood
from vaecli.run import checkpoint, names

PART = (
    "Warning: These are 30 of 40 test images, chosen at random by the seed: their numbers differ "
    "from those of all.\n"
)
DESCRIPTION = ["split", "images", "of", "seed", "protocol", "quantity"]
BOUND = ["distortion", "rate", "negative_elbo"]


def test_the_result_is_one_line_of_json(cli, trained):
    done = cli("evaluate", "-r", trained, "--samples", 50)
    assert (done.status, done.err) == (0, "")
    assert done.out.count("\n") == 1
    found = json.loads(done.out)
    estimate = ["samples", "negative_bound", "standard_error"]
    assert list(found) == [*DESCRIPTION, *BOUND, "loss", *estimate]
    assert found["negative_elbo"] == pytest.approx(found["distortion"] + found["rate"], rel=1e-5)
    assert found["loss"] == found["negative_elbo"]
    assert (found["split"], found["images"], found["of"], found["seed"]) == ("test", 40, 40, 0)
    assert (found["quantity"], found["samples"]) == ("p(x)", 50)
    assert found["negative_bound"] < found["negative_elbo"]
    run = vaecli.open(trained)
    expected = -log_likelihood(run.model(), vaecli.load(run.config).test, 50, 0).mean().item()
    assert found["negative_bound"] == pytest.approx(expected, rel=1e-6)
    plain = cli("evaluate", "-r", trained).out
    assert list(json.loads(plain)) == [*DESCRIPTION, *BOUND, "loss"]
    for text in (done.out, plain):  # grey pixels under a Bernoulli have none
        assert "nll" not in text
        assert "likelihood" not in text


def test_a_part_of_the_images_is_chosen_by_the_seed_and_said(cli, trained):
    done = cli("evaluate", "-r", trained, "-n", 30)
    assert (done.status, done.err) == (0, PART)
    first = json.loads(done.out)
    assert (first["images"], first["of"]) == (30, 40)
    assert done == cli("evaluate", "-r", trained, "-n", 30)
    run = vaecli.open(trained)
    part = vaecli.load(run.config).test.random_part(30, 0)
    x = part.pixels(slice(None))
    rate = run.model().draw(x).rate.mean().item()
    assert first["rate"] == pytest.approx(rate, rel=1e-5)
    second = json.loads(cli("evaluate", "-r", trained, "-n", 30, "--seed", 1).out)
    assert second["rate"] != pytest.approx(rate, rel=1e-4)  # the rate has no noise but the choice
    whole = cli("evaluate", "-r", trained, "-n", 40)
    assert whole == cli("evaluate", "-r", trained)
    assert whole.err == ""
    done = cli("evaluate", "-r", trained, "-n", 41)
    assert (done.status, done.err) == (2, "Error: --count 41: there are only 40 images.\n")


def test_the_seed_decides_the_noise(cli, trained):
    first, second = (json.loads(cli("evaluate", "-r", trained, "--seed", n).out) for n in (0, 1))
    assert (first["seed"], second["seed"]) == (0, 1)
    assert first["rate"] == second["rate"]
    assert first["distortion"] != second["distortion"]
    first, second = (
        json.loads(cli("evaluate", "-r", trained, "--samples", 5, "--seed", n).out) for n in (0, 1)
    )
    assert first["negative_bound"] != second["negative_bound"]


def test_every_split_can_be_evaluated(cli, trained):
    train = json.loads(cli("evaluate", "-r", trained, "--split", "train").out)
    assert (train["split"], train["images"]) == ("train", 96)
    last = vaecli.open(trained).history()[-1]
    test = json.loads(cli("evaluate", "-r", trained).out)
    assert test["images"] == 40
    assert test["negative_elbo"] == pytest.approx(last.test["loss"], rel=1e-5)


def test_a_run_that_uses_the_first_images_says_so(cli, digits, tmp_path):
    run = tmp_path / "run"
    options = ("--train-images", 50, "--validation", 10, "--test-images", 20)
    assert cli(*arguments(digits, run, "-q", "--epochs", 1, *options)).status == 0
    said = {}
    for split, images, of in (("train", 40, 86), ("test", 20, 40), ("validation", 10, 10)):
        done = cli("evaluate", "-r", run, "--split", split)
        found = json.loads(done.out)
        assert (found["images"], found["of"]) == (images, of), split
        said[split] = done.err
    assert said["test"] == (
        "Warning: These are the first 20 of 40 test images, because the run has --test-images 20. "
        "The first images of MNIST are easier than the rest: do not compare their numbers with "
        "those of all.\n"
    )
    assert (
        "the first 40 of 86 train images, because the run has --train-images 50." in said["train"]
    )
    assert said["validation"] == ""
    done = cli("evaluate", "-r", run, "-n", 5)
    assert done.err.count("Warning: ") == 2
    assert json.loads(done.out)["of"] == 40


def test_a_limit_that_leaves_out_no_image_is_no_limit(cli, digits, tmp_path):
    run = tmp_path / "run"
    cli(*arguments(digits, run, "-q", "--epochs", 1, "--test-images", 40))
    assert cli("evaluate", "-r", run).err == ""


def test_a_conditional_model_is_evaluated_given_the_label(cli, conditional):
    found = json.loads(cli("evaluate", "-r", conditional, "--samples", 5).out)
    assert found["quantity"] == "p(x|y)"


@pytest.fixture(scope="module")
def m2(digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("m2") / "run"
    options = ("--objective", "m2", "--conditional", "--labels", 20, "--binarize", "threshold")
    assert vaecli_command(*arguments(digits, folder, "-q", "--epochs", 4, *options)) == 0
    return folder


def test_m2_sums_the_label_out_and_counts_the_errors_of_its_classifier(cli, m2):
    found = json.loads(cli("evaluate", "-r", m2, "--samples", 5).out)
    estimate = ["samples", "nll", "standard_error"]
    assert list(found) == [*DESCRIPTION, *BOUND, "classification_error", "loss", *estimate]
    assert found["quantity"] == "p(x)"
    last = vaecli.open(m2).history()[-1].test
    for name, column in (("distortion", "distortion"), ("rate", "rate"), ("negative_elbo", "loss")):
        assert found[name] == pytest.approx(last[column], rel=1e-5)
    assert found["classification_error"] == pytest.approx(last["classification_error"])
    assert found["nll"] < found["negative_elbo"]


def test_m2_is_evaluated_on_images_that_lack_the_last_classes(cli, m2, digits, tmp_path):
    run = shutil.copytree(m2, tmp_path / "run")
    folder = shutil.copytree(digits, tmp_path / "digits")
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(0 * bars(40).labels.numpy()))
    tensors, header = checkpoint.load(run / names.CHECKPOINT)
    header["config"]["data_dir"] = str(folder)
    checkpoint.save(run / names.CHECKPOINT, tensors, header)
    found = json.loads(cli("evaluate", "-r", run).out)
    before = json.loads(cli("evaluate", "-r", m2).out)
    assert found["negative_elbo"] == before["negative_elbo"]
    assert 0 <= found["classification_error"] <= 1


PRIORS = ["prior", "trained_prior"]


@pytest.mark.parametrize("preset", ["ae", "vq-vae"])
def test_the_samples_of_a_single_point_are_refused(cli, digits, tmp_path, preset):
    options = ("-q", "--epochs", 1, "--preset", preset, "--latent-dim", 4)
    cli(*arguments(digits, tmp_path / "run", *options))
    found = json.loads(cli("evaluate", "-r", tmp_path / "run").out)
    more = {"ae": ["distortion"], "vq-vae": [*BOUND, "vq_loss", "loss", *PRIORS]}[preset]
    assert list(found) == [*DESCRIPTION, *more]
    done = cli("evaluate", "-r", tmp_path / "run", "--samples", 5)
    assert (done.status, done.out) == (2, "")
    assert done.err == (
        "Error: --samples 5: the posterior of this model is a single point, so that all its "
        "samples are the same: leave this out.\n"
    )


def test_the_help_says_which_key_is_old(cli):
    words = " ".join(cli("evaluate", "-h").out.split())
    assert "loss, the old name of negative_elbo, will be removed" in words
    assert "chosen at random" in words


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


@pytest.mark.parametrize("objective", ["m2", "factor"])
def test_the_best_checkpoint_holds_the_networks_of_the_objective(cli, digits, tmp_path, objective):
    m2 = ("--conditional", "--labels", 20) if objective == "m2" else ()
    options = ("-q", "--epochs", 2, "--validation", 30, "--objective", objective, *m2)
    assert cli(*arguments(digits, tmp_path / "run", *options)).status == 0
    done = cli("evaluate", "-r", tmp_path / "run", "--checkpoint", "best")
    assert (done.status, done.err) == (0, "")
    assert json.loads(done.out)["negative_elbo"] > 0
    best = tmp_path / "run" / names.BEST
    tensors, header = checkpoint.load(best)
    old = {name: tensor for name, tensor in tensors.items() if name.startswith("model.")}
    checkpoint.save(best, old, header)
    done = cli("evaluate", "-r", tmp_path / "run")
    if objective == "factor":  # its discriminator is for training only
        assert (done.status, done.err) == (0, "")
    else:
        assert done.status == 4
        assert "use --checkpoint last" in done.err
