"""Presets: layers of options, papers; each trains and comes back from its checkpoint."""

import re
from dataclasses import replace

import pytest
import torch

import vaecli
from tests.conftest import bars
from tests.runs import arguments
from vaecli.config.build import resolve
from vaecli.config.config import Config, to_json
from vaecli.config.presets import PRESETS, config_from_layers, with_beta
from vaecli.config.spec import Spec
from vaecli.objectives import wasserstein
from vaecli.run import checkpoint, names
from vaecli.run.create import make_run
from vaecli.run.writer import RunWriter
from vaecli.system.errors import ConfigError

TRAIN, TEST = bars(96), bars(32, seed=1)
NETWORKS = ("mlp:width=16,depth=1", "conv:width=4")
NOISY = {"info-vae", "wae-mmd", "swae"}  # their losses hold a distance that a small batch estimates


def small(name, network, **more) -> Config:
    """The preset on few small images."""
    config = config_from_layers(
        {"preset": name, "network": network, "batch_size": 32, "lr": 3e-3, **more}
    )
    shrunk = {"labels": 16} if config.labels else {}
    if config.fitted_prior.name == "mixture":
        shrunk["fitted_prior"] = Spec("mixture", {"components": "2"})
    return replace(config, **shrunk, latent_dim=min(4, resolve(config).latent_dim))


def images(config):
    return TRAIN.hide_labels(config.labels, 0) if config.labels else TRAIN


def test_later_layers_win():
    c = config_from_layers({"epochs": 3, "lr": 0.1}, {"epochs": 4})
    assert (c.epochs, c.lr, c.batch_size) == (4, 0.1, 128)
    assert config_from_layers({"preset": "iwae"}, {"objective": "elbo"}).objective == Spec("elbo")
    assert config_from_layers() == Config()


def test_every_preset_is_its_changes_over_the_defaults():
    for name, preset in PRESETS.items():
        config = config_from_layers({"preset": name})
        assert config.preset == name
        values = to_json(config)
        assert {option: values[option] for option in preset.changes} == preset.changes
        assert preset.paper is None or preset.paper.url.startswith("http")


@pytest.mark.parametrize("name", PRESETS)
def test_where_a_preset_departs_from_its_paper_is_said_in_sentences(name):
    departures = PRESETS[name].departures
    if PRESETS[name].paper is None:
        assert not departures
    if departures:
        assert departures.endswith(".")
        assert re.fullmatch(r"[\w(),.;:'=| -]+", departures)
        assert len(departures) <= 250


def test_only_presets_that_are_their_papers_say_nothing_of_departures():
    """Whoever adds a preset compares it with its paper, and then adds it here or says how."""
    silent = {name for name, preset in PRESETS.items() if preset.paper and not preset.departures}
    assert silent == {"vae", "beta-vae", "dip-vae", "continuous-bernoulli"}


@pytest.mark.parametrize(
    ("name", "option", "said"),
    [
        ("iwae", r"samples=(\d+)", "{} samples"),
        ("miwae", r"bounds=(\d+)", "{} bounds of 4 samples"),
        ("ciwae", r"samples=(\d+)", "{} samples"),
        ("piwae", r"samples=(\d+)", "4 bounds of {} samples"),
        ("renyi", r"samples=(\d+)", "{} samples"),
        ("dreg", r"samples=(\d+)", "{} samples"),
        ("capacity", r"weight=(\d+)", "The weight is {}, not 1000"),
        ("annealing", r"annealing_epochs=(\d+)", "rises over {} epochs"),
        ("cyclical", r"cycle_epochs=(\d+)", "takes {} epochs"),
        ("wae-mmd", r"weight=(\d+)", "with weight {} for the MMD"),
        ("factor-vae", r"depth=(\d+)", "has {} layers"),
        ("factor-vae", r"width=(\d+)", "of {} units"),
        ("m2", r"alpha=(\d+)", "counts {} times"),
    ],
)
def test_numbers_that_a_departure_names_are_those_of_the_objective(name, option, said):
    objective = str(resolve(config_from_layers({"preset": name})).objective)
    assert said.format(re.search(option, objective)[1]) in PRESETS[name].departures


