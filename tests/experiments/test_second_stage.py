"""A prior that is fitted after training: in checkpoints, when stopped, resumed and refitted."""

import shutil
import signal
from types import SimpleNamespace

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

import vaecli
from tests import runs
from tests.experiments.trainings import Stop, Training, options, run_training
from vaecli.config.build import resolve
from vaecli.data.splits import load
from vaecli.evaluation.fitting import fit_prior, make_fitted_prior
from vaecli.experiments import second_stage
from vaecli.experiments.events import FitStep
from vaecli.experiments.prepare import start_run
from vaecli.experiments.refit import plan_refit
from vaecli.experiments.resume import make_plan
from vaecli.experiments.stopping import StopRequest
from vaecli.experiments.train import train_run
from vaecli.parts.priors import FittedMixture, StandardNormalPrior
from vaecli.run import checkpoint, names
from vaecli.run.run import Run
from vaecli.system.errors import ConfigError, Interrupted, RunError

pytestmark = pytest.mark.usefixtures("quick")
SPEC = "mixture:components=3,covariance=full,noise=0.5,iterations=4"
# the best epoch is not the last one
CHOSEN = {"epochs": 4, "lr": 0.2, "seed": 3, "validation": 32, "fitted_prior": SPEC}


@pytest.fixture(scope="module")
def fitted(digits, tmp_path_factory):
    """A run with a fitted prior in both checkpoints; do not write to it."""
    folder = tmp_path_factory.mktemp("fitted") / "run"
    run_training(options(digits, **CHOSEN, save_every=1), folder)
    return folder


def fitted_tensors(run, name):
    return {k: t for k, t in runs.tensors(run, name).items() if k.startswith(names.FITTED_PRIOR)}


def other_tensors(run, name):
    return {
        k: t for k, t in runs.tensors(run, name).items() if not k.startswith(names.FITTED_PRIOR)
    }


def resume(path, **more):
    return run_training(more, resume=str(path))


def refit(path, prior, folder):
    plan = plan_refit(path, prior)
    with start_run(plan.config, None, folder, source=plan.source) as started:
        stop = StopRequest(plan.config)
        for _ in train_run(started.writer, started.state, started.images, stop):
            pass
    return folder


@pytest.mark.parametrize("name", [names.CHECKPOINT, names.BEST])
def test_each_kept_checkpoint_has_a_prior_fitted_to_its_own_latents(fitted, name):
    run = Run(fitted, fitted / name)
    model = run.model(fitted=False)
    assert isinstance(model.prior, StandardNormalPrior)
    images = load(run.config).train
    prior = make_fitted_prior(resolve(run.config), model, images)
    list(fit_prior(prior, model, images, run.config.seed))
    found = run.model()
    assert isinstance(found.prior, FittedMixture)
    assert not found.training
    runs.assert_same_tensors(found.prior.state_dict(), prior.state_dict())
    runs.assert_same_tensors(run.parts()[0].state_dict(), found.state_dict())
    runs.assert_same_tensors(run.parts(fitted=False)[0].state_dict(), model.state_dict())


def test_the_two_checkpoints_differ_and_those_of_epochs_have_no_fit(fitted):
    fits = [fitted_tensors(fitted, name) for name in (names.CHECKPOINT, names.BEST)]
    key = f"{names.FITTED_PRIOR}loc"
    assert not torch.equal(fits[0][key], fits[1][key])
    epoch = names.EPOCH_CHECKPOINT.format(2)
    assert not fitted_tensors(fitted, epoch)
    assert isinstance(Run(fitted, fitted / epoch).model().prior, StandardNormalPrior)


def test_the_epochs_are_those_of_a_training_without_a_fit(digits, fitted, tmp_path):
    plain = tmp_path / "plain"
    run_training(options(digits, **CHOSEN | {"fitted_prior": "none"}), plain)
    for name in (names.CHECKPOINT, names.BEST):
        runs.assert_same_tensors(other_tensors(fitted, name), runs.tensors(plain, name))
    columns = [list(row.items())[:-2] for row in runs.losses(fitted)]
    assert columns == [list(row.items())[:-2] for row in runs.losses(plain)]
    assert runs.record(plain)["stages"] == []


