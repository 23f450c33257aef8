"""The model card: what it says of a run, by parsers of Markdown and YAML that others wrote."""

import platform
import shlex
from types import SimpleNamespace

import pytest

from tests.conftest import TINY
from tests.export.cards import blocks, card, head, sections, tables, tokens
from tests.runs import losses, record, set_record
from vaecli.config.build import resolve
from vaecli.config.presets import config_from_layers
from vaecli.export.card.model import papers
from vaecli.export.card.page import check_license
from vaecli.run.find import open_run
from vaecli.system.errors import ConfigError, RunError


def plain_types(text: str) -> list[str]:
    """The blocks of a card, and the kinds of text in it where names make no difference."""
    kinds = []
    for token in tokens(text):
        inline = {child.type for child in token.children or []} - {"text", "code_inline"}
        kinds += [token.type, *sorted(inline)]
    return kinds


def test_hostile_names_are_shown_as_they_are_and_change_nothing_else(pets, hostile, tmp_path):
    tame, wild = card(pets, tmp_path / "tame"), card(hostile, tmp_path / "wild")
    assert plain_types(wild) == plain_types(tame)
    assert "html_inline" not in plain_types(wild)
    assert "html_block" not in plain_types(wild)
    assert head(wild) == head(tame)
    shown = sections(wild)["Data"]
    for label, name in enumerate(open_run(hostile).class_names):
        assert f"{label}: {name}" in shown
    assert "called <b>x | `y` # z." in shown
    assert blocks(wild, "python") == blocks(tame, "python")


def test_the_command_is_one_line_with_a_harmless_name(hostile, tmp_path):
    (command,) = blocks(card(hostile, tmp_path / "wild"), "bash")
    words = shlex.split(command)
    assert command.count("\n") == 1
    assert words[words.index("--data") + 1] == "./b-x-y-z"


def test_no_path_and_no_name_of_the_machine_is_told(pets, hostile, trained, tmp_path):
    for number, run in enumerate((pets, hostile, trained)):
        text = card(run, tmp_path / str(number))
        for secret in (str(run.parent.parent), str(tmp_path), record(run)["host"]):
            assert secret not in text.replace("\\", "")
    assert record(pets)["host"] == platform.node()


def test_the_head_is_what_the_hub_reads(trained, pets, tmp_path):
    found = head(card(trained, tmp_path / "a", license="no"))
    assert found["license"] == "no"
    assert found["library_name"] == "vaecli"
    assert found["pipeline_tag"] == "unconditional-image-generation"
    assert {"vae", "onnx", "safetensors"} <= set(found["tags"])
    conditional = head(card(pets, tmp_path / "b"))
    assert conditional["license"] == "unknown"
    assert "pipeline_tag" not in conditional


@pytest.mark.parametrize("license", ["", "MIT License", "mit\nx: y", "-", "a" * 51])
def test_a_licence_is_an_identifier(license):
    with pytest.raises(ConfigError, match="identifier of a licence"):
        check_license(license, card=True)


@pytest.mark.parametrize(("checkpoint", "row"), [("best", None), ("last", 3)])
def test_figures_are_those_of_the_epoch_of_the_checkpoint(digits, tmp_path, cli, checkpoint, row):
    run = tmp_path / "run"
    options = ("--epochs", 4, "--lr", "2", "--validation", 16, "--run-dir", run)
    assert cli("train", "-q", "--data-dir", digits, *TINY, *options).status == 0
    rows = losses(run)
    if row is None:
        row = min(range(4), key=lambda n: float(rows[n]["valid_loss"]))
        assert row < 3  # so large a learning rate does not end at its best
    text = card(run, tmp_path / "out", checkpoint)
    (figures,) = (t for t in tables(text) if t[0][0] == "metric")
    assert figures[0] == ["metric", "unit", "validation", "test", "training"]
    assert [cells[0] for cells in figures[1:]] == ["loss", "distortion", "rate"]
    for name, unit, *means in figures[1:]:
        assert unit == "nats"
        for split, mean in zip(("valid", "test", "train"), means, strict=True):
            expected = float(rows[row][f"{split}_{name}"])
            assert float(mean.replace(",", "")) == pytest.approx(expected, abs=0.005, rel=1e-3)
    said = sections(text)
    assert (
        f"After epoch {row + 1}, the last that {checkpoint}.safetensors counts"
        in (said["Evaluation"])
    )
    chose = "The validation images chose the epoch" in said["Limits"]
    assert chose == (checkpoint == "best")
    early = f"The weights are those after {row + 1} of 4 epochs" in said["Limits"]
    assert early == (checkpoint == "best")


def test_without_validation_there_are_two_columns_of_figures(trained, tmp_path):
    text = card(trained, tmp_path / "out")
    (figures,) = (t for t in tables(text) if t[0][0] == "metric")
    assert figures[0] == ["metric", "unit", "test", "training"]
    # of the checkpoint with the state of the optimizer, only the model is counted
    assert f"and {record(trained)['parameters']:,} weights" in sections(text)["Model"]


def test_data_are_counted_and_identified(pets, tmp_path):
    found = record(pets)
    text = card(pets, tmp_path / "out")
    (splits,) = (t for t in tables(text) if t[0][0] == "split")
    assert splits[1:] == [
        [split, str(found["images"][split]), found["data"][split]]
        for split in ("train", "test", "validation")
    ]
    assert sum(found["images"].values()) == 36
    said = sections(text)["Data"]
    assert "An image has 9 x 7 pixels, in colour, in 3 channels." in said
    assert "Classes: 3. By number: 0: cat; 1: dog; 2: newt." in said
    assert "0.1 of each class, chosen by a hash of the file names" in said
    assert "6 were held out for validation" in said


