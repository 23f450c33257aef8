"""What commands print with --json: one strict object, as `vaecli schema` describes it."""

import json

import pytest
from PIL import Image

from tests.conftest import TINY, vaecli
from tests.downloads import TinySet, serve
from tests.json_schema import problems
from tests.runs import arguments, losses
from vaecli.terminal.results import RESULTS
from vaecli.terminal.schema import result_schema

MIXTURE = "mixture:components=2,iterations=2"


def checked(name, done):
    """The object that a command printed, if it is as it is described."""
    assert done.status == 0, done.err
    assert done.out.count("\n") == 1
    found = json.loads(done.out, parse_constant=pytest.fail)
    assert problems(found, result_schema(RESULTS[name])) == []
    return found


@pytest.fixture(scope="module")
def runs(tmp_path_factory, digits):
    """Trained runs by name; do not write to them."""
    folder = tmp_path_factory.mktemp("runs")
    options = {
        "fitted": ("--fitted-prior", MIXTURE, "--validation", 20, "--save-every", 1),
        "codes": ("--preset", "vq-vae", "--fitted-prior", "none", "--latent-dim", 4),
        "m2": ("--preset", "m2", "--labels", 20),
        "ae": ("--preset", "ae", "--fitted-prior", "none"),
    }
    for name, chosen in options.items():
        command = arguments(digits, folder / name, "-q", "--epochs", 1, *chosen)
        assert vaecli(*command) == 0, name
    return folder


def test_a_training_says_how_it_ended_and_where_its_files_are(cli, digits, tmp_path):
    folder = tmp_path / "run"
    options = ("--epochs", 3, "--validation", 20, "--save-every", 2, "--json")
    done = cli(*arguments(digits, folder, *options))
    assert "Training " in done.err
    found = checked("train", done)
    assert (found["status"], found["ended_by"], found["reason"]) == (
        "completed",
        "epochs",
        "all 3 epochs are done",
    )
    assert (found["epochs"], found["epochs_planned"], found["last"]["number"]) == (3, 3, 3)
    assert found["best"]["valid"]["loss"] <= found["last"]["valid"]["loss"]
    row = losses(folder)[-1]
    for split in ("train", "valid", "test"):
        assert found["last"][split]["loss"] == pytest.approx(float(row[f"{split}_loss"]))
    paths = found["checkpoints"]
    assert paths == {
        "last": str(folder / "checkpoints/last.safetensors"),
        "best": str(folder / "checkpoints/best.safetensors"),
        "epochs": [str(folder / "checkpoints/epoch-0002.safetensors")],
    }
    assert 0 < found["seconds"] < 60
    again = checked("train", cli("train", "--resume", folder, "--json"))
    assert again == {**found, "seconds": 0.0}


def test_a_training_that_stops_early_says_why(cli, digits, tmp_path):
    still = ("--lr", 1e-30, "--validation", 20, "--patience", 1, "--epochs", 9, "--json")
    found = checked("train", cli(*arguments(digits, tmp_path / "a", *still)))
    assert (found["status"], found["ended_by"], found["epochs"]) == ("completed", "patience", 2)
    assert found["reason"].startswith("the validation loss was lowest after epoch 1")
    brief = ("--max-time", "1s", "--epochs", 100_000, "--sample-every", 100_000, "--json")
    found = checked("train", cli(*arguments(digits, tmp_path / "b", *brief)))
    assert (found["status"], found["ended_by"]) == ("interrupted", "max-time")
    assert found["reason"].startswith("Stopped: --max-time is reached.")
    assert found["best"] is found["checkpoints"]["best"] is None


def test_a_dry_run_says_what_a_training_needs(cli, digits, tmp_path):
    done = cli(*arguments(digits, tmp_path / "run", "--epochs", 7, "--dry-run", "--json"))
    found = checked("train --dry-run", done)
    assert (found["epochs"], found["device"]) == (7, "cpu")
    assert found["config"]["network"].startswith("mlp:width=16,depth=1,")
    assert not (tmp_path / "run").exists()


