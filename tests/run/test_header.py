"""Headers of checkpoints that are false: refused before anything is built from them."""

from copy import deepcopy
from dataclasses import asdict

import pytest
import torch

import vaecli
from vaecli.run import checkpoint, history, names, restore
from vaecli.run.header import Header
from vaecli.system.errors import RunError
from vaecli.training.divergence import MAX_ROLLBACKS

MEANS = {"loss": 1.0, "distortion": 1.0, "rate": 0.0}
EPOCH = {"number": 1, "train": MEANS, "test": MEANS, "train_seconds": 1.0, "test_seconds": 1.0}


def change_header(run, **changes):
    """Save the last checkpoint of a run under another header."""
    tensors, header = checkpoint.load(run / names.CHECKPOINT)
    checkpoint.save(run / names.CHECKPOINT, tensors, {**header, **changes})


def test_a_header_is_read_as_it_was_written(run_dir):
    path = run_dir / names.CHECKPOINT
    values = checkpoint.load(path)[1]
    header = Header.from_values(values, path)
    assert header.shape == (1, 8, 8)
    assert header.classes == 2
    assert header.vaecli == vaecli.__version__
    assert [epoch.number for epoch in header.history] == [1, 2]
    assert header.position.batch == 0
    assert header.class_names == ()
    assert "class_names" not in values


def test_a_checkpoint_of_the_last_rollback_is_read(run_dir):
    position = checkpoint.load(run_dir / names.CHECKPOINT)[1]["position"]
    change_header(run_dir, position={**position, "rollbacks": MAX_ROLLBACKS})
    header = vaecli.open(run_dir).contents[1]
    assert header.position.rollbacks == MAX_ROLLBACKS


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("shape", [28, 28]),
        ("shape", [1, -8, 8]),
        ("shape", [3, 2**31, 2**31]),
        ("classes", -1),
        ("class_names", "ab"),
        ("class_names", ["a"]),
        ("class_names", ["a", "b", "c"]),
        ("class_names", ["a", "a"]),
        ("class_names", ["a", ""]),
        ("class_names", ["a", 1]),
        ("class_names", ["a", "b" * 256]),
        ("class_names", ["a", "\udcff"]),
        ("config", [1]),
        ("config", {"epoch": 3}),
        ("config", {"schema_version": 99}),
        ("config", {"objective": "nonsense"}),
        ("history", [{}]),
        ("history", [EPOCH | {"number": 0}]),
        ("history", [EPOCH | {"train": {}}]),
        ("history", [EPOCH | {"test": {"rate": 1.0}}]),
        ("history", [EPOCH | {"valid": {"rate": 1.0}}]),
        ("history", [EPOCH | {"notes": "none"}]),
        ("history", [EPOCH | {"train_seconds": -1.0}]),
        ("history", [EPOCH | {"test_seconds": -1.0}]),
        ("position", None),
        ("position", {"batch": -1, "seconds": 0.0, "names": [], "images": 0}),
        ("position", {"batch": 0, "seconds": -1.0, "names": [], "images": 0}),
        ("unknown", 1),
    ],
)
def test_a_header_that_cannot_be_used_is_refused(run_dir, key, value):
    change_header(run_dir, **{key: value})
    with pytest.raises(RunError, match="has a broken header"):
        vaecli.open(run_dir).model()


@pytest.mark.parametrize(
    "false", [{"latent_dim": 2**31 - 1}, {"network": "mlp:width=1000000,depth=9"}]
)
def test_a_false_header_cannot_ask_for_memory(run_dir, monkeypatch, false):
    """Its sizes are compared with the tensors before anything so large is made."""
    devices = []

    def build_on(*arguments, real=restore.build):
        devices.append(torch.get_default_device().type)
        return real(*arguments)

    monkeypatch.setattr(restore, "build", build_on)
    vaecli.open(run_dir).model()
    assert devices == ["meta", "cpu"]
    config = checkpoint.load(run_dir / names.CHECKPOINT)[1]["config"]
    change_header(run_dir, config={**config, **false})
    with pytest.raises(RunError, match=r"does not fit its own configuration|broken header"):
        vaecli.open(run_dir).model()
    assert devices == ["meta", "cpu", "meta"]


