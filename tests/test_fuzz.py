"""Whatever a file or an option holds, it works or ends in one of our errors.

A short profile; with `VAECLI_FUZZ=5000` in the environment each test makes so many examples.
"""

import gzip
import json
import os
import struct
import sys
import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save as serialize

import vaecli
from tests.conftest import bars, idx
from vaecli.config.build import TABLES, resolve
from vaecli.config.config import to_json
from vaecli.config.option_files import read_options_file
from vaecli.config.presets import config_from_layers
from vaecli.config.spec import Spec
from vaecli.data.readers.idx import read as read_idx
from vaecli.run import checkpoint, history, names
from vaecli.run.record import read_record
from vaecli.system.errors import VaecliError

fuzz = settings(
    max_examples=int(os.environ.get("VAECLI_FUZZ", "40")),
    deadline=10_000,  # milliseconds: an example that hangs fails
    derandomize="VAECLI_FUZZ" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
MEMORY = 100 * 2**20  # bytes at most that all examples of a test may add

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=10,
)
FIELDS = st.sampled_from(sorted(vaecli.Config.__dataclass_fields__))
NUMBERS = st.integers(-(2**70), 2**70) | st.floats() | st.sampled_from([0, 1, -1, 2**31, 2**63])


@st.composite
def damaged(draw, content):
    """The bytes with some flipped, cut, repeated, or replaced by others."""
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        kind = draw(st.sampled_from(["flip", "cut", "splice", "header", "repeat"]))
        if kind == "flip" and at < len(content):
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "cut":
            del content[at:]
        elif kind == "splice":
            content[at : at + draw(st.integers(0, 50))] = draw(st.binary(max_size=50))
        elif kind == "header":
            content[:16] = draw(st.binary(min_size=16, max_size=16))
        elif kind == "repeat":
            content[at:at] = content[at : at + 100]
    return bytes(content)


def peak():
    """The largest memory this process has had, in bytes."""
    resource = pytest.importorskip("resource")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@settings(max_examples=2)
@given(JSON | NUMBERS)
def warm_up(value):
    """The first run of hypothesis reads the sources of all modules, which takes memory itself."""


@pytest.fixture(autouse=True)
def bounded():
    """No example may take more memory than a hundred megabytes beyond the imports."""
    torch.set_flush_denormal(False)  # a training in this process may have set it
    warm_up()
    before = peak()
    yield
    assert peak() - before < MEMORY


def works_or_says(call, *arguments):
    """Call; True if it worked, False if it ended in one of our errors of one or two lines."""
    try:
        call(*arguments)
    except VaecliError as error:
        said = str(error)
    else:
        return True
    assert said
    return False


@fuzz
@given(st.dictionaries(FIELDS | st.text(max_size=8), JSON | NUMBERS, max_size=5))
def test_any_options(values):
    if works_or_says(config_from_layers, values):
        written = json.dumps(to_json(config_from_layers(values)))
        assert works_or_says(config_from_layers, json.loads(written))


@fuzz
@given(st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_config_file(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzz.json"
    path.write_bytes(content)
    assert works_or_says(lambda: config_from_layers(read_options_file(path))) in (True, False)


SPEC = st.builds(
    lambda name, options: name + ":" + ",".join(f"{k}={v}" for k, v in options),
    st.sampled_from(["mlp", "normal", "elbo", "mpl", ""]),
    st.lists(
        st.tuples(st.sampled_from(["width", "depth", "x"]), NUMBERS | st.text(max_size=6)),
        max_size=3,
    ),
)


@fuzz
@given(st.sampled_from(sorted(TABLES)), SPEC | st.text(max_size=30))
def test_any_spec_of_a_part(kind, spec):
    if works_or_says(lambda: Spec.parse(spec).resolve(TABLES[kind], kind)):
        config = resolve(vaecli.Config(**{kind: spec}))
        assert resolve(vaecli.Config.from_values(to_json(config))) == config


LARGE = st.sampled_from([2**31 - 1, 10**6, "mlp:width=1000000,depth=9", [3, 2**31, 2**31]])
IMAGES = idx(bars(20).x.squeeze(1).numpy())


@fuzz
@given(damaged(IMAGES), st.booleans(), st.sampled_from([1, 3]))
def test_any_idx_file(tmp_path_factory, content, zipped, dimensions):
    path = tmp_path_factory.getbasetemp() / ("fuzz.gz" if zipped else "fuzz")
    path.write_bytes(gzip.compress(content, 1) if zipped else content)
    if works_or_says(read_idx, path, dimensions):
        assert content[:4] == struct.pack(">I", 0x800 + dimensions)


@fuzz
@given(damaged(gzip.compress(IMAGES)))
def test_any_damaged_gzip_file(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzz.gz"
    path.write_bytes(content)
    assert works_or_says(read_idx, path, 3) in (True, False)


def open_model(path: Path):
    run = vaecli.open(path)
    run.losses()
    return run.model()


@fuzz
@given(data=st.data())
def test_any_damaged_checkpoint(tmp_path_factory, trained, data):
    good = (trained / names.CHECKPOINT).read_bytes()
    path = tmp_path_factory.getbasetemp() / "fuzz.safetensors"
    content = data.draw(damaged(good[:6000]).map(lambda begin: begin + good[6000:]))
    path.write_bytes(content)
    assert works_or_says(open_model, path) == (content == good)


def save_checkpoint(path, tensors, header):
    """Write a checkpoint of the format that its header says, under a good checksum."""
    header = {**header, "sha256": checkpoint._digest(tensors, header)}
    metadata = {checkpoint.KEY: json.dumps(header, allow_nan=False)}
    path.write_bytes(serialize(tensors, metadata=metadata))


@fuzz
@given(data=st.data(), version=st.sampled_from([1, checkpoint.FORMAT]))
def test_any_header_under_a_good_checksum(tmp_path_factory, trained, data, version):
    tensors, header = checkpoint.load(trained / names.CHECKPOINT)
    path = tmp_path_factory.getbasetemp() / "fuzz.safetensors"
    header["format"] = version
    epoch = header["history"][0]
    places = [header, header["config"], header["position"], epoch, epoch["train"]]
    inside = data.draw(st.sampled_from(places))
    key = data.draw(st.sampled_from(sorted(inside)) | st.text(max_size=8))
    inside[key] = data.draw(
        LARGE | JSON | NUMBERS | SPEC | st.lists(NUMBERS, min_size=3, max_size=3)
    )
    try:
        save_checkpoint(path, tensors, header)
    except ValueError:  # JSON has no such number
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert works_or_says(open_model, path) in (True, False)


@fuzz
@given(data=st.data())
def test_any_record(tmp_path_factory, trained, data):
    record = json.loads((trained / names.RECORD).read_text())
    record[data.draw(st.sampled_from(sorted(record)))] = data.draw(JSON | NUMBERS)
    folder = tmp_path_factory.getbasetemp()
    content = data.draw(st.just(json.dumps(record).encode()).flatmap(damaged_or_whole))
    (folder / names.RECORD).write_bytes(content)
    assert works_or_says(read_record, folder) in (True, False)


def damaged_or_whole(content):
    return damaged(content) | st.just(content)


@fuzz
@given(data=st.data())
def test_any_table_of_losses(tmp_path_factory, trained, data):
    path = tmp_path_factory.getbasetemp() / "fuzz.csv"
    path.write_bytes(data.draw(damaged((trained / names.LOSSES).read_bytes())))
    if works_or_says(history.decode, path):
        assert set(history.decode(path)) >= {"epoch", "train_loss", "test_loss"}