def test_a_run_of_an_older_version_has_no_counts(run_dir, tmp_path):
    set_record(run_dir, images={}, bad_images=["a.png is damaged."])
    text = card(run_dir, tmp_path / "out")
    (splits,) = (t for t in tables(text) if t[0][0] == "split")
    assert [cells[1] for cells in splits[1:]] == ["unknown"] * 2
    assert "up to 1,000 counted: 1 image." in sections(text)["Data"]


def test_a_checkpoint_file_alone_has_a_card(trained, tmp_path):
    file = tmp_path / "alone.safetensors"
    file.write_bytes((trained / "checkpoints/last.safetensors").read_bytes())
    text = card(file, tmp_path / "out")
    assert "alone.safetensors" in text
    assert not any(t[0][0] == "split" for t in tables(text))
    assert not (tmp_path / "out" / "samples.png").exists()
    assert "samples.png" not in text


def test_pictures_are_copied_and_shown(trained, tmp_path):
    text = card(trained, tmp_path / "out")
    shown = [c.attrs["src"] for t in tokens(text) for c in t.children or [] if c.type == "image"]
    assert shown == ["samples.png", "loss.png"]
    for name in shown:
        assert (tmp_path / "out" / name).read_bytes() == (trained / name).read_bytes()


def test_a_card_in_the_run_directory_leaves_its_pictures(run_dir):
    before = (run_dir / "samples.png").read_bytes()
    card(run_dir, run_dir)
    assert (run_dir / "samples.png").read_bytes() == before


def test_a_picture_that_cannot_be_read_is_named(run_dir, tmp_path):
    with (run_dir / "loss.png").open("wb") as file:
        file.truncate(200_000_000)
    with pytest.raises(RunError, match=r"loss\.png: it has more than 100,000,000 bytes"):
        card(run_dir, tmp_path / "out")


def test_the_model_is_described_by_its_parts_and_papers(pets, tmp_path):
    text = card(pets, tmp_path / "out")
    (parts,) = (t for t in tables(text) if t[0][0] == "choice")
    assert [cells[0].split(",")[0] for cells in parts[1:]] == [
        "posterior q(z|x)",
        "prior p(z)",
        "likelihood p(x|z)",
        "objective",
        "network of encoder and decoder",
    ]
    assert [cells[1] for cells in parts[1:]][-1] == "mlp:width=8,depth=1"
    said = sections(text)["Model"]
    assert "Auto-Encoding Variational Bayes (Kingma & Welling, 2014)" in said
    assert "Cyclical" not in said
    assert "it also reads the class" in said
    inputs, context = 3 * 7 * 9, 3
    encoder = (inputs + context) * 8 + 8 + 8 * 4 + 4
    decoder = (2 + context) * 8 + 8 + 8 * inputs + inputs
    assert f"{encoder + decoder:,} weights" in said


@pytest.mark.parametrize(
    ("options", "cited", "others"),
    [
        ({"objective": "elbo:capacity=3"}, "Understanding disentangling", "Cyclical Annealing"),
        ({"network": "conv:latent=map"}, "Latent Diffusion", "Sub-Pixel"),
        ({"network": "conv"}, "All Convolutional", "Latent Diffusion"),
        ({"objective": "iwae:bounds=2"}, "Tighter Variational", "Rényi"),
        ({"objective": "iwae"}, "Importance Weighted", "Tighter Variational"),
        ({"objective": "adversarial"}, "Which Training Methods for GANs", "Auto-Encoding Trans"),
    ],
)
def test_papers_of_options_are_cited_where_these_do_something(options, cited, others):
    config = resolve(config_from_layers(options))
    facts = SimpleNamespace(config=config, run=SimpleNamespace(has_fitted_prior=lambda: False))
    found = "\n".join(papers(facts))
    assert cited in found
    assert others not in found


def test_files_are_listed_once_for_each_graph(pets, tmp_path):
    text = card(pets, tmp_path / "out")
    (files,) = (t for t in tables(text) if t[0][0] == "files")
    assert [cells[0] for cells in files[1:] if cells[0]] == [
        "encoder.onnx, encoder.pt2",
        "decoder.onnx, decoder.pt2",
    ]
    assert files[1][1:5] == ["input", "image", "float32", "batch x 3 x 7 x 9"]
    assert "scorer: Its prior | has no density." in sections(text)["Files"]


def test_cards_of_one_export_are_the_same(pets, tmp_path):
    assert card(pets, tmp_path / "a") == card(pets, tmp_path / "b")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"status": "interrupted"}, "its status is interrupted"),
        ({"rollbacks": 1}, "diverged once and went on with half"),
        ({"rollbacks": 3}, "diverged 3 times"),
        (
            {"initialized_from": {"run": "/home/me/secret", "checkpoint": "last.safetensors"}},
            "began with the weights of another run",
        ),
    ],
)
def test_limits_follow_from_the_record(run_dir, tmp_path, changes, said):
    before = card(run_dir, tmp_path / "before")
    assert said not in sections(before)["Limits"]
    set_record(run_dir, **changes)
    after = card(run_dir, tmp_path / "after")
    assert said in sections(after)["Limits"]
    assert "secret" not in after


def test_limits_follow_from_the_model(trained, pets, tmp_path):
    grey, conditional = card(trained, tmp_path / "a"), card(pets, tmp_path / "b")
    needs = "It needs the class of an image"
    assert needs not in sections(grey)["Limits"]
    assert needs in sections(conditional)["Limits"]
    rows = losses(trained)
    fall = float(rows[0]["test_loss"]) - float(rows[1]["test_loss"])
    assert fall > 0
    assert f"the test loss fell by {fall:.4g}: more" in sections(grey)["Limits"]
    assert "loss fell" not in sections(conditional)["Limits"]  # of one epoch
