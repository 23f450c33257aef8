"""A new run that begins with the weights of another one."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch

import vaecli
from tests import runs
from tests.conftest import bars, write_idx
from tests.experiments.trainings import Stop, Training, options, poison
from vaecli.config.build import resolve
from vaecli.data.images import Images
from vaecli.experiments import from_run as module
from vaecli.experiments.from_run import Start, model_options, start_path, take_weights
from vaecli.experiments.prepare import prepare, start_run
from vaecli.experiments.resume import make_plan
from vaecli.experiments.train import train_run
from vaecli.run import checkpoint, names
from vaecli.run.find import open_run
from vaecli.system.errors import ConfigError, RunError

WEIGHTS = names.WEIGHTS


def given(digits, **more):
    """Options of a user who leaves the model to the old run."""
    return {"data_dir": str(digits), "batch_size": 32, **more}


@pytest.fixture(scope="module")
def conditional_run(digits, tmp_path_factory) -> Path:
    """A conditional run of one epoch; do not write to it."""
    run = tmp_path_factory.mktemp("conditional") / "run"
    train_from(options(digits, conditional=True, epochs=1), None, run)
    return run


def train_from(
    chosen, old, run_dir, resume=None, into=None, stop=None, overwrite=False
) -> Training:
    """Train to the end, beginning with the weights of the old run."""
    training = into or Training()
    plan = make_plan(chosen, None, resume, run_dir, overwrite, from_run=old and str(old))
    with start_run(plan.config, plan.run, run_dir, overwrite, start=plan.start) as started:
        training.state = started.state
        training.events.extend(started.notices)
        training.events.extend(
            train_run(started.writer, started.state, started.images, stop or Stop(10**9))
        )
    return training


def weights(run: Path, name=names.CHECKPOINT):
    return {n: t for n, t in runs.tensors(run, name).items() if n.startswith(WEIGHTS)}


def interrupt(chosen, old, run_dir, at) -> None:
    """Begin a run and let its process die before the first batch, `at` a method of the writer."""

    class Died(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Died

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vaecli.run.create._has_begun", lambda folder: True)  # no clean-up
        patch.setattr(at, die)
        with pytest.raises(Died):
            train_from(chosen, old, run_dir)


def test_a_new_run_begins_with_the_weights_and_trains_from_epoch_1(digits, trained, tmp_path):
    run = tmp_path / "new"
    chosen = given(digits, epochs=1, seed=5, lr=1e-9)
    done = train_from(chosen, trained, run)
    assert done.epochs == [1]
    old = weights(trained)
    new = weights(run)
    assert old.keys() == new.keys()
    assert all(torch.allclose(new[name], old[name], atol=1e-6) for name in old)
    (level, text), *_ = done.notices
    assert level == "info"
    assert text == (
        f"Begins with the weights of {trained / names.CHECKPOINT}: {len(old)} of {len(old)} "
        "tensors, 100 % of all numbers."
    )
    origin = runs.record(run)["initialized_from"]
    assert (origin["run"], origin["checkpoint"]) == (str(trained.resolve()), "last.safetensors")
    assert (origin["taken"], origin["anew"]) == (len(old), [])
    assert len(origin["sha256"]) == 64


def test_the_optimizer_begins_anew(digits, trained, tmp_path):
    config = make_plan(given(digits, epochs=1), from_run=str(trained)).config
    state = prepare(config).state
    before = {n: t.clone() for n, t in state.tensors().items() if not n.startswith(WEIGHTS)}
    take_weights(Start(start_path(trained), open_run(trained)), state)
    after = {n: t for n, t in state.tensors().items() if not n.startswith(WEIGHTS)}
    runs.assert_same_tensors(after, before)
    assert state.history == []


def test_the_model_is_that_of_the_run_and_the_rest_is_not(digits, trained):
    config = make_plan({}, from_run=str(trained)).config
    old = resolve(vaecli.open(trained).config)
    assert (config.network, config.latent_dim) == (old.network, old.latent_dim)
    assert (config.epochs, config.batch_size) == (vaecli.Config.epochs, vaecli.Config.batch_size)
    assert config.data_dir is None
    chosen = make_plan({"latent_dim": 7, "beta": 2.0}, from_run=str(trained)).config
    assert (chosen.latent_dim, chosen.objective.options["beta"]) == (7, 2.0)
    assert chosen.network == old.network


def test_another_preset_keeps_network_and_latents(trained, run_dir):
    values = runs.config(run_dir)
    values |= {"preset": "iwae", "objective": "iwae", "latent_dim": 9, "posterior": "iaf"}
    (run_dir / names.CONFIG).write_text(json.dumps(values))
    kept = make_plan({}, from_run=str(run_dir)).config
    assert (kept.preset, kept.objective.name, kept.posterior.name) == ("iwae", "iwae", "iaf")
    same = make_plan({"preset": "iwae"}, from_run=str(run_dir)).config
    assert same == kept
    other = make_plan({"preset": "vae"}, from_run=str(run_dir)).config
    assert (other.preset, other.objective.name, other.posterior.name) == ("vae", "elbo", "gaussian")
    assert (other.latent_dim, other.network) == (9, kept.network)


def test_what_another_preset_sets_does_not_come_from_the_run(trained):
    assert not vaecli.open(trained).config.conditional
    assert make_plan({"preset": "cvae"}, from_run=str(trained)).config.conditional
    with pytest.raises(ConfigError, match="Unknown preset 'nope'"):
        make_plan({"preset": "nope"}, from_run=str(trained))


def test_a_link_to_the_old_run_is_not_overwritten(run_dir, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(run_dir)
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / "link", Path("link"), Path(os.path.relpath(run_dir))):
        with pytest.raises(ConfigError, match="--overwrite would delete"):
            make_plan({}, run_dir=path, overwrite=True, from_run=str(run_dir))


def test_a_configuration_file_lies_above_the_run(trained, tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"latent_dim": 6, "epochs": 3}')
    config = make_plan({"epochs": 4}, path, from_run=str(trained)).config
    assert (config.latent_dim, config.epochs) == (6, 4)
    assert config.network == resolve(vaecli.open(trained).config).network


def test_tensors_of_another_shape_begin_anew_by_name(trained, tmp_path):
    wide = tmp_path / "wide"
    small = bars(96, size=12), bars(40, size=12)
    config = make_plan(given("unused", epochs=1), from_run=str(trained)).config
    state = vaecli.start(config, small[0])
    fresh = {n: t.clone() for n, t in state.tensors().items()}
    taken = take_weights(Start(wide, open_run(trained)), state)
    old = weights(trained)
    anew = set(taken.origin.anew)
    assert anew
    for name, tensor in state.tensors().items():
        if name in anew:
            assert tensor.shape != old[name].shape
            assert torch.equal(tensor, fresh[name])
        elif name.startswith(WEIGHTS):
            assert torch.equal(tensor, old[name])
    assert taken.origin.taken == len(old) - len(anew)
    text = taken.notices[0].text
    first = min(anew)
    assert f"{first} {tuple(state.tensors()[first].shape)} (there " in text


def test_a_taken_tensor_is_a_copy(trained):
    run = open_run(trained)
    state = vaecli.start(make_plan({}, from_run=str(trained)).config, bars(96))
    take_weights(Start(trained, run), state)
    before = {n: t.clone() for n, t in run.contents[0].items()}
    for tensor in state.tensors().values():
        tensor.zero_()
    runs.assert_same_tensors(run.contents[0], before)


def test_buffers_of_a_layer_that_begins_anew_do_so_too(digits, tmp_path):
    """The running mean of a batch norm goes with its scale."""
    old = tmp_path / "old"
    network = "mlp:width=16,depth=2,norm=batch"
    train_from(options(digits, epochs=1, network=network), None, old)
    state = vaecli.start(make_plan({}, from_run=str(old)).config, bars(96))
    means = [name for name, _ in state.model.named_buffers() if name.endswith("mean")]
    assert means
    run = open_run(old)
    tensors = run.contents[0]
    broken = means[0].removesuffix("mean")
    spoilt = next(n for n in tensors if n == f"model.{broken}scale")
    tensors[spoilt] = torch.zeros(3)
    taken = take_weights(Start(old, run), state)
    assert {spoilt, f"model.{means[0]}", f"model.{broken}variance"} <= set(taken.origin.anew)
    assert f"model.{means[1]}" not in taken.origin.anew


def test_what_only_one_of_the_models_has_is_said(digits, trained):
    chosen = make_plan({"network": "mlp:width=16,depth=2"}, from_run=str(trained)).config
    state = vaecli.start(chosen, bars(96))
    text = take_weights(Start(trained, open_run(trained)), state).notices[0].text
    assert "(not in that run)" in text
    chosen = make_plan({"objective": "elbo"}, from_run=str(trained)).config
    run = open_run(trained)
    run.contents[0]["model.extra"] = torch.zeros(2)
    text = take_weights(Start(trained, run), vaecli.start(chosen, bars(96))).notices[0].text
    assert text.endswith("Of that run this model does not have model.extra.")


def test_nothing_that_fits_is_an_error_that_names_the_options_that_differ(trained):
    network = "conv:width=4"
    config = make_plan({"network": network, "latent_dim": 5}, from_run=str(trained)).config
    state = vaecli.start(config, bars(96))
    with pytest.raises(ConfigError, match=r"Nothing of .*last\.safetensors fits") as refusal:
        take_weights(Start(trained, open_run(trained)), state)
    assert "--latent-dim" in str(refusal.value)
    assert "--network" in str(refusal.value)


def test_other_classes_of_a_conditional_model_are_warned_of(digits, conditional_run, tmp_path):
    old = Path(shutil.copytree(conditional_run, tmp_path / "old"))
    images = bars(96)
    config = make_plan(options(digits, conditional=True, epochs=1)).config
    tensors, header = checkpoint.load(old / names.CHECKPOINT)
    checkpoint.save(old / names.CHECKPOINT, tensors, header | {"class_names": ["row", "column"]})
    for classes, warned in ((("row", "column"), False), (("cat", "dog"), True)):
        state = vaecli.start(config, Images(images.x, images.labels, class_names=classes))
        taken = take_weights(Start(old, open_run(old)), state)
        assert [notice.level for notice in taken.notices[1:]] == ["warning"] * warned


def test_a_run_killed_before_its_first_epoch_goes_on_with_the_same_weights(
    digits, trained, tmp_path, quick
):
    """Also if the run that gave them is gone."""
    old = Path(shutil.copytree(trained, tmp_path / "old"))
    chosen = given(digits, epochs=2, seed=3)
    train_from(chosen, old, tmp_path / "whole")
    run = tmp_path / "killed"
    interrupt(chosen, old, run, "vaecli.experiments.train.plan_stages")
    origin = runs.record(run)["initialized_from"]
    shutil.rmtree(old)
    train_from({}, None, None, resume=str(run))
    runs.assert_same_run(run, tmp_path / "whole")
    assert runs.record(run)["initialized_from"] == origin


def test_a_rollback_before_the_first_epoch_ends_has_the_weights(
    digits, trained, tmp_path, monkeypatch
):
    poison(monkeypatch, epoch=1, batch=2, times=1)
    run = tmp_path / "run"
    done = train_from(given(digits, epochs=1, on_nan="rollback", lr=1e-9), trained, run)
    assert any("Went back to the start of training" in text for _, text in done.notices)
    old = weights(trained)
    assert all(torch.allclose(t, old[n], atol=1e-6) for n, t in weights(run).items())


@pytest.mark.parametrize(
    "at", ["vaecli.experiments.prepare.prepare", "vaecli.run.writer.RunWriter.save"]
)
def test_a_run_killed_before_the_weights_are_saved_is_not_resumed_without_them(
    digits, trained, tmp_path, at, quick
):
    run = tmp_path / "run"
    chosen = given(digits, epochs=1)
    interrupt(chosen, trained, run, at)
    assert not (run / names.CHECKPOINT).exists()
    with pytest.raises(RunError, match="start it again with --from and the same --run-dir"):
        make_plan({}, resume=str(run))
    with pytest.raises(RunError, match="start it again with --from"):
        make_plan(chosen, resume="auto", run_dir=run)
    train_from(chosen, trained, run, resume="auto")
    train_from(chosen, trained, tmp_path / "whole")
    runs.assert_same_run(run, tmp_path / "whole")


def test_resume_auto_goes_on_with_a_run_that_began_so_and_with_no_other(
    digits, trained, tmp_path, monkeypatch, quick
):
    monkeypatch.chdir(tmp_path)
    chosen = given(digits, epochs=2)
    tiny = {"network": "mlp:width=16,depth=1", "latent_dim": 3}
    train_from(chosen | tiny, None, None, resume="auto", stop=Stop(1))
    plan = make_plan(chosen, resume="auto", from_run=str(trained))
    assert plan.run is None
    assert plan.start is not None
    train_from(chosen, trained, None, stop=Stop(1))
    found = make_plan(chosen, resume="auto", from_run=str(trained))
    assert found.run is not None
    assert found.run.record.initialized_from is not None
    assert found.start is None
    plain = make_plan(chosen | tiny, resume="auto")
    assert plain.run is not None
    assert plain.run.record.initialized_from is None


def test_a_resume_reads_no_weights_of_the_other_run(digits, trained, tmp_path, monkeypatch, quick):
    old = Path(shutil.copytree(trained, tmp_path / "old"))
    run = tmp_path / "run"
    train_from(given(digits, epochs=2), old, run, stop=Stop(1))
    shutil.rmtree(old)
    plan = make_plan(given(digits, epochs=2), resume="auto", run_dir=run, from_run=str(old))
    assert (plan.run.folder, plan.start) == (run, None)
    with pytest.raises(ConfigError, match="did not begin with the weights of"):
        make_plan({}, resume="auto", run_dir=run, from_run=str(trained))
    monkeypatch.chdir(tmp_path)
    train_from(given(digits, epochs=2), trained, None, stop=Stop(1))
    read = []
    load = checkpoint.load
    monkeypatch.setattr(checkpoint, "load", lambda path: read.append(path) or load(path))
    found = make_plan(given(digits, epochs=2), resume="auto", from_run=str(trained)).run
    assert set(read) == {found.checkpoint}


def test_from_excludes_resume_run(trained):
    with pytest.raises(ConfigError, match="--from begins a new run, and --resume RUN goes on"):
        make_plan({}, resume=str(trained), from_run=str(trained))


def test_the_weights_that_are_taken_are_not_overwritten(digits, run_dir, tmp_path):
    before = runs.contents(run_dir)
    for old in (run_dir, run_dir / names.CHECKPOINT):
        with pytest.raises(ConfigError, match="--overwrite would delete"):
            train_from(given(digits), old, run_dir, overwrite=True)
    assert runs.contents(run_dir) == before


def test_a_loose_checkpoint_and_the_best_one_are_read(digits, run_dir, tmp_path, quick):
    loose = tmp_path / "loose.safetensors"
    shutil.copy(run_dir / names.CHECKPOINT, loose)
    train_from(given(digits, epochs=1), loose, tmp_path / "a")
    assert runs.record(tmp_path / "a")["initialized_from"]["run"] == str(loose)
    assert model_options(open_run(loose)) == model_options(open_run(run_dir))
    tensors, header = checkpoint.load(run_dir / names.CHECKPOINT)
    best = {n: torch.zeros_like(t) for n, t in tensors.items() if n.startswith(WEIGHTS)}
    checkpoint.save(run_dir / names.BEST, best, header)
    train_from(given(digits, epochs=1, lr=1e-9), run_dir, tmp_path / "b", stop=Stop(1))
    assert runs.record(tmp_path / "b")["initialized_from"]["checkpoint"] == "best.safetensors"
    assert all(tensor.abs().max() < 1e-6 for tensor in weights(tmp_path / "b").values())


def test_a_run_without_a_checkpoint_is_refused(digits, trained, tmp_path):
    old = Path(shutil.copytree(trained, tmp_path / "old"))
    shutil.rmtree(old / names.CHECKPOINTS)
    (old / names.CHECKPOINTS).mkdir()
    runs.set_record(old, epochs_done=0)
    with pytest.raises(RunError, match="has no checkpoint yet"):
        train_from(given(digits), old, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    with pytest.raises(RunError, match="nowhere does not exist"):
        make_plan({}, from_run="nowhere")


def test_larger_images_are_trained_from_the_command_line(cli, trained, tmp_path):
    folder = write_idx(tmp_path / "digits")
    words = ("train", "--from", trained, "--data-dir", folder, "--epochs", 1)
    done = cli(*words, "--dry-run")
    assert done.status == 0
    assert done.err.startswith("Begins with the weights of ")
    run = tmp_path / "new"
    done = cli(*words, "-r", run)
    assert done.status == 0
    assert "Begins with the weights of " in done.err
    assert cli(*words, "--resume", trained).status == 2


def test_a_model_that_reads_labels_can_begin_one_that_does_not(cli, conditional_run, digits):
    words = ("train", "--from", conditional_run, "--data-dir", digits, "--dry-run")
    assert cli(*words).err.count("100 % of all numbers") == 1
    done = cli(*words, "--no-conditional")
    assert done.status == 0
    assert "Begin anew: model.likelihood.decoder" in done.err


def test_a_tensor_of_as_many_numbers_in_another_shape_begins_anew(trained):
    run = open_run(trained)
    state = vaecli.start(make_plan({}, from_run=str(trained)).config, bars(96))
    name = next(n for n, t in state.tensors().items() if t.ndim == 2 and t.shape[0] != t.shape[1])
    run.contents[0][name] = run.contents[0][name].T.contiguous()
    assert take_weights(Start(trained, run), state).origin.anew == [name]


def test_the_latents_of_a_map_are_as_many_as_the_new_images_need(digits, tmp_path, quick):
    """Four for each position by default: the number that the old run found is not taken."""
    old = tmp_path / "old"
    network = "conv:width=4,latent=map"
    train_from(given(digits, epochs=1, network=network), None, old)
    loose = tmp_path / "loose.safetensors"
    shutil.copy(old / names.CHECKPOINT, loose)
    for source in (old, loose):
        assert make_plan({}, from_run=str(source)).config.latent_dim is None
        assert make_plan({"latent_dim": 8}, from_run=str(source)).config.latent_dim == 8
    train_from(given(digits, epochs=1, image_size="16"), old, tmp_path / "new")
    assert runs.config(tmp_path / "new")["latent_dim"] == 4 * runs.config(old)["latent_dim"]
    anew = runs.record(tmp_path / "new")["initialized_from"]["anew"]
    assert not any("posterior" in name for name in anew)
    chosen = tmp_path / "chosen"
    train_from(given(digits, epochs=1, network=network, latent_dim=8), None, chosen)
    assert make_plan({}, from_run=str(chosen)).config.latent_dim == 8


def test_optimizer_and_training_do_not_come_from_the_run(run_dir):
    values = runs.config(run_dir) | {"optimizer": "sgd"}
    (run_dir / names.CONFIG).write_text(json.dumps(values))
    assert make_plan({}, from_run=str(run_dir)).config.optimizer.name != "sgd"


def test_another_preset_keeps_whether_the_model_reads_labels(conditional_run):
    assert make_plan({"preset": "iwae"}, from_run=str(conditional_run)).config.conditional


def test_only_overwriting_is_refused_when_the_run_is_planned(trained):
    """Whether its folder is empty is checked when it is made."""
    plan = make_plan({}, run_dir=trained, from_run=str(trained))
    assert plan.start.run.folder == trained


def test_the_origin_of_a_link_is_where_it_leads(trained, tmp_path):
    (tmp_path / "link").symlink_to(trained)
    assert start_path(tmp_path / "link") == trained.resolve()


@pytest.mark.parametrize(
    ("count", "text"), [(1, "0"), (5, "0, 1, 2, 3, 4"), (6, "0, 1, 2, 3, 4 and 1 more")]
)
def test_of_many_tensors_five_are_named(count, text):
    assert module._list([str(number) for number in range(count)]) == text


def test_the_advice_about_the_size_names_the_width_first():
    assert "--image-size 48x32 --channels 3 " in module._size_advice((3, 32, 48))


@pytest.mark.parametrize(
    ("before", "after", "conditional", "warned"),
    [
        (("a", "b"), ("b", "a"), True, True),
        (("a", "b"), ("a", "b"), True, False),
        ((), ("a", "b"), True, False),
        (("a", "b"), ("b", "a"), False, False),
    ],
)
def test_weights_that_took_the_classes_for_others_are_said(before, after, conditional, warned):
    images = Images(bars(20).x, bars(20).labels, 2, class_names=after)
    state = vaecli.start(resolve(vaecli.Config(conditional=conditional)), images)
    assert bool(module._class_notices(before, state)) == warned


def test_tensors_of_another_type_are_not_alike():
    ones = torch.ones(2)
    assert module._alike(ones, torch.zeros(2))
    assert not module._alike(ones, ones.double())
    assert not module._alike(ones, torch.ones(3))