def test_a_checkpoint_that_does_not_fit_its_configuration_is_refused(run_dir):
    config = checkpoint.load(run_dir / names.CHECKPOINT)[1]["config"]
    change_header(run_dir, config={**config, "latent_dim": 4})
    with pytest.raises(RunError, match=r"posterior.head.bias: expected \(8,\), found \(6,\)"):
        vaecli.open(run_dir).model()


def places(values, at=()):
    """Every place in a header, as the keys that lead to it."""
    if at:
        yield at
    inner = values.items() if isinstance(values, dict) else enumerate(values)
    for key, value in inner:
        if isinstance(value, dict | list) and value:
            yield from places(value, (*at, key))
        else:
            yield (*at, key)


def changed(values, at, value):
    """A copy of a header with another value at a place; none if the value is `KeyError`."""
    copy = deepcopy(values)
    inner = copy
    for key in at[:-1]:
        inner = inner[key]
    if value is KeyError:
        del inner[at[-1]]
    else:
        inner[at[-1]] = value
    return copy


WRONG = (KeyError, None, -1, 3, 10**30, 1.7e308, "x\x1b", [1], {"a": 1})


@pytest.mark.parametrize("value", WRONG, ids=str)
def test_a_false_value_anywhere_in_a_header_is_refused_or_can_be_used(trained, value):
    path = trained / names.CHECKPOINT
    header = checkpoint.load(path)[1]
    refused = 0
    for at in places(header):
        try:
            read = Header.from_values(changed(header, at, value), path)
        except RunError:
            refused += 1
            continue
        history.encode([asdict(epoch) for epoch in read.history])
        assert all(abs(v) <= history.MAX_MEAN for e in read.history for v in e.train.values())
        assert bool(read.position.batch) == bool(read.position.names)
    assert refused > 20


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("history", [EPOCH | {"number": 2}]),
        ("history", [EPOCH, EPOCH]),
        ("history", [EPOCH | {"train": MEANS | {"rate": 1.7e308}}]),
        ("history", [EPOCH | {"train": MEANS | {"rate": -1.7e308}}]),
        ("history", [EPOCH | {"train_seconds": 1.7e308}]),
        ("history", [EPOCH | {"test": {"loss": 1.0}}]),
        ("position", {"batch": 3, "seconds": 0.0, "names": [], "images": 96}),
        ("position", {"batch": 3, "seconds": 0.0, "names": ["loss"], "images": 96}),
        ("position", {"batch": 0, "seconds": 0.0, "names": ["loss", "distortion"], "images": 0}),
        ("position", {"batch": 0, "seconds": 1.7e308, "names": [], "images": 0}),
        ("position", {"batch": 10**30, "seconds": 0.0, "names": [], "images": 10**30}),
    ],
)
def test_a_position_or_history_that_cannot_be_is_refused(trained, key, value):
    path = trained / names.CHECKPOINT
    header = checkpoint.load(path)[1] | {key: value}
    with pytest.raises(RunError, match="has a broken header"):
        Header.from_values(header, path)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
@pytest.mark.parametrize("split", ["train", "test", "valid"])
def test_means_that_are_not_finite_are_refused(run_dir, split, number):
    """JSON has no such numbers, but Python reads and writes them."""
    path = run_dir / names.CHECKPOINT
    epoch = EPOCH | {split: {**MEANS, "rate": number}}
    values = {**checkpoint.load(path)[1], "history": [epoch]}
    with pytest.raises(RunError, match=f"has a broken header: history.0.{split}.rate"):
        Header.from_values(values, path)
    with pytest.raises(ValueError, match="not JSON compliant"):
        change_header(run_dir, history=[epoch])


@pytest.mark.parametrize("seconds", [float("nan"), float("inf")])
def test_seconds_that_are_not_finite_are_refused(run_dir, seconds):
    path = run_dir / names.CHECKPOINT
    values = checkpoint.load(path)[1]
    values["position"]["seconds"] = seconds
    with pytest.raises(RunError, match=r"has a broken header: position\.seconds"):
        Header.from_values(values, path)
