"""Old names of attributes work, with a warning."""

import pytest
import torch

import vaecli
from tests.conftest import bars
from vaecli.system.renamed import Renamed, RenamedWarning, warn_renamed


class Example:
    def __init__(self):
        self.new = 3

    old = Renamed("new")


def test_an_old_name_gives_the_attribute_and_names_the_new_one():
    with pytest.warns(RenamedWarning, match="^Example.old is now called 'new'.$") as caught:
        assert Example().old == 3
    assert caught[0].filename == __file__  # where the old name stands


def test_an_old_name_of_a_class_gives_the_attribute_of_the_class():
    class Answer:
        new = 4
        old = Renamed("new")

    with pytest.warns(RenamedWarning):
        assert Answer.old == 4


def test_users_see_the_warning_without_asking_for_it():
    """Python hides a DeprecationWarning from them, not a FutureWarning."""
    assert issubclass(RenamedWarning, FutureWarning)


def test_the_public_classes_keep_their_old_names():
    images = bars(20)
    with pytest.warns(RenamedWarning):
        assert torch.equal(images.context(slice(2)), images.one_hot_labels(slice(2)))
    with pytest.warns(RenamedWarning):
        assert torch.equal(images.at(slice(3)).x, images.subset(slice(3)).x)
    with pytest.warns(RenamedWarning):
        hidden = images.hide(4, 0)
    with pytest.warns(RenamedWarning):
        assert torch.equal(hidden.labelled, hidden.labelled_indices)
    config = vaecli.Config(network="mlp:width=4,depth=1", latent_dim=2, epochs=1)
    state = vaecli.start(config, images)
    step = next(vaecli.fit(state, images, images))
    with pytest.warns(RenamedWarning):
        assert step.lr == step.learning_rate
    draw = state.model.draw(images.pixels(slice(4)))
    with pytest.warns(RenamedWarning):
        assert draw.scores().keys() == draw.elbo_terms().keys()


def test_a_warning_points_to_the_line_of_the_user():
    with pytest.warns(RenamedWarning, match="text") as caught:
        warn_renamed("text")
    assert caught[0].filename == __file__
