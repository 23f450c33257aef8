"""Starting a study, and finding the one to go on with."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests import runs
from tests.experiments.tune.studies import SEARCH, request, start, work, work_until
from vaecli.experiments.tune import start as module
from vaecli.experiments.tune.record import read_study, write_study
from vaecli.experiments.tune.start import open_or_start
from vaecli.system.errors import ConfigError, DataError, RunError

WIDE = {"network": "mlp:width=100000,depth=1"}


def test_a_tenth_is_held_out_unless_the_user_says_how_many(digits, tmp_path):
    study = start(digits, tmp_path / "a", options={"validation": None})
    assert study.base.validation == 9  # of 96
    assert study.record.validation == 9
    few = start(digits, tmp_path / "few", options={"validation": None, "train_images": 8})
    assert few.base.validation == 1
    given = start(digits, tmp_path / "b")
    assert (given.base.validation, given.record.validation) == (32, None)


def test_the_same_command_goes_on_with_its_unfinished_study(digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, existed = open_or_start(request(digits, None, 2))
    assert (str(first.folder), existed) == ("runs/tune-mnist-vae-1", False)
    work_until(first, 1)
    again, existed = open_or_start(request(digits, None, 2))
    assert (again.folder, existed) == (first.folder, True)
    work(again)
    new, existed = open_or_start(request(digits, None, 2))
    assert (str(new.folder), existed) == ("runs/tune-mnist-vae-2", False)


@pytest.mark.parametrize(
    "more",
    [
        {"options": {"epochs": 3}},
        {"options": {"seed": 1}},
        {"options": {"validation": None}},
        {"search": SEARCH[:1]},
        {"search": ()},
        {"trials": 3},
        {"trials": 1},
    ],
)
def test_another_command_starts_another_study(digits, tmp_path, monkeypatch, more):
    monkeypatch.chdir(tmp_path)
    first = start(digits, None, trials=2)
    other = start(digits, None, **{"trials": 2, **more})
    assert other.folder != first.folder


def test_the_newest_unfinished_study_of_the_same_storage_is_gone_on_with(
    digits, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for time, name in enumerate("bca"):
        start(digits, Path("runs", name))
        os.utime(f"runs/{name}/study.json", (time, time))
    record = read_study(Path("runs/a"))
    write_study(Path("runs/a"), record.model_copy(update={"external": True}))
    assert start(digits, None).folder == Path("runs/c")


def test_workers_may_differ_in_device_threads_and_time(digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = start(digits, None)
    other = start(digits, None, options={"threads": 2, "device": "cpu", "max_time": "1h"})
    assert other.folder == first.folder
    assert (other.base.threads, other.base.device, first.base.threads) == (2, "cpu", 1)
    limited = start(digits, tmp_path / "limited", options={"max_time": "1h"})
    assert limited.record.config["max_time"] is None


def test_a_study_is_opened_by_its_folder_alone(digits, tmp_path):
    study = start(digits, tmp_path / "study")
    bare = replace(request(digits, study.folder), options={}, search=(), trials=None)
    opened, existed = open_or_start(bare)
    assert existed
    assert (opened.base, opened.search, opened.record) == (study.base, study.search, study.record)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"options": {"lr": 0.5}}, "Cannot change lr from 0.001 to 0.5"),
        ({"options": {"epochs": 9}}, "Cannot change epochs from 2 to 9"),
        ({"options": {"beta": 2.0}}, "Cannot change objective from elbo:beta=1.0,"),
        ({"search": ("lr=1e-3..2e-3",)}, "searches lr in 0.001..0.01:log, latent-dim in 2,3,4"),
        ({"search": ("lr=1e-3..1e-2", "latent-dim=2,3,4")}, "leave out --search"),
        ({"url": "sqlite:///x.db"}, "leave out --storage"),
    ],
)
def test_what_would_change_a_study_is_refused(digits, tmp_path, more, words):
    start(digits, tmp_path / "study")
    before = runs.contents(tmp_path)
    with pytest.raises(ConfigError) as error:
        start(digits, tmp_path / "study", **more)
    assert words in str(error.value)
    assert runs.contents(tmp_path) == before


def test_more_trials_extend_a_study_and_fewer_do_not_shorten_it(digits, tmp_path):
    study = start(digits, tmp_path / "study", 1)
    work(study)
    assert read_study(study.folder).finished
    longer = start(digits, tmp_path / "study", 2)
    assert (longer.record.trials, longer.record.finished) == (2, False)
    work(longer)
    assert [row.number for row in longer.rows()] == [0, 1]
    assert start(digits, tmp_path / "study", 1).record.trials == 2


def test_workers_that_start_at_once_make_one_study(digits, tmp_path, monkeypatch):
    others = []
    prepare = module.prepare

    def prepare_late(*arguments):
        prepared = prepare(*arguments)
        monkeypatch.setattr(module, "prepare", prepare)
        others.append(start(digits, tmp_path / "study"))
        others[0].storage.ask()
        return prepared

    monkeypatch.setattr(module, "prepare", prepare_late)
    study = start(digits, tmp_path / "study")
    assert study.record == others[0].record
    assert [row.number for row in study.rows()] == [0]


def test_a_folder_that_holds_something_else_is_refused(digits, tmp_path):
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty and holds no study"):
        start(digits, tmp_path / "study")
    assert [path.name for path in (tmp_path / "study").iterdir()] == ["mine.txt"]


def test_what_a_killed_start_left_is_replaced(digits, tmp_path):
    study = start(digits, tmp_path / "study", 1)
    (study.folder / "study.json").unlink()
    again = start(digits, tmp_path / "study", 1)
    work(again)
    assert [row.state for row in again.rows()] == ["completed"]


@pytest.mark.parametrize(
    ("more", "error", "words"),
    [
        ({"search": ("latent-dim=1..4",), "options": {"posterior": "flow"}}, ConfigError, "1"),
        ({"search": ("network.depth=1..99",), "options": WIDE}, ConfigError, "depth=99: "),
        ({"options": {"network": "mlp:widht=3"}}, ConfigError, "widht"),
        ({"options": {"data_dir": "nowhere"}}, DataError, "nowhere"),
        ({"url": "nothing://x"}, ConfigError, "The --storage cannot be used"),
        ({"options": {"validation": 96}}, ConfigError, "none of the 96 training images"),
    ],
)
def test_a_mistake_is_found_before_anything_is_written(digits, tmp_path, more, error, words):
    with pytest.raises(error, match=words):
        start(digits, tmp_path / "study", **more)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"schema_version": 2}'])
def test_a_damaged_record_is_refused(digits, tmp_path, text):
    study = start(digits, tmp_path / "study")
    (study.folder / "study.json").write_text(text)
    with pytest.raises(RunError, match=r"study\.json is not written by vaecli"):
        start(digits, tmp_path / "study")


@pytest.mark.parametrize(
    ("key", "value"),
    [("search", {"lr": "9..1"}), ("search", {}), ("config", {"lr": -1}), ("config", {"foo": 1})],
)
def test_a_damaged_value_in_the_record_is_no_mistake_of_the_command(digits, tmp_path, key, value):
    study = start(digits, tmp_path / "study")
    path = study.folder / "study.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(RunError, match=r"study\.json is not written by vaecli"):
        start(digits, tmp_path / "study")


@pytest.mark.parametrize("line", ["garbage", "[1]", "{}", '{"op_code": 99}', "\udcff"])
def test_a_damaged_journal_is_refused_and_left_as_it_is(digits, tmp_path, line):
    study = start(digits, tmp_path / "study")
    journal = study.folder / "journal.log"
    content = f"{line}\n".encode(errors="surrogateescape") + journal.read_bytes()
    journal.write_bytes(content)
    with pytest.raises(RunError, match=r"journal\.log is damaged"):
        start(digits, tmp_path / "study")
    assert journal.read_bytes() == content


def test_a_lost_journal_is_named(digits, tmp_path):
    study = start(digits, tmp_path / "study")
    (study.folder / "journal.log").unlink()
    with pytest.raises(RunError, match="does not hold the study"):
        start(digits, tmp_path / "study")


def test_trials_can_be_kept_in_a_database(digits, tmp_path):
    pytest.importorskip("sqlalchemy")
    url = f"sqlite:///{tmp_path / 'trials.db'}"
    study = start(digits, tmp_path / "study", 2, url=url)
    work(study)
    assert [row.state for row in study.rows()] == ["completed"] * 2
    assert not (study.folder / "journal.log").exists()
    assert url not in (study.folder / "study.json").read_text()
    with pytest.raises(ConfigError, match="add --storage URL"):
        start(digits, tmp_path / "study", 2)
    other = start(digits, tmp_path / "other", 1, url=url)  # two studies in one database
    work(other)
    assert len(study.rows()) == 2


def test_the_record_is_strict_json(digits, tmp_path):
    study = start(digits, tmp_path / "study", 1)
    work(study)
    found = json.loads((study.folder / "study.json").read_text())
    assert found["search"] == {"lr": "0.001..0.01:log", "latent-dim": "2,3,4"}
    assert found["test"]["trial"] == 0
