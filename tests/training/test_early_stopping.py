"""Which epoch is best, and why training ends."""

import pytest

import vaecli
from vaecli.config.build import monitor_of
from vaecli.training.early_stopping import best_epoch, stop_reason
from vaecli.training.epoch import Epoch


def history(losses, **more):
    """Epochs with these validation losses; `more` names other metrics."""
    epochs = []
    for i, loss in enumerate(losses):
        valid = {"loss": loss, **{name: values[i] for name, values in more.items()}}
        epochs.append(Epoch(i + 1, {"loss": 1.0}, {"loss": -float(i)}, 0.0, 0.0, valid))
    return epochs


@pytest.mark.parametrize(
    ("losses", "patience", "is_over"),
    [
        ([3, 2, 1, 1.5, 1.2], 2, True),
        ([3, 2, 1, 1.5, 0.9], 2, False),
        ([1, 1, 1], 2, True),  # as low is not lower
        ([1], 1, False),
        ([2, 3], 1, True),
        ([3, 2, 4, 5, 6], None, False),
    ],
)
def test_patience_counts_the_epochs_since_the_lowest_loss(losses, patience, is_over):
    config = vaecli.Config(validation=1, patience=patience)
    assert bool(stop_reason(config, history(losses), "loss")) == is_over
    assert best_epoch(history(losses), "loss").number == losses.index(min(losses)) + 1


def test_without_a_validation_set_no_epoch_is_best():
    epochs = [Epoch(1, {"loss": 1.0}, {"loss": 1.0}, 0.0, 0.0)]
    assert best_epoch(epochs, "loss") is None
    assert best_epoch([], "loss") is None
    assert stop_reason(vaecli.Config(), epochs, "loss") is None


def test_training_is_over_when_its_epochs_are_done():
    assert stop_reason(vaecli.Config(epochs=3), history([1, 1]), "loss") is None
    assert stop_reason(vaecli.Config(epochs=1), history([1]), "loss") == "its one epoch is done"
    for epochs in (2, 1):
        reason = stop_reason(vaecli.Config(epochs=epochs), history([1, 1]), "loss")
        assert reason == "all 2 epochs are done"


@pytest.mark.parametrize(
    ("preset", "monitor"),
    [
        ("vae", "loss"),
        ("beta-tc-vae", "loss"),
        ("aae", "distortion"),
        ("factor-vae", "distortion"),
        ("vae-gan", "distortion"),
    ],
)
def test_where_a_discriminator_trains_the_validation_distortion_decides(preset, monitor):
    from vaecli.config.presets import config_from_layers

    config = config_from_layers(
        {"preset": preset, "validation": 1, "patience": 2, "network": "mlp:width=4"}
    )
    assert monitor_of(config) == monitor
    epochs = history([3, 2, 1, 0, -1], distortion=[5, 4, 4.5, 5, 6])
    state = vaecli.start(config, images())
    assert state.objective.monitor == monitor
    if monitor == "loss":
        assert stop_reason(config, epochs, monitor) is None
        assert best_epoch(epochs, monitor).number == 5
    else:
        assert best_epoch(epochs, monitor).number == 2
        reason = stop_reason(config, epochs, monitor)
        assert reason == (
            "the validation distortion was lowest after epoch 2 and not lower up to epoch 5"
        )


def images():
    from tests.conftest import bars

    return bars(8)
