"""Every option of a configuration: whether a resume may change it, for each field by itself."""

import shutil
from dataclasses import fields
from types import UnionType
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

from tests import runs
from tests.conftest import bars
from tests.experiments.trainings import options
from vaecli.config.build import TABLES, resolve
from vaecli.config.config import PART_KINDS, Config
from vaecli.config.presets import PRESETS
from vaecli.data.readers.named import READERS
from vaecli.experiments.resume import (
    CHANGEABLE_ON_RESUME,
    can_resume,
    config_for_resume,
    find_unfinished,
    make_plan,
)
from vaecli.run import names
from vaecli.run.create import make_run
from vaecli.system.errors import ConfigError
from vaecli.training.state import start

# No other value of it is valid.
FIXED = "schema_version"
FIELDS = [field.name for field in fields(Config) if field.name != FIXED]
UNCHANGEABLE = [name for name in FIELDS if name not in CHANGEABLE_ON_RESUME]
# Options that are not those of `Config()`, so that leaving one out is a change too.
OLD = resolve(
    Config(
        network="mlp:width=16,depth=1",
        latent_dim=3,
        train_images=90,
        test_images=30,
        validation=16,
        patience=3,
        max_time="1h",
        threads=1,
        device="cpu",
        save_every=2,
        seed=4,
    )
)
DEFAULTS = resolve(Config())
# Texts that mean something have no rule that gives another one.
OTHER_TEXTS = {
    "preset": next(name for name in PRESETS if name != "vae"),
    "data": next(name for name in READERS if name != "mnist"),
    "data_dir": "elsewhere",
    "image_size": "32",
    "device": "auto",
    "max_time": "2h",
}


def other_value(name):
    """A valid value of a field other than that of `OLD`, from its type."""
    old = getattr(OLD, name)
    hint = get_type_hints(Config)[name]
    if name in PART_KINDS:
        return next(spec for spec in TABLES[name] if spec != old.name)
    if get_origin(hint) is Literal:
        return next(value for value in get_args(hint) if value != old)
    kinds = get_args(hint) if get_origin(hint) is UnionType else (hint,)
    if bool in kinds:
        return not old
    if float in kinds:
        return old / 2 + 0.1
    if str in kinds:
        return OTHER_TEXTS[name]
    return (old or 1) + 1


def changed_options(name):
    """Another option of the same part, or another value of the field."""
    changes = [other_value(name)]
    if name in PART_KINDS:
        spec = getattr(OLD, name)
        options = dict(spec.options)
        number = next((o for o, v in options.items() if type(v) in (int, float)), None)
        if number is not None:
            changes.append(str(spec.with_options(**{number: options[number] * 0.5 or 1})))
    return changes


@pytest.fixture
def run(tmp_path):
    return make_run(OLD, tmp_path / "run")


def test_every_field_is_either_changeable_or_not():
    assert set(FIELDS) == set(UNCHANGEABLE) | set(CHANGEABLE_ON_RESUME)
    assert len(CHANGEABLE_ON_RESUME) == len(set(CHANGEABLE_ON_RESUME)) == 9


@pytest.mark.parametrize("name", FIELDS)
def test_the_same_value_of_any_option_is_accepted(run, name):
    old = getattr(OLD, name)
    assert config_for_resume(run, {name: str(old) if name in PART_KINDS else old}) == OLD
    assert can_resume(run, resolve(OLD.with_values(**{name: old})))


@pytest.mark.parametrize("name", UNCHANGEABLE)
def test_another_value_is_refused_and_named(run, name):
    for value in changed_options(name):
        new = getattr(resolve(OLD.with_values(**{name: value})), name)
        assert new != getattr(OLD, name)
        with pytest.raises(ConfigError) as caught:
            make_plan({name: value}, resume=str(run.folder))
        flag = "--" + name.replace("_", "-")
        assert str(caught.value).startswith(
            f"Cannot change {flag} from {getattr(OLD, name)} to {new} when resuming {run.folder}: "
        )
        assert not can_resume(run, resolve(OLD.with_values(**{name: value})))