def test_other_numbers_that_a_departure_names_are_those_of_the_parts():
    def options(name, kind):
        return getattr(resolve(config_from_layers({"preset": name})), kind).options

    vamp = options("vamp", "prior")
    assert PRESETS["vamp"].departures.startswith(f"{vamp['components']} pseudo-inputs")
    for name, kind in (("flow-prior", "prior"), ("flow-posterior", "posterior")):
        assert f"{options(name, kind)['depth']} couplings" in PRESETS[name].departures
    assert f"couplings of {options('flow-prior', 'prior')['width']} " in (
        PRESETS["flow-prior"].departures
    )
    planar = options("planar-flow", "posterior")
    assert PRESETS["planar-flow"].departures.startswith(f"{planar['depth']} planar flows")
    iaf = options("iaf", "posterior")
    said = f"{iaf['depth']} steps of {iaf['width']} hidden units"
    assert PRESETS["iaf"].departures.startswith(said)
    codes = options("vq-vae", "posterior")
    positions = resolve(Config()).latent_dim // codes["dim"]
    said = f"A latent is {positions} codes of a book of {codes['codes']}"
    assert PRESETS["vq-vae"].departures.startswith(said)
    info = resolve(config_from_layers({"preset": "info-vae"})).objective.options
    total = info["weight"] + info["kl_weight"]
    said = f"alpha is {1 - info['kl_weight']} and lambda {total}"
    assert PRESETS["info-vae"].departures.startswith(said)
    said = f"a sum of {len(wasserstein.KERNEL_SCALES)} inverse multiquadrics"
    assert said in PRESETS["wae-mmd"].departures


def test_a_recipe_whose_results_are_published_keeps_its_numbers():
    fast = config_from_layers({"preset": "vae-fast"})
    assert (fast.epochs, fast.lr, fast.lr_schedule, fast.lr_warmup) == (8, 5e-3, "linear", 0.05)
    assert (str(fast.optimizer), fast.batch_size) == ("adam:beta2=0.98", 128)
    specs = {
        "beta-vae": "elbo:beta=4",
        "annealing": "elbo:annealing_epochs=10",
        "cyclical": "elbo:cycle_epochs=5",
        "capacity": "elbo:capacity=25,capacity_epochs=25,capacity_weight=10",
        "free-bits": "elbo:free_bits=1,free_bits_groups=0",
        "iwae": "iwae:samples=8",
        "miwae": "iwae:samples=4,bounds=4",
        "ciwae": "iwae:samples=8,beta=0.05",
        "piwae": "piwae:samples=4,bounds=4",
        "dreg": "dreg:samples=8",
        "wae-mmd": "wae:weight=500",
        "info-vae": "wae:kl_weight=0.5",
        "aae-ring": "adversarial:weight=100",
    }
    for name, objective in specs.items():
        assert str(config_from_layers({"preset": name}).objective) == objective, name


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(ConfigError, match=r"Unknown configuration key 'epoch'. Did you mean 'epo"):
        config_from_layers({"epoch": 3})
    with pytest.raises(ConfigError, match=r"Unknown preset 'vea'. Did you mean 'vae'"):
        config_from_layers({"preset": "vea"})


def test_beta_is_an_option_of_the_objective():
    def objective(**options):
        return str(config_from_layers(options).objective)

    assert objective(beta=4.0) == "elbo:beta=4.0"
    assert objective(beta=4.0, objective="elbo:free_bits=3") == "elbo:free_bits=3,beta=4.0"
    with pytest.raises(ConfigError, match=r"Both objective='elbo:beta=2' and beta=4.0 set beta"):
        objective(beta=4.0, objective="elbo:beta=2")
    over = config_from_layers({"objective": "elbo:beta=2"}, {"beta": 4.0})  # a flag over a file
    assert str(over.objective) == "elbo:beta=4.0"
    assert objective(beta=2.0, preset="beta-vae") == "elbo:beta=2.0"
    assert objective(beta=0.0) == "elbo:beta=0.0"
    assert objective(beta=None) == "elbo"
    assert with_beta({"beta": 3.0}, Spec("rae"))["objective"] == Spec("rae", {"beta": 3.0})
    with pytest.raises(ConfigError, match="objective=5: should be a spec"):
        objective(beta=2.0, objective=5)


