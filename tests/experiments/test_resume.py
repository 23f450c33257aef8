"""Which run is trained: a new one, or one that is resumed, and what may change about it."""

import json
import re
import shutil
from dataclasses import fields

import pytest

import vaecli
from tests import runs
from tests.experiments.trainings import options, run_training
from vaecli.config.build import resolve
from vaecli.config.config import Config, to_json
from vaecli.experiments.prepare import start_run
from vaecli.experiments.resume import (
    CHANGEABLE_ON_RESUME,
    Plan,
    can_resume,
    config_for_resume,
    find_unfinished,
    make_plan,
)
from vaecli.run import checkpoint, names
from vaecli.run.create import make_run
from vaecli.run.lock import run_lock
from vaecli.run.replace import RestoredWarning
from vaecli.system.errors import ConfigError, ConfigFileError, RunError

CONFIG = names.CONFIG

# Another value of every option that a resume may change.
CHANGED = {
    "epochs": 9,
    "device": "cpu",
    "patience": 3,
    "max_time": "1h",
    "threads": 1,
    "compile": True,
    "save_every": 2,
    "sample_every": 2,
    "on_nan": "rollback",
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_new_run_has_the_options_over_the_file_over_the_preset(digits, tmp_path):
    file = tmp_path / "given.json"
    file.write_text(json.dumps({"preset": "vae-fast", "lr": 0.5, "seed": 4}))
    plan = make_plan({"seed": 6}, config_file=file)
    assert plan.run is None
    assert plan.config.epochs == 8  # of the preset
    assert (plan.config.lr, plan.config.seed, plan.config.batch_size) == (0.5, 6, 128)
    assert plan.complete_reason() is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"preset": "nonsense"}', "Unknown preset 'nonsense'"),
        ('{"network": "mlp:nonsense=1"}', "The network mlp has no option 'nonsense'"),
        ('{"objective": "elbo:beta=2", "beta": 3.0}', "set beta: leave one out"),
        ('{"lr": 0.5, "lr": 0.1}', "it names 'lr' twice: leave one out"),
        ('{"network": "mlp:width=1,width=2"}', "sets width twice: leave one out"),
    ],
)
def test_a_mistake_in_a_file_is_reported_with_its_name(tmp_path, text, reason):
    file = tmp_path / "given.json"
    file.write_text(text)
    with pytest.raises(ConfigFileError, match=f"^{re.escape(str(file))}: .*{re.escape(reason)}"):
        make_plan({"network": "conv"}, config_file=file)


def test_a_plan_has_every_option_of_every_part(digits):
    plan = make_plan(options(digits, objective="iwae:samples=3"))
    assert "samples=3" in str(plan.config.objective)
    assert "beta=" in str(plan.config.objective)
    assert "width=16" in str(plan.config.network)
    assert "activation=relu" in str(plan.config.network)


def test_beta_is_written_into_the_objective(digits, run_dir):
    assert "beta=4.0" in str(make_plan(options(digits, beta=4.0)).config.objective)
    plan = make_plan({"beta": 1.0}, resume=str(run_dir))  # as it is
    assert "beta=1.0" in str(plan.config.objective)
    with pytest.raises(ConfigError, match=r"Cannot change --objective from elbo:.* to elbo:"):
        make_plan({"beta": 2.0}, resume=str(run_dir))


def test_a_run_is_resumed_with_its_own_configuration(run_dir):
    plan = make_plan({}, resume=str(run_dir))
    assert plan.run == vaecli.open(run_dir, "last")
    assert to_json(plan.config) == to_json(vaecli.open(run_dir).config)


def test_a_run_is_resumed_by_its_last_checkpoint(run_dir, monkeypatch):
    last = run_dir / names.CHECKPOINT
    assert make_plan({}, resume=str(last)).run == vaecli.open(run_dir, "last")
    monkeypatch.chdir(last.parent)
    for path in (last.name, f"../checkpoints/{last.name}"):
        assert make_plan({}, resume=path).run.folder.samefile(run_dir)


@pytest.fixture(scope="session")
def kept(digits, tmp_path_factory):
    """A run of four epochs with a checkpoint of each, and its second is the best."""
    run = tmp_path_factory.mktemp("kept") / "run"
    chosen = options(digits, epochs=4, save_every=1, validation=32, lr=0.1, seed=2)
    run_training(chosen, run)
    best = min(vaecli.open(run).history(), key=lambda epoch: epoch.valid["loss"]).number
    assert best == 2
    return run


