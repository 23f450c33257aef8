"""run.json: how a run was made and how it ended."""

import json

import pytest
import torch

from tests.runs import record
from vaecli import __version__
from vaecli.run.record import Stage, new_record, read_record, write_record
from vaecli.system.errors import RunError


def test_the_record_says_how_a_run_was_made_and_how_it_ended(trained):
    found = record(trained)
    assert found["status"] == "completed"
    assert found["reason"] is None
    assert found["argv"][:2] == ["vaecli", "train"]
    assert found["versions"]["torch"] == torch.__version__
    assert found["versions"]["vaecli"] == __version__
    assert (found["epochs_done"], found["seed"]) == (2, 0)
    assert (found["resumes"], found["rollbacks"]) == (0, 0)
    assert found["device"] == "cpu"
    assert found["threads"] == torch.get_num_threads()
    assert found["parameters"] == (64 * 16 + 16) + (16 * 6 + 6) + (3 * 16 + 16) + (16 * 64 + 64)
    assert len(found["data"]["train"]) == len(found["data"]["test"]) == 64
    assert found["images"] == {"train": 96, "test": 40}
    assert found["started"] < found["ended"]


def test_a_password_is_not_recorded(monkeypatch):
    monkeypatch.setattr("sys.argv", ["vaecli", "tune", "--storage", "db://me:p4ss@host"])
    assert new_record(0).argv == ["vaecli", "tune", "--storage", "db://me:***@host"]


def test_a_record_is_read_as_it_was_written(tmp_path):
    written = new_record(seed=7).model_copy(update={"reason": "größe", "rollbacks": 2})
    write_record(tmp_path, written)
    assert read_record(tmp_path) == written
    assert written.status == "running"
    assert written.seed == 7


@pytest.mark.parametrize(
    "content", ['{"status": "finished"}', "", "[]", '{"schema_version": 2}', "\xff"]
)
def test_a_foreign_record_is_refused(tmp_path, content):
    (tmp_path / "run.json").write_text(content, encoding="latin-1")
    with pytest.raises(RunError, match="not written by vaecli"):
        read_record(tmp_path)


def test_the_record_of_a_newer_release_is_refused_with_advice(tmp_path):
    write_record(tmp_path, new_record(seed=7))
    path = tmp_path / "run.json"
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    with pytest.raises(RunError, match=r"schema_version is not 1\. If a newer .* upgrade"):
        read_record(tmp_path)


def test_a_missing_record_is_named(tmp_path):
    with pytest.raises(RunError, match=r"run\.json is missing"):
        read_record(tmp_path)


def test_a_start_without_a_time_zone_is_foreign(trained, tmp_path):
    """It could not be compared with the start of another run."""
    values = {**record(trained), "started": "2026-01-01T00:00:00"}
    (tmp_path / "run.json").write_text(json.dumps(values))
    with pytest.raises(RunError, match="not written by vaecli"):
        read_record(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"started": "99999-01-01T00:00:00Z"},
        {"ended": "2026-01-01T00:00:00"},
        {"epochs_done": -1},
        {"epochs_done": 10**30},
        {"seed": 1e308},
        {"argv": None},
    ],
    ids=str,
)
def test_a_record_with_a_false_value_names_it(trained, tmp_path, changes):
    (tmp_path / "run.json").write_text(json.dumps({**record(trained), **changes}))
    (name,) = changes
    with pytest.raises(RunError, match=rf"run\.json is not written by vaecli: {name}: "):
        read_record(tmp_path)


@pytest.mark.parametrize("name", ["status", "argv", "versions", "seed", "started"])
def test_a_record_that_lacks_a_value_names_it(trained, tmp_path, name):
    values = record(trained)
    del values[name]
    (tmp_path / "run.json").write_text(json.dumps(values))
    with pytest.raises(RunError, match=rf"run\.json is not written by vaecli: {name}: "):
        read_record(tmp_path)


def test_a_record_that_names_a_key_twice_is_refused(trained, tmp_path):
    text = (trained / "run.json").read_text().replace('"seed": 0', '"seed": 0, "seed": 1')
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunError, match="it names 'seed' twice"):
        read_record(tmp_path)


def test_the_largest_seed_can_be_recorded(tmp_path):
    write_record(tmp_path, new_record(2**64 - 1))
    assert read_record(tmp_path).seed == 2**64 - 1


def stage(**changes):
    return {"name": "fit", "prior": "mixture", "seconds": 1.5, **changes}


@pytest.mark.parametrize("changes", [{"name": "rest"}, {"seconds": -1.0}, {"seconds": 1e11}])
def test_a_stage_with_a_false_value_is_refused(trained, tmp_path, changes):
    content = {**record(trained), "stages": [stage(**changes)]}
    (tmp_path / "run.json").write_text(json.dumps(content))
    with pytest.raises(RunError, match=rf"stages\.0\.{next(iter(changes))}"):
        read_record(tmp_path)


@pytest.mark.parametrize("seconds", [None, 0.0, 1.5])
def test_stages_are_read_as_they_were_written(tmp_path, seconds):
    stages = [Stage.model_validate(stage(seconds=seconds))]
    write_record(tmp_path, new_record(seed=7).model_copy(update={"stages": stages}))
    assert read_record(tmp_path).stages == stages


def test_a_record_of_a_release_without_stages_has_none(trained, tmp_path):
    content = record(trained)
    del content["stages"]
    (tmp_path / "run.json").write_text(json.dumps(content))
    assert read_record(tmp_path).stages == []
