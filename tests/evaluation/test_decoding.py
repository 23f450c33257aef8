"""Samples and reconstructions."""

import pytest
import torch

import vaecli
from tests.builders import make_part
from tests.conftest import bars
from vaecli.evaluation import decoding
from vaecli.evaluation.embeddings import embed
from vaecli.evaluation.fitting import fit_prior
from vaecli.system.errors import ConfigError, NotFiniteError
from vaecli.system.seeds import random_stream

CPU = torch.device("cpu")
TEST = bars(40, seed=1)


@pytest.fixture(params=[False, True], ids=["unconditional", "conditional"])
def model(request):
    config = vaecli.Config(
        conditional=request.param,
        latent_dim=3,
        network="mlp:width=16,depth=1",
    )
    return vaecli.start(config, bars(96)).model


@pytest.fixture
def conditional():
    config = vaecli.Config(conditional=True, latent_dim=3, network="mlp:width=16,depth=1")
    return vaecli.start(config, bars(96)).model


def test_without_a_choice_the_labels_cycle(model):
    labels, row = decoding.choose_labels(model, None, 5)
    assert labels.tolist() == ([0, 1, 0, 1, 0] if model.context else [0] * 5)
    assert row is None


def test_a_class_or_all_of_them_can_be_chosen(conditional):
    labels, row = decoding.choose_labels(conditional, "1", 3)
    assert (labels.tolist(), row) == ([1, 1, 1], None)
    labels, row = decoding.choose_labels(conditional, "all", 5)
    assert (labels.tolist(), row) == ([0, 0, 0, 1, 1, 1], 3)


@pytest.mark.parametrize("label", ["2", "-1", "x", "", "01"])
def test_a_class_that_does_not_exist_is_refused(conditional, label):
    with pytest.raises(ConfigError, match=f"label={label}: choose all, or a class from 0 to 1"):
        decoding.choose_labels(conditional, label, 3)


def test_samples_of_the_prior_are_those_of_the_model(model):
    labels, _ = decoding.choose_labels(model, None, 6)
    found = decoding.sample_prior(model, labels, seed=4)
    with random_stream(CPU, 4, "samples"):
        wanted = model.eval().sample(6)
    assert torch.equal(found, wanted)


def sample_fitted(model, labels, seed, images, components):
    """Samples of a mixture that is fitted to the latents of images."""
    config = vaecli.Config(latent_dim=3, conditional=model.context > 0)
    fit = f"mixture:components={components}"
    model = decoding.fit_to_latents(model, config, images, fit, seed)
    return decoding.sample_prior(model, labels, seed)


@pytest.mark.parametrize(("fit", "components"), [("gaussian", 1), ("mixture:components=3", 3)])
def test_fitted_samples_come_from_a_density_of_the_training_latents(
    digits, conditional, fit, components
):
    config = vaecli.Config(data_dir=str(digits), latent_dim=3, conditional=True)
    found, row = decoding.sample_images(conditional, config, 3, "all", fit=fit, seed=4)
    prior = make_part(
        f"mixture:components={components}",
        "fitted_prior",
        latent_dim=3,
        posterior=conditional.posterior,
        context_dim=2,
    )
    list(fit_prior(prior, conditional, bars(96), 4))
    labels = torch.tensor([0, 0, 1, 1])
    with random_stream(CPU, 4, "samples"):
        z = prior(torch.eye(2)[labels]).sample()
    wanted = conditional.eval().decode(z, torch.eye(2)[labels])
    torch.testing.assert_close(found, wanted)
    assert row == 2


def test_the_style_is_that_of_a_test_image(digits, conditional):
    config = vaecli.Config(data_dir=str(digits))
    labels = torch.tensor([0, 0, 1, 1])
    found, row = decoding.sample_images(conditional, config, 3, "all", style_of=39)
    assert torch.equal(found, decoding.sample_style(conditional, labels, 0, TEST, index=39))
    assert row == 2


def test_without_a_fit_the_prior_of_the_model_is_sampled(conditional):
    config = vaecli.Config(latent_dim=3, conditional=True)
    assert decoding.fit_to_latents(conditional, config, bars(9), "none", 0) is conditional


def test_a_style_is_the_latent_of_one_image(conditional):
    labels = torch.tensor([0, 1, 1])
    found = decoding.sample_style(conditional, labels, 0, TEST, index=3)
    index = slice(3, 4)
    z = conditional.eval().embed(TEST.pixels(index), TEST.one_hot_labels(index))
    wanted = conditional.decode(z.expand(3, -1), torch.eye(2)[labels])
    assert torch.equal(found, wanted)
    with pytest.raises(ConfigError, match="style_of=40: there are 40 images, numbered from 0"):
        decoding.sample_style(conditional, labels, 0, TEST, index=40)


def test_an_unconditional_model_has_neither_labels_nor_styles():
    config = vaecli.Config(latent_dim=3, network="mlp:width=16,depth=1")
    model = vaecli.start(config, bars(96)).model
    with pytest.raises(ConfigError, match="label=0: the model is not conditional"):
        decoding.choose_labels(model, "0", 3)
    with pytest.raises(ConfigError, match="style_of=0 needs labels, but the model is not cond"):
        decoding.sample_style(model, torch.zeros(3), 0, TEST, 0)


def test_reconstructions_are_decoded_posterior_means(model):
    originals, found = decoding.reconstruct(model, TEST)
    everything = slice(None)
    assert torch.equal(originals, TEST.pixels(everything))
    model.eval()
    c = TEST.one_hot_labels(everything)
    wanted = model.decode(model.embed(originals, c), c)
    torch.testing.assert_close(found, wanted)


