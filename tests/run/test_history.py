"""losses.csv: written per epoch, read as columns to plot."""

import csv
import io
import math
from dataclasses import asdict

import pytest

import vaecli
from vaecli.run import history
from vaecli.system.errors import RunError
from vaecli.training.epoch import Epoch

MEANS = {"loss": 0.1 + 0.2, "distortion": 1.0, "rate": 2.0}


def epoch(number, train=MEANS, valid=None):
    return asdict(Epoch(number, train, train, 1.5, 0.5, valid or {}))


def rows(content):
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def test_a_row_holds_an_epoch_in_full_precision():
    (row,) = rows(history.encode([epoch(1)]))
    assert list(row) == [
        "epoch",
        *(f"{split}_{term}" for split in ("train", "test") for term in MEANS),
        "train_seconds",
        "test_seconds",
    ]
    assert float(row["train_loss"]) == 0.1 + 0.2
    assert row["epoch"] == "1"
    assert (row["train_seconds"], row["test_seconds"]) == ("1.5", "0.5")


def test_validation_columns_stand_between_train_and_test():
    (row,) = rows(history.encode([epoch(1, valid={**MEANS, "loss": 9.0})]))
    assert list(row)[4:7] == ["valid_loss", "valid_distortion", "valid_rate"]
    assert float(row["valid_loss"]) == 9.0


def test_metrics_of_an_objective_follow_the_common_ones():
    (row,) = rows(history.encode([epoch(1, train={"loss": 1.0, "mmd": 0.5, "distortion": 1.0})]))
    assert list(row)[1:5] == ["train_loss", "train_distortion", "train_rate", "train_mmd"]
    assert row["train_rate"] == ""  # a deterministic posterior has none


def test_an_epoch_that_diverged_has_no_test_metrics():
    partial = history.partial_epoch(2, {**MEANS, "loss": math.nan}, 0.7, validated=False)
    _, row = rows(history.encode([epoch(1), partial]))
    assert (row["epoch"], row["train_loss"], row["train_seconds"]) == ("2", "nan", "0.7")
    assert [row[f"test_{term}"] for term in (*MEANS, "seconds")] == [""] * 4
    validated = history.partial_epoch(2, MEANS, 0.7, validated=True)
    _, row = rows(history.encode([epoch(1, valid=MEANS), validated]))
    assert row["valid_loss"] == ""


def test_columns_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "losses.csv"
    epochs = [epoch(1, valid=MEANS), epoch(2, valid={**MEANS, "loss": 0.5})]
    path.write_bytes(history.encode(epochs))
    columns = history.decode(path)
    assert columns == history.columns(epochs)
    assert columns["epoch"] == [1, 2]
    assert columns["valid_loss"] == [0.1 + 0.2, 0.5]
    assert "valid_loss" not in history.columns([epoch(1)])


def test_an_empty_cell_is_read_as_nan(tmp_path):
    path = tmp_path / "losses.csv"
    path.write_bytes(history.encode([epoch(1, train={"loss": 1.0, "distortion": 1.0})]))
    assert math.isnan(history.decode(path)["train_rate"][0])


@pytest.mark.parametrize(
    "content", ["", "epoch\n", "epoch\n9\n", "epoch\n" + 200_000 * "9" + "\n", "\0", "epoch,a\n1\n"]
)
def test_a_file_that_is_no_table_of_losses_is_refused(trained, run_dir, content):
    (run_dir / "losses.csv").write_text(content)
    with pytest.raises(RunError, match="is not a table of losses"):
        vaecli.open(run_dir).losses()


HEAD = "epoch,train_loss,train_distortion,train_rate,test_loss,test_distortion,test_rate\n"


@pytest.mark.parametrize(
    "content",
    [
        (HEAD + "1,1,1,1,1,1,1\n").replace(",", ";"),
        HEAD + "1,1e308,1,1,1,1,1\n",
        HEAD + "1e308,1,1,1,1,1,1\n",
        HEAD + "2,1,1,1,1,1,1\n",
        HEAD + "1,1\n",
        HEAD + "1,1,1,1,1,1,1,1\n",
    ],
)
def test_numbers_or_columns_that_training_cannot_give_are_refused(tmp_path, content):
    path = tmp_path / "losses.csv"
    path.write_text(content)
    with pytest.raises(RunError, match="is not a table of losses"):
        history.decode(path)


def test_a_byte_order_mark_and_an_infinite_loss_are_read(tmp_path):
    path = tmp_path / "losses.csv"
    path.write_text("\ufeff" + HEAD + "1,inf,nan,1,2,1,1\n", encoding="utf-8")
    columns = history.decode(path)
    assert (columns["epoch"], columns["train_loss"], columns["test_loss"]) == ([1], [math.inf], [2])


def test_epochs_with_other_columns_leave_cells_empty():
    first, second = rows(history.encode([epoch(1), epoch(2, train={**MEANS, "mmd": 0.5})]))
    assert (first["train_mmd"], second["train_mmd"]) == ("", "0.5")