def test_the_last_pictures_show_the_fitted_prior(digits, fitted, tmp_path):
    plain = tmp_path / "plain"
    run_training(options(digits, **CHOSEN | {"fitted_prior": "none"}), plain)
    for name, is_same in {"samples.png": False, "reconstructions.png": True}.items():
        assert ((plain / name).read_bytes() == (fitted / name).read_bytes()) == is_same


def test_the_record_names_the_stages(fitted):
    training, fit = runs.record(fitted)["stages"]
    assert (training["name"], training["prior"]) == ("training", "normal")
    trained = sum(float(row["train_seconds"]) for row in runs.losses(fitted))
    assert training["seconds"] == pytest.approx(trained)
    assert (fit["name"], fit["prior"]) == ("fit", SPEC)
    assert fit["seconds"] > 0


def test_a_fit_reports_its_progress(digits, tmp_path):
    done = run_training(options(digits, **CHOSEN), tmp_path / "run")
    steps = [event for event in done.events if isinstance(event, FitStep)]
    assert [step.checkpoint for step in steps] == sorted(
        (step.checkpoint for step in steps), reverse=True
    )
    for name in ("last", "best"):
        fractions = [step.fraction for step in steps if step.checkpoint == name]
        assert fractions == sorted(fractions)
        assert (fractions[0], fractions[-1]) == (0, 1)
    told = [text for _, text in done.notices if "Fitting" in text]
    assert told == [f"Fitting {SPEC} to 64 latents ({name})." for name in ("last", "best")]


def test_the_seconds_of_the_stages_are_those_of_all_epochs_and_all_fits(
    digits, tmp_path, monkeypatch
):
    """A fit takes 10 s for each checkpoint, on a clock that only fits move."""
    now = [0.0]
    fit = second_stage.fit_prior

    def slow_fit(*arguments):
        now[0] += 10
        yield from fit(*arguments)

    monkeypatch.setattr(second_stage, "fit_prior", slow_fit)
    monkeypatch.setattr(second_stage, "time", SimpleNamespace(monotonic=lambda: now[0]))
    run = tmp_path / "run"

    class AfterTheFirstFit(StopRequest):
        def is_due(self):
            return (run / names.BEST).is_file() and now[0] == 20

    stop = AfterTheFirstFit(vaecli.Config())
    run_training(options(digits, **CHOSEN), run, stop=stop)
    training, fit_stage = runs.record(run)["stages"]
    trained = sum(float(row["train_seconds"]) for row in runs.losses(run))
    assert runs.record(run)["status"] == "interrupted"
    assert training["seconds"] == pytest.approx(trained)
    assert fit_stage["seconds"] == 10
    done = resume(run)
    assert "Fitted the prior in 10.0 s (best)." in [text for _, text in done.notices]
    assert runs.record(run)["stages"][1]["seconds"] == 20
    runs.set_record(run, status="interrupted")  # as if killed after the last fit
    resume(run)
    assert [stage["seconds"] for stage in runs.record(run)["stages"]] == [training["seconds"], 20]


def test_training_has_its_seconds_as_soon_as_it_has_ended(digits, tmp_path):
    run = tmp_path / "run"
    run_training(options(digits, **CHOSEN), run, stop=Stop(steps_before_fit(digits) + 2))
    training, fit = runs.record(run)["stages"]
    assert training["seconds"] > 0
    assert fit["seconds"] is None


def test_a_training_that_ends_early_is_fitted_too(digits, tmp_path):
    run = tmp_path / "run"
    done = run_training(options(digits, **CHOSEN | {"epochs": 50, "patience": 1}), run)
    epochs = len(runs.losses(run))
    assert epochs < 50
    found = runs.record(run)
    assert found["status"] == "completed"
    assert found["reason"].endswith(f"and not lower up to epoch {epochs}")
    assert f"Ended early: {found['reason']}." in [text for _, text in done.notices]
    assert found["stages"][0]["seconds"] > 0
    for name in (names.CHECKPOINT, names.BEST):
        assert fitted_tensors(run, name)


def test_a_prior_over_codes_is_fitted_too(digits, tmp_path):
    run = tmp_path / "run"
    parts = {"posterior": "quantized:codes=4,dim=1", "prior": "codes"}
    fit = "autoregressive:width=8,depth=1,epochs=1"
    run_training(options(digits, epochs=1, **parts, fitted_prior=fit), run)
    assert fitted_tensors(run, names.CHECKPOINT)
    assert runs.record(run)["stages"][1]["prior"].startswith("autoregressive:")


