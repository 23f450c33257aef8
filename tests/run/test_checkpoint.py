import json
import struct

import pytest
import torch

from vaecli.run import checkpoint
from vaecli.system.errors import RunError

TENSORS = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor(7, dtype=torch.int64)}


@pytest.fixture
def path(tmp_path):
    checkpoint.save(tmp_path / "c.safetensors", TENSORS, {"note": "ö", "loss": 0.1})
    return tmp_path / "c.safetensors"


def test_what_is_saved_is_loaded(path):
    tensors, header = checkpoint.load(path)
    assert header == {"note": "ö", "loss": 0.1, "format": 1}
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        torch.testing.assert_close(tensors[name], tensor, rtol=0, atol=0)


def test_the_same_contents_give_the_same_bytes(path, tmp_path):
    checkpoint.save(tmp_path / "again", TENSORS, {"note": "ö", "loss": 0.1})
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_tensors_that_share_memory_are_saved(tmp_path):
    shared = torch.zeros(4)
    checkpoint.save(tmp_path / "c", {"a": shared, "b": shared[:2]}, {})
    assert checkpoint.load(tmp_path / "c")[0]["b"].shape == (2,)


def test_every_flipped_bit_is_noticed(path):
    content = path.read_bytes()
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(RunError):
            checkpoint.load(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 1000,
        b"<!DOCTYPE html>",
        b"plain text, longer than a header of eight bytes",
        b"\xff" * 64,
        struct.pack("<Q", 2) + b"{}",
    ],
)
def test_a_foreign_file_is_no_checkpoint(path, content):
    path.write_bytes(content)
    with pytest.raises(RunError, match="is not a vaecli checkpoint"):
        checkpoint.load(path)


@pytest.mark.parametrize("end", [-1, 100, 8])
def test_a_cut_file_is_no_checkpoint(path, end):
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(RunError, match="is not a vaecli checkpoint"):
        checkpoint.load(path)


def test_safetensors_of_another_program_are_refused(tmp_path):
    from safetensors.torch import save_file

    save_file(TENSORS, tmp_path / "c", metadata={"format": "pt"})
    with pytest.raises(RunError, match="it has no vaecli header"):
        checkpoint.load(tmp_path / "c")


def test_a_newer_format_names_the_version_that_reads_it(path, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT", 2)
    checkpoint.save(path, TENSORS, {"vaecli": "9.9"})
    monkeypatch.undo()
    with pytest.raises(RunError, match=r"has format 2, .* it needs vaecli >= '9.9'"):
        checkpoint.load(path)


def test_a_changed_header_is_noticed(path):
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"]["vaecli"] = header["__metadata__"]["vaecli"].replace("0.1", "0.2")
    packed = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(packed)) + packed + content[8 + size :])
    with pytest.raises(RunError, match="Checksum mismatch"):
        checkpoint.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RunError, match="There is no checkpoint file"):
        checkpoint.load(tmp_path)


def test_compare_names_the_first_differences(path):
    expected = torch.nn.Linear(2, 2).state_dict()
    with pytest.raises(RunError) as caught:
        checkpoint.compare(expected, {"weight": torch.zeros(3, 2), "extra": torch.zeros(1)}, path)
    for part in (
        "bias: expected (2,), found nothing",
        "extra: expected nothing, found (1,)",
        "weight: expected (2, 2), found (3, 2)",
    ):
        assert part in str(caught.value)


def test_a_header_whose_text_alone_was_changed_is_noticed(path):
    """The last digit of a long number: what is read is the same, what is there is not."""
    checkpoint.save(path, TENSORS, {"loss": 0.22293882071971893})
    content = path.read_bytes()
    changed = content.replace(b"0.22293882071971893", b"0.22293882071971892")
    assert float("0.22293882071971893") == float("0.22293882071971892")
    assert changed != content
    path.write_bytes(changed)
    with pytest.raises(RunError, match="Checksum mismatch"):
        checkpoint.load(path)