@pytest.mark.parametrize("epoch", [2, 3])
def test_a_checkpoint_of_an_epoch_goes_on_in_a_new_run_to_the_same_bits(kept, tmp_path, epoch):
    source = kept / names.EPOCH_CHECKPOINT.format(epoch)
    before = runs.contents(kept)
    new = tmp_path / "new"
    training = run_training({}, new, resume=str(source))
    assert runs.contents(kept) == before
    assert training.notices[0] == ("info", f"Goes on from {source}, {epoch} finished epochs.")
    assert training.epochs == list(range(epoch + 1, 5))
    for name in (names.CHECKPOINT, names.BEST, names.EPOCH_CHECKPOINT.format(4)):
        runs.assert_same_tensors(runs.tensors(new, name), runs.tensors(kept, name))
    found = runs.losses(new)
    seconds = ("train_seconds", "test_seconds")
    assert [{**row, **dict.fromkeys(seconds)} for row in found] == [
        {**row, **dict.fromkeys(seconds)} for row in runs.losses(kept)
    ]
    for name in (names.SAMPLES, names.RECONSTRUCTIONS, names.EPOCH_SAMPLES.format(4)):
        assert (new / name).read_bytes() == (kept / name).read_bytes()
    record = runs.record(new)
    assert (record["status"], record["epochs_done"], record["resumes"]) == ("completed", 4, 0)
    assert record["data"] == runs.record(kept)["data"]


def test_a_new_run_has_a_checkpoint_before_its_first_epoch(kept, tmp_path):
    """What a kill in that epoch leaves can be resumed."""
    plan = make_plan({"epochs": 9}, resume=str(kept / names.EPOCH_CHECKPOINT.format(3)))
    with start_run(plan.config, None, tmp_path / "new", source=plan.source):
        pass
    run = vaecli.open(tmp_path / "new", "last")
    assert len(run.history()) == run.record.epochs_done == len(runs.losses(tmp_path / "new")) == 3
    assert run.config.epochs == 9
    assert make_plan({}, resume=str(tmp_path / "new")).run == run


def test_the_weights_of_a_best_epoch_that_is_lost_are_missed_with_a_word(kept, tmp_path):
    lone = tmp_path / "copy.safetensors"
    lone.write_bytes((kept / names.EPOCH_CHECKPOINT.format(3)).read_bytes())
    training = run_training({}, tmp_path / "new", resume=str(lone))
    assert training.notices[1] == (
        "warning",
        f"{tmp_path} no longer has the weights of the best of these epochs.",
    )
    runs.assert_same_tensors(runs.tensors(tmp_path / "new"), runs.tensors(kept))


def test_best_weights_of_other_epochs_are_not_taken(kept, tmp_path):
    run = shutil.copytree(kept, tmp_path / "run")
    tensors, header = checkpoint.load(run / names.EPOCH_CHECKPOINT.format(4))
    weights = {name: t for name, t in tensors.items() if name.startswith(names.WEIGHTS)}
    checkpoint.save(run / names.BEST, weights, header)
    (run / names.EPOCH_CHECKPOINT.format(2)).unlink()
    source = run / names.EPOCH_CHECKPOINT.format(3)
    training = run_training({}, tmp_path / "new", resume=str(source))
    assert "no longer has the weights of the best" in training.notices[1][1]


def test_a_new_run_may_change_the_same_options_as_a_resume(kept):
    source = str(kept / names.EPOCH_CHECKPOINT.format(2))
    assert make_plan({"epochs": 9}, resume=source).config.epochs == 9
    with pytest.raises(ConfigError, match=r"Cannot change --lr from 0\.1 to 0\.5"):
        make_plan({"lr": 0.5}, resume=source)
    for more in ({"config_file": "x"}, {"overwrite": True}):
        with pytest.raises(ConfigError, match="--resume RUN excludes --run-dir, --config and"):
            make_plan({}, resume=source, **more)