@pytest.mark.parametrize(
    "name", [name for name in UNCHANGEABLE if getattr(OLD, name) != getattr(DEFAULTS, name)]
)
def test_an_option_that_a_run_was_made_with_cannot_be_left_out(run, name):
    """`--resume auto` finds a run by all of its options, not only by those that are given."""
    default = getattr(DEFAULTS, name)
    changes = {name: default, "patience": None} if name == "validation" else {name: default}
    assert not can_resume(run, resolve(OLD.with_values(**changes)))


@pytest.mark.parametrize("name", CHANGEABLE_ON_RESUME)
def test_another_value_of_these_is_taken(run, name):
    value = other_value(name)
    assert value != getattr(OLD, name)
    plan = make_plan({name: value}, resume=str(run.folder))
    assert plan.config == resolve(OLD.with_values(**{name: value}))
    assert can_resume(run, plan.config)


def test_of_several_options_the_one_that_may_not_change_is_named(run):
    with pytest.raises(ConfigError, match="Cannot change --batch-size from 128 to 7"):
        make_plan({"epochs": 9, "batch_size": 7, "threads": 2}, resume=str(run.folder))


def test_auto_passes_by_every_run_that_is_not_its_own(tmp_path, monkeypatch):
    """It takes the newest unfinished one of these options, whatever lies beside it."""
    monkeypatch.chdir(tmp_path)
    older, newer, *others = [make_run(OLD) for _ in range(5)]
    for number, run in enumerate((older, newer, *others), start=1):
        runs.set_record(run.folder, started=f"2026-01-0{number}T00:00:00Z", status="interrupted")
    completed, diverged, damaged = others
    runs.set_record(completed.folder, status="completed")
    runs.set_record(diverged.folder, status="diverged")
    (damaged.folder / names.CONFIG).write_text("{")
    for name in UNCHANGEABLE:
        other = make_run(resolve(OLD.with_values(**{name: other_value(name)})))
        runs.set_record(other.folder, started="2026-02-01T00:00:00Z", status="interrupted")
    chosen = {
        field.name: getattr(OLD, field.name) for field in fields(Config) if field.name != FIXED
    }
    plan = make_plan({**chosen, "epochs": 77}, resume="auto")
    assert plan.run == newer
    assert plan.config.epochs == 77
    assert find_unfinished(OLD) == newer
    runs.set_record(newer.folder, status="completed")
    assert find_unfinished(OLD) == older
    runs.set_record(older.folder, status="diverged")
    assert make_plan(chosen, resume="auto").run is None
    runs.set_record(older.folder, status="failed")
    assert find_unfinished(OLD) == older


def test_auto_with_a_run_dir_goes_on_from_the_last_checkpoint_not_from_the_best(digits, run_dir):
    shutil.copy(run_dir / names.CHECKPOINT, run_dir / names.BEST)
    plan = make_plan(options(digits, epochs=9), resume="auto", run_dir=run_dir)
    assert plan.run.checkpoint == run_dir / names.CHECKPOINT


def test_beta_of_a_resume_is_that_of_the_objective_of_the_run(tmp_path):
    config = resolve(Config(objective="iwae:samples=3,beta=0.5"))
    folder = make_run(config, tmp_path / "run").folder
    assert make_plan({"beta": 0.5}, resume=str(folder)).config == config
    with pytest.raises(ConfigError, match=r"Cannot change --objective from iwae:.* to iwae:"):
        make_plan({"beta": 0.25}, resume=str(folder))


def test_the_weights_of_a_run_depend_on_what_may_not_change():
    """The seed, for one; the number of epochs does not matter to them."""
    images = bars(20)
    weights = {
        change: start(OLD.with_values(**dict([change])), images).tensors()
        for change in (("seed", 4), ("epochs", 99), ("seed", 5))
    }
    runs.assert_same_tensors(weights["seed", 4], weights["epochs", 99])
    with pytest.raises(AssertionError):
        runs.assert_same_tensors(weights["seed", 4], weights["seed", 5])