def test_beta_for_an_objective_without_it_is_refused_with_what_there_is():
    with pytest.raises(ConfigError, match=r"The objective m2 has no option 'beta'. Choose from"):
        resolve(config_from_layers({"objective": "m2", "beta": 2.0}))


def test_there_are_thirty_presets_that_differ_in_more_than_a_number():
    def structure(preset):
        """What is left of its changes without their numbers."""
        kept = {k: v for k, v in preset.changes.items() if isinstance(v, str | bool)}
        return tuple(sorted((k, re.sub(r"[\d.]+", "", str(v))) for k, v in kept.items()))

    assert len({structure(preset) for preset in PRESETS.values()}) >= 30


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_trains_and_comes_back_from_its_checkpoint(name, tmp_path):
    state = trained(name, NETWORKS[0])
    run = make_run(state.config, tmp_path / "run")
    with RunWriter(run) as writer:
        writer.save(state)
    tensors, _ = checkpoint.load(run.folder / names.CHECKPOINT)
    for name, tensor in state.tensors().items():
        assert torch.equal(tensors[name], tensor), name
    model, c = vaecli.open(run.folder).model(), TEST.one_hot_labels(slice(None))
    x = TEST.pixels(slice(None))
    state.model.eval()
    for call in (lambda m: m.sample(8), lambda m: m.reconstruct(x, c), lambda m: m.embed(x, c)):
        torch.manual_seed(0)
        ours = call(model)
        torch.manual_seed(0)
        assert torch.equal(ours, call(state.model))


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_trains_with_convolutions(name):
    assert trained(name, NETWORKS[1]).history


@pytest.mark.slow
def test_conv_map_reconstructs_digits_after_few_batches():
    """If it did not begin at the mean image, its latents would hold nothing."""
    config = config_from_layers(
        {"preset": "conv-map", "train_images": 1280, "test_images": 100, "epochs": 4}
    )
    train, test, *_ = vaecli.load(config)
    state = vaecli.start(config, train)
    last = [e for e in vaecli.fit(state, train, test) if isinstance(e, vaecli.Epoch)][-1]
    x = test.pixels(slice(None))
    error = (state.model.eval().reconstruct(x) - x).square().mean()
    assert error < 0.3 * (train.mean() - x).square().mean()
    assert last.test["rate"] > 50


def trained(name, network):
    """The state after some epochs, in which the loss fell and every parameter moved."""
    config = small(name, network, epochs=4)
    data = images(config)
    state = vaecli.start(config, data)
    modules = [("model", state.model), ("objective", state.objective)]
    before = {(m, n): p.clone() for m, module in modules for n, p in module.named_parameters()}
    epochs = [e for e in vaecli.fit(state, data, TEST) if isinstance(e, vaecli.Epoch)]
    first, last = epochs[0].train, epochs[-1].train
    monitor = "distortion" if name in NOISY else state.objective.monitor
    # The one first pays to fill its capacity, the other's discriminator learns to see more.
    if name not in ("capacity", "vae-gan"):
        assert last[monitor] < first[monitor]
    moved = {key for key, old in before.items() if not torch.equal(old, _now(modules, key))}
    assert moved == set(before), set(before) - moved
    return state


def _now(modules, key):
    return dict(dict(modules)[key[0]].named_parameters())[key[1]]


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_every_command_takes_every_preset(cli, digits, tmp_path, name):
    latent_dim = resolve(config_from_layers({"preset": name})).latent_dim
    run, more = tmp_path / "run", ["--latent-dim", latent_dim] if latent_dim else []
    if config_from_layers({"preset": name}).labels:
        more += ["--labels", 16]
    if config_from_layers({"preset": name}).fitted_prior.name == "mixture":
        more += ["--fitted-prior", "mixture:components=2"]
    done = cli(*arguments(digits, run, "-q", "--epochs", 2, "--preset", name, *more))
    assert done == (0, f"{run}\n", "")
    for command in (["sample", "-n", 4], ["reconstruct"], ["embed"], ["plot-loss"]):
        done = cli(command[0], "-r", run, *command[1:])
        assert done.status == 0, done.err
    assert cli("embed", "-r", run, "--plot", tmp_path / "latent.png").status == 0
    assert cli("train", "-q", "--resume", run, "--epochs", 3).status == 0