def overflow(module):
    """Make the weights so large, though finite, that what they give is NaN or infinite."""
    with torch.no_grad():
        for index, weight in enumerate(module.parameters()):
            weight.copy_(torch.full_like(weight, 3e38 * (-1) ** index))
            weight[..., ::2] *= -1
    return module


@pytest.mark.parametrize("part", ["posterior", "likelihood"])
def test_finite_weights_that_overflow_give_an_error_and_no_picture(conditional, part):
    overflow(getattr(conditional, part))
    labels = torch.tensor([0, 1, 0])
    what = "latents|pixels" if part == "posterior" else "pixels"
    message = rf"The ({what}) are NaN or infinite: the weights are too large"
    with pytest.raises(NotFiniteError, match=message):
        decoding.reconstruct(conditional, TEST)
    with pytest.raises(NotFiniteError, match=message):
        sample_fitted(conditional, labels, 0, TEST, components=2)
    with pytest.raises(NotFiniteError, match=message):
        decoding.sample_style(conditional, labels, 0, TEST, 0)
    if part == "likelihood":
        with pytest.raises(NotFiniteError, match=message):
            decoding.sample_prior(conditional, labels, 0)
    else:
        with pytest.raises(NotFiniteError, match=message):
            embed(conditional, TEST)


WAYS = {
    "sample": lambda model: decoding.sample_prior(model, torch.tensor([0, 1, 1, 0]), 4),
    "fit": lambda model: sample_fitted(model, torch.tensor([0, 1, 1]), 4, bars(96), 2),
    "style": lambda model: decoding.sample_style(model, torch.tensor([0, 1]), 4, TEST, 3),
    "reconstruct": lambda model: decoding.reconstruct(model, TEST)[1],
    "embed": lambda model: torch.from_numpy(embed(model, TEST).mean),
}


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_decoded_or_encoded_in_training_mode(way):
    """Batch norm has a memory: in training it would change, and images would depend on others."""
    config = vaecli.Config(
        conditional=True, latent_dim=3, network="mlp:width=16,depth=1,norm=batch"
    )
    model = vaecli.start(config, bars(96)).model
    images, labels = bars(30, seed=5), torch.eye(2).repeat(15, 1)
    model.train()
    for _ in range(3):  # so that the averages are not those of a new model
        model.draw(images.pixels(slice(None)), labels)
    memory = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found = WAYS[way](model)
    assert model.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, memory[name]), name
    assert torch.equal(found, WAYS[way](model.eval()))
    assert not model.training
    assert not found.requires_grad


@pytest.mark.parametrize("way", ["sample", "fit"])
def test_the_seed_of_samples_matters_and_training_noise_is_not_disturbed(way, conditional):
    labels = torch.tensor([0, 1, 1, 0])

    def make(seed):
        if way == "sample":
            return decoding.sample_prior(conditional, labels, seed)
        return sample_fitted(conditional, labels, seed, bars(96), 2)

    state = torch.get_rng_state()
    first = make(4)
    assert torch.equal(make(4), first)
    assert not torch.equal(make(5), first)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(("count", "row"), [(1, 1), (2, 1), (3, 2), (4, 2), (7, 4)])
def test_with_all_classes_every_row_is_one_class_and_none_is_short(conditional, count, row):
    labels, found = decoding.choose_labels(conditional, "all", count)
    assert found == row
    assert labels.view(2, row).tolist() == [[0] * row, [1] * row]


def test_the_images_of_a_class_lie_in_its_row(conditional):
    """The decoder is made to draw the label, so that the picture says it."""
    last = conditional.likelihood.decoder.net[-1]
    first = conditional.likelihood.decoder.net[0]
    with torch.no_grad():
        first.weight.zero_()
        first.weight[0, -1] = 1  # the first hidden unit is the second class
        last.weight.zero_()
        last.weight[:, 0] = 20
        last.bias.fill_(-10)
    for images in (
        decoding.sample_prior(conditional, torch.tensor([0, 0, 1, 1]), 0),
        sample_fitted(conditional, torch.tensor([0, 0, 1, 1]), 0, bars(96), 1),
        decoding.sample_style(conditional, torch.tensor([0, 0, 1, 1]), 0, TEST, 5),
    ):
        assert images.mean((1, 2, 3)).round().tolist() == [0, 0, 1, 1]
    _, images = decoding.reconstruct(conditional, TEST)
    assert images.mean((1, 2, 3)).round().tolist() == TEST.labels.tolist()


def test_a_style_and_a_fit_together_are_refused(conditional, digits):
    config = vaecli.Config(data_dir=str(digits))
    with pytest.raises(ConfigError, match=r"style_of=0 keeps .*, and fit='mixture'"):
        decoding.sample_images(conditional, config, 3, style_of=0, fit="mixture")


@pytest.mark.parametrize("way", ["prior", "fitted", "style"])
def test_many_images_are_decoded_in_parts_and_are_those_of_one_pass(conditional, monkeypatch, way):
    labels = torch.arange(23) % conditional.context
    ways = {
        "prior": lambda: decoding.sample_prior(conditional, labels, 0),
        "fitted": lambda: sample_fitted(conditional, labels, 0, bars(60), 1),
        "style": lambda: decoding.sample_style(conditional, labels, 0, bars(8), 3),
    }
    whole = ways[way]()
    sizes = []
    decode = vaecli.VAE.decode

    def counted(model, z, c):
        sizes.append(len(z))
        return decode(model, z, c)

    monkeypatch.setattr(vaecli.VAE, "decode", counted)
    monkeypatch.setattr(decoding, "DECODED_AT_ONCE", 10)
    parts = ways[way]()
    assert sizes == [10, 13]
    torch.testing.assert_close(parts, whole)