def test_other_images_are_refused_in_a_new_run_too(kept, tmp_path, monkeypatch):
    run = shutil.copytree(kept, tmp_path / "run")
    runs.set_record(run, data={"train": "0" * 64, "test": "0" * 64})
    plan = make_plan({}, resume=str(run / names.EPOCH_CHECKPOINT.format(2)))
    new = tmp_path / "new"
    with (
        pytest.raises(ConfigError, match="The data differ from those"),
        start_run(plan.config, None, new, source=plan.source),
    ):
        raise AssertionError("it started")
    assert not new.exists()


def test_the_weights_of_the_best_epoch_alone_are_not_gone_on_from(kept):
    with pytest.raises(ConfigError, match=r"best\.safetensors has the weights alone"):
        make_plan({}, resume=str(kept / names.BEST))


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda path: path.unlink(), "is missing, though run.json counts 4 finished epochs."),
        (lambda path: (path.unlink(), path.symlink_to("nothing")), "is a broken link."),
        (lambda path: path.write_bytes(bytes(1000)), "is not a vaecli checkpoint"),
        (lambda path: path.write_bytes(path.read_bytes()[:-4] + b"abcd"), "Checksum mismatch"),
    ],
    ids=["missing", "link", "zeros", "flipped"],
)
def test_a_lost_checkpoint_is_never_resumed_from_the_start(kept, tmp_path, harm, reason):
    """The error names the newest checkpoint of an epoch, if there is one."""
    run = shutil.copytree(kept, tmp_path / "run")
    before = runs.contents(run)
    harm(run / names.CHECKPOINT)
    before.pop(run / names.CHECKPOINT)
    newest = run / names.EPOCH_CHECKPOINT.format(4)
    ways = ({"resume": str(run)}, {"resume": "auto", "run_dir": run})
    for way in ways:
        with pytest.raises(RunError) as caught:
            make_plan(options_of(run) if "run_dir" in way else {}, **way)
        assert reason in str(caught.value)
        assert f"Use {newest}; --resume goes on from it in a new run" in str(caught.value)
    with pytest.raises(RunError, match=re.escape(str(newest))):
        vaecli.open(run, "last").model()
    for path in (run / "checkpoints").glob("epoch-*"):
        before.pop(path)
        path.unlink()
    with pytest.raises(RunError) as caught:
        make_plan({}, resume=str(run))
    assert reason in str(caught.value)
    assert "Use " not in str(caught.value)
    assert {p: b for p, b in runs.contents(run).items() if p.name != "last.safetensors"} == before


def options_of(run):
    """The options that a run was trained with."""
    values = runs.config(run)
    return {name: value for name, value in values.items() if name != "schema_version"}


@pytest.mark.parametrize(
    "more", [{"run_dir": "x"}, {"config_file": "x"}, {"overwrite": True}], ids=str
)
def test_a_named_run_excludes_what_belongs_to_a_new_one(run_dir, more):
    with pytest.raises(ConfigError, match="--resume RUN excludes --run-dir, --config and --overwr"):
        make_plan({}, resume=str(run_dir), **more)


def test_a_folder_that_is_no_run_is_not_resumed(tmp_path):
    with pytest.raises(RunError, match="is not a run directory"):
        make_plan({}, resume=str(tmp_path))


@pytest.mark.parametrize("name", CHANGEABLE_ON_RESUME)
def test_these_options_may_change_on_resume(run_dir, name):
    run = vaecli.open(run_dir)
    more = {"validation": 10} if name == "patience" else {}
    if more:
        with pytest.raises(ConfigError, match="Cannot change --validation from None to 10"):
            config_for_resume(run, {name: CHANGED[name], **more})
        return
    config = config_for_resume(run, {name: CHANGED[name]})
    assert getattr(config, name) == CHANGED[name] != getattr(run.config, name)
    before = to_json(run.config)
    assert {key for key, value in to_json(config).items() if value != before[key]} == {name}


