"""Checkpoints of older formats, read as if they were of today's."""

import json
import re

import pytest
import torch
from safetensors.torch import save

import vaecli
from tests.runs import assert_same_tensors
from vaecli.run import checkpoint, migrate, names

TABLES = {
    "TENSORS": {r"^old\.": "new."},
    "COLUMNS": {"": {"penalty": ("vq_loss", 1.0)}, "factor": {"critic": ("discriminator", 2.0)}},
}


@pytest.fixture
def tables(monkeypatch):
    """Tables of a single name each, so that the tests do not depend on what was renamed."""
    for name, table in TABLES.items():
        monkeypatch.setattr(migrate, name, table)


def old_header(objective, **means):
    """A format-1 header whose epoch and position have these metrics."""
    epoch = {"number": 1, "train": means, "test": means, "train_seconds": 1, "test_seconds": 1}
    return {
        "format": 1,
        "config": {"objective": objective},
        "history": [epoch, {**epoch, "number": 2, "valid": means}],
        "position": {"batch": 2, "names": list(means), "images": 64},
    }


def test_metrics_of_an_old_header_take_their_new_names_and_scales(tables):
    header = old_header("factor:gamma=10.0", loss=3.0, penalty=1.0, critic=0.5)
    tensors = {"means.sums": torch.tensor([30.0, 10.0, 5.0])}
    tensors, upgraded = migrate.upgrade(tensors, header)
    wanted = {"loss": 3.0, "vq_loss": 1.0, "discriminator": 1.0}
    assert [epoch["train"] for epoch in upgraded["history"]] == [wanted, wanted]
    assert [epoch["test"] for epoch in upgraded["history"]] == [wanted, wanted]
    assert [epoch.get("valid") for epoch in upgraded["history"]] == [None, wanted]
    assert upgraded["position"]["names"] == list(wanted)
    assert upgraded["position"]["batch"] == 2
    assert tensors["means.sums"].tolist() == [30.0, 10.0, 10.0]  # of an epoch in progress


def test_a_metric_that_another_objective_renamed_stays(tables):
    header = old_header("adversarial", loss=3.0, critic=0.5)
    tensors, upgraded = migrate.upgrade({"means.sums": torch.tensor([30.0, 5.0])}, header)
    assert upgraded["history"][0]["train"] == {"loss": 3.0, "critic": 0.5}
    assert tensors["means.sums"].tolist() == [30.0, 5.0]


def test_tensors_of_an_old_checkpoint_take_their_new_names(tables):
    saved = {"old.weight": torch.ones(2), "very.old.weight": torch.zeros(2)}
    tensors, _ = migrate.upgrade(saved, old_header("elbo"))
    assert list(tensors) == ["new.weight", "very.old.weight"]
    assert torch.equal(tensors["new.weight"], torch.ones(2))


def test_an_upgraded_header_says_todays_format(tables):
    _, upgraded = migrate.upgrade({}, old_header("elbo"))
    assert upgraded["format"] == checkpoint.FORMAT
    assert upgraded["readable_by"] == checkpoint.READABLE_BY


def test_a_checkpoint_of_today_is_not_translated(tables):
    tensors = {"old.weight": torch.ones(2)}
    header = {**old_header("factor", critic=0.5), "format": checkpoint.FORMAT}
    found, same = migrate.upgrade(tensors, header)
    assert list(found) == ["old.weight"]
    assert same == header


@pytest.mark.parametrize(
    "broken",
    [
        {"history": None},
        {"history": [None]},
        {"history": [{"train": {"loss": "x", "critic": "y"}}]},
        {"config": None},
        {"config": {}},
        {"position": None},
        {"position": {"names": [[1]]}},
        {"position": {"names": ["loss", "critic", "more"]}},
    ],
)
def test_a_broken_old_header_is_left_to_the_check_of_headers(tables, broken):
    header = {**old_header("factor", loss=1.0, critic=0.5), **broken}
    tensors, upgraded = migrate.upgrade({"means.sums": torch.zeros(2)}, header)
    assert upgraded["format"] == checkpoint.FORMAT
    assert tensors.keys() == {"means.sums"}


def test_no_new_name_is_translated_again():
    """Else a checkpoint of an older format would be read otherwise than one of today."""
    renamed = {old: row for table in migrate.COLUMNS.values() for old, row in table.items()}
    assert not renamed.keys() & {new for new, _ in renamed.values()}
    for replacement in migrate.TENSORS.values():
        sample = re.sub(r"\\\d", "x", replacement) + "weight"
        assert migrate._tensor_name(sample) == sample


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("optimizer.mean.3", "optimizer.exp_avg.3"),
        ("optimizer.square.0", "optimizer.exp_avg_sq.0"),
        ("optimizer.count", "optimizer.step"),
        ("objective.critic.net.0.weight", "objective.discriminator.net.0.weight"),
        ("model.posterior.head.weight", "model.posterior.head.weight"),
        ("means.sums", "means.sums"),
    ],
)
def test_tensors_of_the_first_release_have_todays_names(old, new):
    assert list(migrate.upgrade({old: torch.zeros(1)}, old_header("elbo"))[0]) == [new]


@pytest.mark.parametrize(
    ("objective", "old", "new", "factor"),
    [
        ("elbo", "penalty", "vq_loss", 1),
        ("adversarial", "critic", "discriminator_loss", 1),
        ("adversarial:weight=100.0", "fooled", "fooled_fraction", 1),
        ("factor:gamma=10.0", "critic", "discriminator_loss", 2),  # it was halved
        ("vae-gan", "error", "feature_error", 1),
        ("m2", "error", "classification_error", 1),
        ("rae", "code", "latent_l2", 1),
        ("rae", "roughness", "decoder_penalty", 1),
        ("betatc", "total_correlation", "total_correlation", 1),
    ],
)
def test_columns_of_the_first_release_have_todays_names(objective, old, new, factor):
    header = old_header(objective, loss=4.0, **{old: 0.25})
    tensors, upgraded = migrate.upgrade({"means.sums": torch.tensor([8.0, 0.5])}, header)
    assert upgraded["history"][1]["valid"] == {"loss": 4.0, new: 0.25 * factor}
    assert upgraded["position"]["names"] == ["loss", new]
    assert tensors["means.sums"].tolist() == [8.0, 0.5 * factor]


def test_a_file_of_the_first_format_is_opened(run_dir):
    path = run_dir / names.CHECKPOINT
    expected = vaecli.open(run_dir).model().state_dict()
    tensors, header = checkpoint.load(path)
    del header["readable_by"]
    header["format"] = 1
    header["sha256"] = checkpoint._digest(tensors, header)
    path.write_bytes(save(tensors, metadata={checkpoint.KEY: json.dumps(header)}))
    run = vaecli.open(run_dir)
    assert_same_tensors(run.model().state_dict(), expected)
    assert [epoch.number for epoch in run.history()] == [1, 2]
    assert run.history()[0].train.keys() == {"loss", "distortion", "rate"}
