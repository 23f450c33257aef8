"""`vaecli classify`: the error of logistic regression on latents."""

import json

import pytest

import vaecli
from tests.conftest import bars
from vaecli.evaluation.classification import error_rate, fit_logistic_regression
from vaecli.evaluation.embeddings import embed


def test_classify_prints_one_strict_json_object(cli, run_dir):
    done = cli("classify", "-r", run_dir, "--labels", 40, "--seed", 3)
    assert (done.status, done.err) == (0, "")
    assert done.out.count("\n") == 1
    found = json.loads(done.out, parse_constant=pytest.fail)
    model = vaecli.open(run_dir).model()
    train = bars(96).hide_labels(40, 3)
    test = bars(40, seed=1)
    known = embed(model, train.subset(train.labelled_indices))
    classifier = fit_logistic_regression(known.mean, known.label)
    wrong = error_rate(classifier, embed(model, test).mean, test.labels.numpy())
    assert found == {"labels": 40, "seed": 3, "test_images": 40, "test_error": wrong}
    assert cli("classify", "-r", run_dir, "--labels", 40, "--seed", 3).out == done.out


def test_labels_that_cannot_be_split_evenly_among_the_classes_are_refused(cli, run_dir):
    done = cli("classify", "-r", run_dir, "--labels", 5)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(
        "Error: --labels 5: must be a multiple of 2 (the number of classes), at most "
    )


def test_a_conditional_model_is_refused(cli, conditional):
    done = cli("classify", "-r", conditional)
    assert (done.status, done.out) == (2, "")
    assert "A conditional model reads the labels to predict" in done.err