def test_any_other_option_may_not_change_on_resume(run_dir):
    run = vaecli.open(run_dir)
    other = {
        "posterior": "dirac",
        "prior": "vamp",
        "fitted_prior": "mixture",
        "likelihood": "gaussian",
        "objective": "elbo:beta=2",
        "conditional": True,
        "labels": 2,
        "batch_size": 7,
        "lr": 0.5,
        "lr_schedule": "linear",
        "lr_warmup": 0.5,
        "optimizer": "sgd",
        "latent_dim": 8,
        "network": "mlp:width=17",
        "data": "kmnist",
        "data_dir": "elsewhere",
        "image_size": 32,
        "channels": 3,
        "resize": "pad",
        "test_fraction": 0.5,
        "skip_bad": True,
        "binarize": "dynamic",
        "train_images": 5,
        "test_images": 5,
        "validation": 5,
        "seed": 5,
        "precision": "bf16",
        "preset": "iwae",
    }
    names = {field.name for field in fields(Config)} - {"schema_version"}
    assert names == other.keys() | set(CHANGEABLE_ON_RESUME)
    for name, value in other.items():
        with pytest.raises(ConfigError) as caught:
            config_for_resume(run, {name: value})
        flag = "--" + name.replace("_", "-")
        assert str(caught.value).startswith(f"Cannot change {flag} from "), name
        assert "only --epochs, --device, --patience, " in str(caught.value)


def test_a_refused_change_names_both_values_and_the_run(run_dir):
    with pytest.raises(
        ConfigError, match=rf"Cannot change --latent-dim from 3 to 8 when resuming {run_dir}: only"
    ):
        make_plan({"latent_dim": 8}, resume=str(run_dir))


def test_repeating_an_option_is_no_change(run_dir, digits):
    same = options(digits, network="mlp:width=16,depth=1", epochs=3)
    assert make_plan(same, resume=str(run_dir)).config.epochs == 3


def test_a_finished_run_is_already_complete(run_dir):
    for chosen in ({}, {"epochs": 1}):
        reason = make_plan(chosen, resume=str(run_dir)).complete_reason()
        assert reason == (
            f"{run_dir} is already complete: all 2 epochs are done; extend it with --epochs N."
        )
    assert make_plan({"epochs": 3}, resume=str(run_dir)).complete_reason() is None


def test_a_run_whose_last_pictures_are_missing_is_not_complete(run_dir):
    runs.set_record(run_dir, status="running")
    assert make_plan({}, resume=str(run_dir)).complete_reason() is None


def test_a_run_that_ended_early_is_extended_by_patience(digits, tmp_path):
    run = tmp_path / "run"
    run_training(options(digits, epochs=50, lr=0.2, seed=2, validation=32, patience=1), run)
    reason = make_plan({}, resume=str(run)).complete_reason()
    assert "is already complete: the validation loss was lowest after epoch" in reason
    assert reason.endswith("; extend it with --patience N.")
    assert make_plan({"patience": 40}, resume=str(run)).complete_reason() is None


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("running", True),
        ("interrupted", True),
        ("failed", True),
        ("completed", False),
        ("diverged", False),
    ],
)
def test_auto_resumes_unfinished_runs_only(run_dir, status, expected):
    runs.set_record(run_dir, status=status)
    run = vaecli.open(run_dir, "last")
    assert can_resume(run, resolve(run.config)) == expected


def test_auto_resumes_a_run_of_the_same_options_only(run_dir, digits):
    runs.set_record(run_dir, status="running")
    run = vaecli.open(run_dir, "last")
    assert can_resume(run, make_plan(options(digits, **changeable())).config)
    assert not can_resume(run, make_plan(options(digits, seed=1)).config)
    assert not can_resume(run, make_plan(options(digits, beta=2.0)).config)


def test_auto_resumes_a_run_whose_configuration_lacks_an_option(run_dir):
    """An older release wrote it, and did not know the option."""
    runs.set_record(run_dir, status="running", epochs_done=0)
    config = resolve(vaecli.open(run_dir, "last").config)
    (run_dir / names.CHECKPOINT).unlink()
    values = {**runs.config(run_dir), "network": "mlp:width=16,depth=1"}
    (run_dir / names.CONFIG).write_text(json.dumps(values))
    assert can_resume(vaecli.open(run_dir, "last"), config)


MAP = {"network": "conv:width=2,latent=map", "latent_dim": None}  # 4 channels of 2x2


def test_auto_knows_the_number_of_latents_of_a_map(here, digits):
    """It depends on the images, and is not given again."""
    run_training(options(digits, **MAP, epochs=1), here / "run")
    runs.set_record(here / "run", status="interrupted")
    run = vaecli.open(here / "run", "last")
    assert run.config.latent_dim == 16
    assert can_resume(run, make_plan(options(digits, **MAP)).config)
    assert not can_resume(run, make_plan(options(digits, **{**MAP, "latent_dim": 8})).config)
    assert not can_resume(run, make_plan(options(digits, network="conv:width=2")).config)
    assert config_for_resume(run, {"network": MAP["network"], "epochs": 7}).latent_dim == 16
    with pytest.raises(ConfigError, match="Cannot change --latent-dim from 16 to 8 "):
        config_for_resume(run, {"latent_dim": 8})


