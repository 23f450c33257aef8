"""Checkpoints: what is saved is loaded, and what is damaged, foreign or newer is refused."""

import json
import re
import struct

import pytest
import torch

from tests.processes import posix
from vaecli import __version__
from vaecli.run import checkpoint
from vaecli.system import machine
from vaecli.system.errors import ResourceError, RunError

TENSORS = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor(7, dtype=torch.int64)}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, TENSORS, {"note": "ö", "loss": 0.1})
    return path


def rewrite_header(path, change=str, **tensors):
    """Replace the JSON text of vaecli's header by `change(text)`, without a new checksum.

    `tensors` replaces what the header of safetensors says of a tensor.
    """
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    outer = json.loads(content[8 : 8 + size])
    outer["__metadata__"]["vaecli"] = change(outer["__metadata__"]["vaecli"])
    for name, values in tensors.items():
        outer[name] |= values
    packed = json.dumps(outer).encode()
    path.write_bytes(struct.pack("<Q", len(packed)) + packed + content[8 + size :])


def test_a_checkpoint_is_loaded_as_it_was_saved(path):
    tensors, header = checkpoint.load(path)
    assert header.pop("format") == checkpoint.FORMAT
    assert header.pop("readable_by") == checkpoint.READABLE_BY
    assert header == {"note": "ö", "loss": 0.1}
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


def test_a_tensor_that_is_not_contiguous_is_saved(tmp_path):
    transposed = torch.arange(6.0).view(2, 3).t()
    checkpoint.save(tmp_path / "c", {"a": transposed, "b": transposed[::2]}, {})
    tensors, _ = checkpoint.load(tmp_path / "c")
    assert torch.equal(tensors["a"], transposed)
    assert torch.equal(tensors["b"], transposed[::2])


def test_a_flipped_bit_anywhere_is_noticed(path):
    content = path.read_bytes()
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(RunError):
            checkpoint.load(path)


def test_numbers_that_are_read_as_another_type_are_noticed(path):
    path.write_bytes(path.read_bytes().replace(b'"F32"', b'"I32"'))
    with pytest.raises(RunError, match="Checksum mismatch"):
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
def test_a_truncated_file_is_no_checkpoint(path, end):
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(RunError, match="is not a vaecli checkpoint"):
        checkpoint.load(path)


def test_safetensors_of_another_program_are_refused(tmp_path):
    from safetensors.torch import save_file

    save_file(TENSORS, tmp_path / "c", metadata={"format": "pt"})
    with pytest.raises(RunError, match="it has no vaecli header"):
        checkpoint.load(tmp_path / "c")


@pytest.mark.parametrize(
    ("header", "needed"),
    [
        ({"vaecli": "10.1", "readable_by": "9.9"}, "version 9.9 or later"),
        ({"vaecli": "0.10.0"}, "version 0.10.0 or later"),
        ({"vaecli": "10.1"}, "version 10.1 or later"),  # the version that wrote it
        ({"vaecli": __version__}, "a newer version"),  # forged
        ({"vaecli": "10.1", "readable_by": __version__}, "a newer version"),
        ({"readable_by": "9.9\x1b[31m"}, "a newer version"),
        ({"readable_by": [9]}, "a newer version"),
        ({}, "a newer version"),
    ],
)
def test_a_newer_format_names_the_version_that_reads_it(path, header, needed):
    newer = json.dumps({"format": checkpoint.FORMAT + 1, **header})
    rewrite_header(path, lambda _: newer)
    with pytest.raises(RunError) as caught:
        checkpoint.load(path)
    message = str(caught.value).removeprefix(str(path))
    assert re.match(rf" has format {checkpoint.FORMAT + 1}, .* needs {needed}", message), message
    assert __version__ not in message  # this version does not read it


def test_what_this_version_saves_it_can_read_by_its_own_account(path):
    def numbers(version):
        return [int(part) for part in version.split(".")]

    assert numbers(checkpoint.load(path)[1]["readable_by"]) <= numbers(__version__)


@pytest.mark.parametrize("version", [0, -1, "2", True, None, 1.5])
def test_a_format_that_never_was_is_no_checkpoint(path, version):
    rewrite_header(path, lambda _: json.dumps({"format": version, "vaecli": __version__}))
    with pytest.raises(RunError, match="is not a vaecli checkpoint"):
        checkpoint.load(path)


def test_a_changed_header_is_noticed(path):
    rewrite_header(path, lambda text: text.replace("0.1", "0.3"))
    with pytest.raises(RunError, match="Checksum mismatch"):
        checkpoint.load(path)


@pytest.mark.parametrize("change", [{"shape": [3, 2]}, {"dtype": "I32"}])
def test_the_same_bytes_in_another_shape_or_type_are_noticed(path, change):
    rewrite_header(path, a=change)
    with pytest.raises(RunError, match="Checksum mismatch"):
        checkpoint.load(path)