def test_refit_says_the_same_of_its_new_run(cli, runs, tmp_path):
    found = checked(
        "refit", cli("refit", runs / "ae", "--prior", MIXTURE, "-o", tmp_path / "new", "--json")
    )
    assert found["run_dir"] == str(tmp_path / "new")


def size_of(path):
    with Image.open(path) as picture:
        return picture.size


def test_pictures_are_described_by_their_files(cli, run_dir, tmp_path):
    path = tmp_path / "grid.png"
    found = checked(
        "sample", cli("sample", "-r", run_dir, "-n", 6, "--seed", 4, "-o", path, "--json")
    )
    assert (found["output"], found["images"], found["seed"]) == (str(path), 6, 4)
    assert found["shape"] == [1, 8, 8]
    assert size_of(path) == (found["width"], found["height"])
    found = checked(
        "reconstruct", cli("reconstruct", "-r", run_dir, "--split", "train", "-n", 3, "--json")
    )
    assert found["output"] == str(run_dir / "reconstructions.png")
    assert size_of(found["output"]) == (found["width"], found["height"])
    assert (found["images"], found["split"], found["input"]) == (3, "train", [])
    found = checked(
        "reconstruct", cli("reconstruct", "-r", run_dir, "--input", found["output"], "--json")
    )
    assert (found["images"], found["split"], len(found["input"])) == (1, None, 1)
    found = checked("plot-loss", cli("plot-loss", "-r", run_dir, "-r", run_dir, "--json"))
    assert found == {
        "output": str(run_dir / "loss.png"),
        "runs": [{"run_dir": str(run_dir), "epochs": 2}],
    }


def test_embeddings_are_described_by_their_files(cli, run_dir, tmp_path):
    table, plot = tmp_path / "z.csv", tmp_path / "z.png"
    found = checked("embed", cli("embed", "-r", run_dir, "--json"))
    assert (found["output"], found["plot"]) == (str(run_dir / "embeddings.npz"), None)
    assert (found["images"], found["latent_dim"], found["split"]) == (40, 3, "test")
    both = ("--plot", plot, "--method", "pca", "--json")
    found = checked("embed", cli("embed", "-r", run_dir, "-o", table, *both))
    assert (found["output"], found["plot"]) == (str(table), str(plot))
    assert table.exists()
    assert plot.exists()
    found = checked("embed", cli("embed", "-r", run_dir, *both))
    assert (found["output"], found["plot"]) == (None, str(plot))


def test_every_key_of_evaluate_is_described_and_every_described_key_is_printed(cli, runs, run_dir):
    """On a pipe the same is printed without --json."""
    seen, inner = set(), set()
    for name in ("fitted", "codes", "m2", "ae"):
        folder = runs / name
        samples = () if name in ("codes", "ae") else ("--samples", 2)
        done = cli("evaluate", "-r", folder, *samples)
        found = checked("evaluate", done)
        assert cli("evaluate", "-r", folder, *samples, "--json").out == done.out
        seen |= found.keys()
        inner |= found.get("trained_prior", {}).keys()
    binarized = run_dir.parent / "binarized"
    command = ("train", "-q", "--config", runs / "ae" / "config.json", "--binarize", "threshold")
    other = ("--posterior", "gaussian", "--objective", "elbo", "--run-dir", binarized)
    assert cli(*command, *other).status == 0
    image = next((runs / "ae").glob("samples.png"))
    for words in (("--samples", 2, "-n", 1), ("--input", image)):
        seen |= checked("evaluate", cli("evaluate", "-r", binarized, *words)).keys()
    schema = result_schema(RESULTS["evaluate"])
    assert seen == schema["properties"].keys()
    trained = schema["properties"]["trained_prior"]["$ref"].removeprefix("#/$defs/")
    assert inner == schema["$defs"][trained]["properties"].keys() - {"nll"}