def test_auto_tells_the_default_number_of_a_map_from_a_chosen_one(here, digits):
    run_training(options(digits, **{**MAP, "latent_dim": 8}, epochs=1), here / "run")
    runs.set_record(here / "run", status="interrupted")
    run = vaecli.open(here / "run", "last")
    assert not can_resume(run, make_plan(options(digits, **MAP)).config)


def changeable():
    """Other values of options that need no validation set."""
    return {name: value for name, value in CHANGED.items() if name != "patience"}


def test_auto_leaves_runs_alone_that_are_trained_or_damaged(run_dir):
    runs.set_record(run_dir, status="running")
    run = vaecli.open(run_dir, "last")
    with run_lock(run_dir):
        assert not can_resume(run, resolve(run.config))
    config = resolve(run.config)
    (run_dir / names.CHECKPOINT).write_bytes(b"damaged")
    assert not can_resume(vaecli.open(run_dir, "last"), config)
    (run_dir / names.RECORD).write_text("{")
    assert not can_resume(run, config)


def test_auto_finds_the_newest_run_that_can_be_resumed(here, digits):
    config = make_plan(options(digits)).config
    assert find_unfinished(config) is None
    made = [make_run(config), make_run(config), make_run(config)]
    runs.set_record(made[2].folder, status="completed")
    assert find_unfinished(config) == made[1]
    other = make_plan(options(digits, seed=1)).config
    assert find_unfinished(other) is None


def test_auto_starts_a_new_run_if_there_is_none_to_resume(here, digits):
    plan = make_plan(options(digits), resume="auto")
    assert plan == Plan(make_plan(options(digits)).config)
    run = make_run(plan.config)
    again = make_plan(options(digits, epochs=7), resume="auto")
    assert again.run == run
    assert again.config.epochs == 7


def test_auto_with_a_run_dir_resumes_the_run_there(here, digits):
    plan = make_plan(options(digits), resume="auto", run_dir=here / "run")
    assert plan.run is None
    run = make_run(plan.config, here / "run")
    assert make_plan(options(digits), resume="auto", run_dir=here / "run").run == run
    with pytest.raises(ConfigError, match="Cannot change --seed from 0 to 1"):
        make_plan(options(digits, seed=1), resume="auto", run_dir=here / "run")


@pytest.mark.parametrize(
    "left", [(), ("checkpoints",), ("checkpoints", "samples"), ("checkpoints", "samples", CONFIG)]
)
def test_auto_starts_where_a_kill_left_only_the_start_of_a_run(here, digits, left):
    run = make_run(make_plan(options(digits)).config, here / "run")
    for path in sorted(run.folder.iterdir()):
        if path.name not in left:
            path.rmdir() if path.is_dir() else path.unlink()
    plan = make_plan(options(digits, seed=1), resume="auto", run_dir=run.folder)
    assert plan.run is None
    assert plan.config.seed == 1
    with start_run(plan.config, None, run.folder):
        assert runs.config(run.folder)["seed"] == 1


@pytest.mark.parametrize(
    "name", ["mine.txt", "config.json", "samples/x.png", "checkpoints/epoch-0001.safetensors"]
)
def test_auto_with_a_run_dir_that_is_no_run_is_refused(here, digits, name):
    path = here / "run" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"precious")
    with pytest.raises((RunError, ConfigError)):
        make_plan(options(digits), resume="auto", run_dir=here / "run").complete_reason()
    with pytest.raises(ConfigError, match="is not empty"):
        make_run(make_plan(options(digits)).config, here / "run")
    assert path.read_bytes() == b"precious"


def test_auto_gives_a_run_back_that_a_kill_left_aside(here, digits):
    run = make_run(make_plan(options(digits)).config)
    run.folder.rename(run.folder.with_name(".mnist-vae-1-replaced-0123abcd"))
    with pytest.warns(RestoredWarning, match="Restored runs/mnist-vae-1: "):
        assert make_plan(options(digits), resume="auto").run == run