def test_a_header_whose_text_alone_was_changed_is_noticed(path):
    """The last digit of a long number: it reads as the same number, but the text differs."""
    checkpoint.save(path, TENSORS, {"loss": 0.22293882071971893})
    content = path.read_bytes()
    changed = content.replace(b"0.22293882071971893", b"0.22293882071971892")
    assert float("0.22293882071971893") == float("0.22293882071971892")
    assert changed != content
    path.write_bytes(changed)
    with pytest.raises(RunError, match="Checksum mismatch"):
        checkpoint.load(path)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_tensor_that_is_not_finite_is_refused(path, number):
    checkpoint.save(path, {**TENSORS, "c": torch.tensor([0.0, number])}, {})
    with pytest.raises(RunError, match=r"holds NaN or infinite numbers, in c\."):
        checkpoint.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RunError, match=f"There is no checkpoint file {re.escape(str(tmp_path))}"):
        checkpoint.load(tmp_path)


def test_check_shapes_names_the_first_three_differences(path):
    expected = torch.nn.Linear(2, 2).state_dict()
    found = {"weight": torch.zeros(3, 2), "extra": torch.zeros(1), "more": torch.zeros(1)}
    with pytest.raises(RunError) as caught:
        checkpoint.check_shapes(expected, found, path)
    for part in (
        "bias: expected (2,), found nothing",
        "extra: expected nothing, found (1,)",
        "more: expected nothing, found (1,)",
    ):
        assert part in str(caught.value)
    assert "weight" not in str(caught.value)
    del found["extra"], found["more"]
    with pytest.raises(RunError, match=r"weight: expected \(2, 2\), found \(3, 2\)"):
        checkpoint.check_shapes(expected, found, path)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.int32])
def test_a_tensor_of_another_type_is_named(path, dtype):
    other = {**TENSORS, "a": TENSORS["a"].to(dtype)}
    name = str(dtype).removeprefix("torch.")
    with pytest.raises(RunError, match=rf"a: expected \(2, 3\), found \(2, 3\) of {name}\)"):
        checkpoint.check_shapes(TENSORS, other, path)


@pytest.mark.parametrize(
    ("names", "means"),
    [
        (("loss",), {"means.sums": torch.zeros(()), "means.finite": torch.zeros(())}),
        ((), {"means.sums": torch.zeros(2), "means.finite": torch.zeros(())}),
        ((), {"means.sums": torch.zeros(()), "means.finite": torch.zeros((), dtype=torch.int64)}),
        ((), {"means.sums": torch.zeros(())}),
        ((), {"means.finite": torch.zeros(())}),
    ],
)
def test_running_means_that_are_not_those_of_the_metrics_are_named(path, names, means):
    with pytest.raises(RunError, match=r"does not fit its own position \(means\.\w+: expected \("):
        checkpoint.check_means(names, means, path)
    whole = {"means.sums": torch.zeros(2), "means.finite": torch.zeros((), dtype=torch.bfloat16)}
    checkpoint.check_means(("loss", "distortion"), whole, path)


def test_numbers_of_an_unusual_type_end_in_a_message(path):
    checkpoint.save(path, {"a": torch.zeros(4).to(torch.float8_e4m3fn)}, {})
    with pytest.raises(RunError, match=r"is not a vaecli checkpoint: .* not implemented"):
        checkpoint.load(path)


def test_a_checkpoint_that_memory_cannot_hold_is_not_read(path, monkeypatch):
    """As a sparse file with a forged header may be."""
    monkeypatch.setattr(machine, "available_memory", lambda: path.stat().st_size - 1)
    with pytest.raises(ResourceError, match=rf"The checkpoint {re.escape(str(path))} needs .* MB"):
        checkpoint.load(path)


@posix
@pytest.mark.parametrize("smaller", [True, False])
def test_a_checkpoint_that_is_replaced_while_it_is_read_is_the_old_one(
    tmp_path, monkeypatch, smaller
):
    """Training replaces it at any time; safetensors opens it a second time for the tensors."""
    path, other = tmp_path / "last.safetensors", tmp_path / "other.safetensors"
    old = {"a": torch.arange(100.0)}
    checkpoint.save(path, old, {"number": 1})
    checkpoint.save(other, {"a": torch.zeros(10 if smaller else 1000)}, {"number": 2})
    from_file = torch.UntypedStorage.from_file

    def replaced(*arguments, **options):
        if other.exists():
            other.replace(path)
        return from_file(*arguments, **options)

    monkeypatch.setattr(torch.UntypedStorage, "from_file", replaced)
    tensors, header = checkpoint.load(path)
    assert torch.equal(tensors["a"], old["a"])
    assert header["number"] == 1
    assert not other.exists()


def test_the_last_byte_of_a_large_tensor_counts(path):
    large = {"a": torch.arange(100_000.0)}
    checkpoint.save(path, large, {})
    content = bytearray(path.read_bytes())
    content[-2] ^= 1  # a bit of the last number
    path.write_bytes(content)
    with pytest.raises(RunError, match="Checksum mismatch"):
        checkpoint.load(path)