def steps_before_fit(digits):
    return 4 * (2 + 1)  # two batches and an epoch, each of which asks whether to stop


@pytest.mark.parametrize("kind", [None, signal.SIGTERM])
@pytest.mark.parametrize("after", range(1, 18, 2))
def test_a_run_stopped_during_the_fit_is_resumed_to_the_same_bits(
    digits, fitted, tmp_path, kind, after
):
    run, training = tmp_path / "run", Training()
    stop = Stop(steps_before_fit(digits) + 1 + after, kind)
    try:
        run_training(options(digits, **CHOSEN, save_every=1), run, into=training, stop=stop)
    except Interrupted:
        assert kind is not None
    assert training.epochs == [1, 2, 3, 4]
    assert runs.record(run)["status"] == "interrupted"
    assert not fitted_tensors(run, names.BEST)
    resume(run)
    assert runs.record(run)["status"] == "completed"
    for name in (names.CHECKPOINT, names.BEST):
        runs.assert_same_tensors(runs.tensors(run, name), runs.tensors(fitted, name))
    assert (run / "samples.png").read_bytes() == (fitted / "samples.png").read_bytes()


def test_a_run_stopped_while_a_network_is_fitted_is_resumed_to_the_same_bits(digits, tmp_path):
    """It stops in the fit of the best checkpoint, whose network begins from the same weights."""
    codes = {"latent_dim": 4, "posterior": "quantized:codes=8", "prior": "codes"}
    spec = "autoregressive:width=16,epochs=3"
    chosen = options(digits, **CHOSEN | codes | {"fitted_prior": spec})
    run, whole, training = tmp_path / "run", tmp_path / "whole", Training()
    run_training(chosen, whole)
    stop = Stop(steps_before_fit(digits) + 10, signal.SIGTERM)
    with pytest.raises(Interrupted):
        run_training(chosen, run, into=training, stop=stop)
    assert fitted_tensors(run, names.CHECKPOINT)
    assert not fitted_tensors(run, names.BEST)
    assert training.events[-1].checkpoint == "best"
    resume(run)
    for name in (names.CHECKPOINT, names.BEST):
        runs.assert_same_tensors(runs.tensors(run, name), runs.tensors(whole, name))


def test_more_epochs_discard_the_fit_and_make_it_again(digits, tmp_path):
    run, whole = tmp_path / "run", tmp_path / "whole"
    run_training(options(digits, **CHOSEN | {"epochs": 1}), run)
    first = fitted_tensors(run, names.CHECKPOINT)
    stopped = Stop(2)
    run_training({"epochs": 4}, resume=str(run), stop=stopped)
    assert not fitted_tensors(run, names.CHECKPOINT)
    assert runs.record(run)["stages"][1]["seconds"] is None
    resume(run)
    run_training(options(digits, **CHOSEN), whole)
    for name in (names.CHECKPOINT, names.BEST):
        runs.assert_same_tensors(runs.tensors(run, name), runs.tensors(whole, name))
    again = fitted_tensors(run, names.CHECKPOINT)
    assert not torch.equal(first[f"{names.FITTED_PRIOR}loc"], again[f"{names.FITTED_PRIOR}loc"])


def test_a_refit_exchanges_the_prior_and_nothing_else(digits, fitted, tmp_path):
    before = runs.contents(fitted)
    other = refit(fitted, "mixture:components=2", tmp_path / "other")
    assert runs.contents(fitted) == before
    for name in (names.CHECKPOINT, names.BEST):
        runs.assert_same_tensors(other_tensors(other, name), other_tensors(fitted, name))
        assert fitted_tensors(other, name)[f"{names.FITTED_PRIOR}loc"].shape == (1, 2, 3)
        assert "components=2," in str(Run(other, other / name).config.fitted_prior)
    assert runs.losses(other) == runs.losses(fitted)
    assert runs.record(other)["status"] == "completed"
    back = refit(other, SPEC, tmp_path / "back")
    for name in (names.CHECKPOINT, names.BEST):
        runs.assert_same_tensors(runs.tensors(back, name), runs.tensors(fitted, name))
    plain = refit(other, "none", tmp_path / "plain")
    assert not fitted_tensors(plain, names.CHECKPOINT)


