"""Tests of what an exported file says of its model."""

import json
from types import SimpleNamespace

from tests.builders import build
from vaecli.config.config import Config
from vaecli.export.graphs import makers
from vaecli.export.metadata import describe, describe_graph, preparation_text
from vaecli.run.find import open_run


def test_the_metadata_are_those_of_the_run(trained):
    run = open_run(trained)
    about = describe(run, run.model())
    assert json.loads(about["image_shape"]) == [1, 8, 8]
    assert json.loads(about["image_range"]) == [0, 1]
    assert about["latent_dim"] == "3"
    assert json.loads(about["latent_shape"]) == [3]
    assert about["network"].startswith("mlp:width=16,depth=1")
    assert about["epochs"] == "2"
    assert about["fitted_prior"] == "none"
    assert json.loads(about["conditional"]) is False
    assert about["protocol"] == run.model().likelihood.protocol("none")
    assert about["classes"] == "2"
    assert json.loads(about["class_names"]) == []
    assert all(isinstance(value, str) for value in about.values())


def test_the_preparation_is_said_for_every_choice():
    text = preparation_text(Config(resize="pad", binarize="threshold"), (3, 32, 48))
    assert text == (
        "Lay alpha over white, convert to RGB, pad an image of another aspect with white, resize "
        "to 48x32 pixels (width x height) with a Lanczos filter, divide by 255 and order as "
        "(batch, 3, 32, 48). Then make each value above 0.5 a 1, and the others 0."
    )
    assert "grey, cut the middle" in preparation_text(Config(), (1, 28, 28))
    assert "ignore the aspect" in preparation_text(Config(resize="stretch"), (1, 28, 28))
    assert "probability" in preparation_text(Config(binarize="dynamic"), (1, 28, 28))


def test_the_metadata_are_those_of_the_checkpoint_and_not_the_defaults():
    config = Config(
        binarize="dynamic",
        conditional=True,
        fitted_prior="mixture:components=2",
        latent_dim=4,
        network="mlp:width=8",
        resize="pad",
    )
    model, objective = build(config, (3, 8, 12), classes=3)
    header = SimpleNamespace(
        config=config, shape=(3, 8, 12), classes=3, class_names=["z", "ä", "b"], history=[None] * 7
    )
    run = SimpleNamespace(config=Config(), contents=({}, header), has_fitted_prior=lambda: True)
    about = describe(run, model)
    expected = {
        "binarize": "dynamic",
        "classes": "3",
        "class_names": '["z", "ä", "b"]',
        "conditional": "true",
        "epochs": "7",
        "image_preparation": preparation_text(config, (3, 8, 12)),
        "image_shape": "[3, 8, 12]",
        "latent_dim": "4",
        "protocol": model.likelihood.protocol("dynamic"),
    }
    assert about.items() >= expected.items()
    assert expected["protocol"] != model.likelihood.protocol("none")
    assert about["network"].startswith("mlp:width=8,")
    assert about["fitted_prior"].startswith("mixture:components=2")
    ports = describe_graph(makers(model.eval(), objective, (3, 8, 12))["decoder"]())
    assert [port["name"] for port in json.loads(ports["inputs"])] == ["latent", "label"]
    assert [port["name"] for port in json.loads(ports["outputs"])] == ["pixels"]
    assert json.loads(ports["inputs"])[1]["meaning"].endswith("from 0 to 2.")
