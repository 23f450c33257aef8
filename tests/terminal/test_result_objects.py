"""The objects that commands print, made of results whose numbers all differ."""

from vaecli.config.config import Config, to_json
from vaecli.experiments.dry_run import DryRun
from vaecli.experiments.resume import make_plan
from vaecli.terminal.result_objects import estimate_result


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
    assert found["config"]["network"] != to_json(Config())["network"]  # with all its options