def test_a_refit_of_a_resumed_run_gives_the_same_bits(digits, fitted, tmp_path):
    run = tmp_path / "run"
    run_training(options(digits, **CHOSEN | {"fitted_prior": "none"}), run, stop=Stop(5))
    resume(run)
    again = refit(run, SPEC, tmp_path / "again")
    for name in (names.CHECKPOINT, names.BEST):
        runs.assert_same_tensors(runs.tensors(again, name), runs.tensors(fitted, name))


def test_a_refitted_run_can_be_trained_further(digits, fitted, tmp_path):
    run = refit(fitted, "mixture:components=2", tmp_path / "run")
    resume(run, epochs=5)
    whole = tmp_path / "whole"
    chosen = CHOSEN | {"epochs": 5, "fitted_prior": "mixture:components=2"}
    run_training(options(digits, **chosen), whole)
    for name in (names.CHECKPOINT, names.BEST):
        runs.assert_same_tensors(runs.tensors(run, name), runs.tensors(whole, name))


def test_what_cannot_be_refitted_is_refused(digits, fitted, tmp_path):
    with pytest.raises(ConfigError, match="has the weights alone: refit needs the run directory"):
        plan_refit(fitted / names.BEST, SPEC)
    with pytest.raises(ConfigError, match="Unknown fitted prior 'nonsense'"):
        plan_refit(fitted, "nonsense")
    with pytest.raises(ConfigError, match=r"epoch-0001.safetensors was saved before the end of"):
        plan_refit(fitted / "checkpoints" / "epoch-0001.safetensors", SPEC)
    run = tmp_path / "run"
    for after in (2, 4):  # in the first epoch, and in the second
        run_training(options(digits, epochs=2), run, stop=Stop(after), overwrite=run.exists())
        with pytest.raises(ConfigError, match="has not ended: finish it first with vaecli train"):
            plan_refit(run, SPEC)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"fitted_prior": "mixture:components=30"}, "use components=19 or fewer"),
        ({"fitted_prior": "nonsense"}, "Unknown fitted prior 'nonsense'"),
        (
            {"fitted_prior": SPEC, "posterior": "vmf", "prior": "sphere"},
            "A fitted mixture needs real latents",
        ),
        ({"fitted_prior": SPEC, "latent_dim": 129}, "at most 128 dimensions"),
    ],
)
def test_a_prior_that_cannot_be_fitted_is_refused_before_training(digits, tmp_path, more, reason):
    with pytest.raises(ConfigError, match=reason):
        run_training(options(digits, epochs=1, **more), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_fitted_prior_cannot_change_when_a_run_is_resumed(fitted):
    with pytest.raises(ConfigError, match="Cannot change --fitted-prior from"):
        make_plan({"fitted_prior": "none"}, resume=str(fitted))


@pytest.mark.parametrize("spec", ["none", "mixture:components=2"])
def test_a_fit_that_does_not_fit_its_configuration_is_refused(fitted, tmp_path, spec):
    run = shutil.copytree(fitted, tmp_path / "run")
    path = run / names.CHECKPOINT
    tensors, header = checkpoint.load(path)
    header["config"]["fitted_prior"] = spec
    checkpoint.save(path, tensors, header)
    with pytest.raises(RunError, match="does not fit its own configuration"):
        Run(run, path).model()
    Run(run, path).model(fitted=False)


def test_a_fitted_prior_is_scored_as_it_is_sampled(fitted):
    """By the density of the mixture whose moments its samples have."""
    run = vaecli.open(fitted)
    model = run.model()
    weights, loc, scale = (t[0] for t in model.prior.state_dict().values())
    mixture = MixtureSameFamily(Categorical(weights), MultivariateNormal(loc, scale_tril=scale))
    torch.manual_seed(0)
    draw = model.draw(load(run.config).train.pixels(slice(None)), samples=2)
    torch.testing.assert_close(draw.log_pz, mixture.log_prob(draw.z))
    z = model.sample_latent(20_000)
    torch.testing.assert_close(z.mean(0), mixture.mean, atol=0.03, rtol=0)
    torch.testing.assert_close(z.var(0), mixture.variance, atol=0, rtol=0.03)
