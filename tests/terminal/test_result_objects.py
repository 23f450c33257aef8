"""The objects that commands print, made of results whose numbers all differ."""

from pathlib import Path

from vaecli.config.config import to_json
from vaecli.data.cache_entries import Entry
from vaecli.experiments.dry_run import DryRun
from vaecli.experiments.resume import make_plan
from vaecli.terminal.result_objects import cache_result, estimate_result


def test_every_number_of_a_dry_run_has_its_key():
    plan = make_plan({"epochs": 7})
    found = estimate_result(DryRun(1, "cpu", 2, 3.5, 4, 5, True, ["cache"], []), plan)
    assert found == {
        "parameters": 1,
        "device": "cpu",
        "epochs": 2,
        "epoch_seconds": 3.5,
        "memory_bytes": 4,
        "disk_bytes": 5,
        "fits_prior": True,
        "caches": ["cache"],
        "config": to_json(plan.config),
    }


def test_sets_that_were_removed_are_not_those_that_are_kept():
    found = cache_result([Entry(Path("a"), 1)], [Entry(Path("b"), 2), Entry(Path("c"), 3)])
    assert [(each["folder"], each["size"]) for each in found["kept"]] == [("a", 1)]
    assert [(each["folder"], each["size"]) for each in found["removed"]] == [("b", 2), ("c", 3)]