def test_classify_is_described_with_and_without_names_of_classes(cli, run_dir, icons):
    found = checked("classify", cli("classify", "-r", run_dir, "--labels", 10, "--json"))
    assert "test_error_by_class" not in found
    found = checked("classify", cli("classify", "-r", icons, "--labels", 4))
    assert found["test_error_by_class"].keys() == {"round", "square"}


@pytest.fixture
def icons(tmp_path):
    """A run on images with names of classes."""
    for number in range(24):
        for name in ("round", "square"):
            (tmp_path / "icons" / name).mkdir(parents=True, exist_ok=True)
            colour = 10 * number + len(name)
            Image.new("L", (8, 8), colour).save(tmp_path / "icons" / name / f"{number}.png")
    folder = tmp_path / "icons-run"
    options = ("-q", "--data", tmp_path / "icons", "--epochs", 1, "--run-dir", folder)
    assert vaecli("train", *TINY, *options) == 0
    return folder


def test_parts_are_data(cli):
    every = checked("parts", cli("parts", "--json"))
    assert every["glossary"] == {}
    chosen = checked("parts", cli("parts", "mixture", "--json"))
    assert chosen["parts"] == {
        kind: {"mixture": every["parts"][kind]["mixture"]} for kind in ("prior", "fitted_prior")
    }
    chosen = checked("parts", cli("parts", "iwae", "--json"))
    assert chosen["presets"] == {"iwae": every["presets"]["iwae"]}
    words = checked("parts", cli("parts", "glossary", "--json"))
    assert words["presets"] == words["parts"] == {}
    assert "nat" in words["glossary"]


def test_data_commands_describe_what_they_found(cli, tmp_path, icons, monkeypatch):
    (tmp_path / "icons" / "round" / "x.png").write_bytes(b"broken")
    found = checked("data check", cli("data", "check", tmp_path / "icons", "--json"))
    assert found["findings"][0]["kind"] == "broken"
    monkeypatch.setenv("VAECLI_CACHE", str(tmp_path / "cache"))
    assert checked("data cache", cli("data", "cache", "--json"))["kept"] == []
    monkeypatch.setenv("no_proxy", "*")
    with serve() as server:
        made = TinySet("fashion-mnist", monkeypatch, server.url)
        server.files = dict(made.files)
        command = ("data", "download", "fashion-mnist", "--data-dir", tmp_path / "sets", "--json")
        found = checked("data download", cli(*command))
    assert (found["images"], found["downloaded"]) == ({"train": 10, "test": 5}, True)
    assert checked("data download", cli(*command)) == {**found, "downloaded": False}
    bundled = checked("data download", cli("data", "download", "mnist", "--json"))
    assert bundled["page"] is None


@pytest.mark.parametrize(
    "words",
    [
        ("sample", "-o", "-"),
        ("reconstruct", "-o", "-"),
        ("embed", "-o", "-"),
        ("embed", "--plot", "-"),
        ("plot-loss", "-o", "-"),
    ],
)
def test_a_file_and_its_description_do_not_both_go_to_stdout(cli, run_dir, words):
    done = cli(*words, "-r", run_dir, "--json")
    assert done == (
        2,
        "",
        "Error: --json and a file called - both write to stdout: name another file.\n",
    )


@pytest.mark.parametrize("name", [name for name in RESULTS if name not in ("parts", "schema")])
def test_an_error_prints_no_object(cli, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    words = name.split()
    if words[0] in ("train", "tune"):
        words += ["--epochs", "0"]
    elif words[0] == "data":
        words += {"check": ["nowhere"], "download": ["nothing"], "cache": ["--no-such"]}[words[1]]
    else:
        words += ["--prior", "none"] * (words[0] == "refit")
    done = cli(*words, "--json")
    assert done.status in (2, 3, 4)
    assert done.out == ""
    assert done.err.startswith("Error: ")
