"""The page on scale: its tables are those of the model, and its commands and script can be run."""

import math
import re
import shlex
import shutil
import subprocess

import pytest

from tests.benchmarks import scale_model
from tests.benchmarks.processes import PAGE
from tests.benchmarks.scale_model import MODELS, PLATFORMS, Network, all_reduce_seconds
from tests.test_docs import blocks, options, read

SCRIPTS = [block for block in blocks(PAGE, "sh") if block.startswith("#!")]
COMMANDS = [
    line for block in blocks(PAGE, "sh") if block not in SCRIPTS for line in block.splitlines()
]


def vaecli_words(text):
    """The words after `vaecli` of every command in a text of a shell."""
    whole = text.replace("\\\n", " ")
    return [
        shlex.split(words) for words in re.findall(r"(?<!=)\bvaecli ((?!\n).*?)&?$", whole, re.M)
    ]


def test_the_tables_are_those_of_the_model():
    for lines in (scale_model.models_table(), scale_model.scaling_table()):
        assert "\n".join(lines) in read(PAGE)


def test_every_option_of_vaecli_exists():
    commands = [words for text in (*COMMANDS, *SCRIPTS) for words in vaecli_words(text)]
    assert len(commands) == len(COMMANDS) + len(SCRIPTS)
    for words in commands:
        known = options(words[0])
        assert {word for word in words if word.startswith("-")} <= known, words


def test_every_option_of_torchrun_exists():
    from torch.distributed.run import get_args_parser

    known = set(get_args_parser()._option_string_actions)
    for text in (*COMMANDS, *SCRIPTS):
        for words in re.findall(r"torchrun (.*?) -m ", text.replace("\\\n", " ")):
            found = {word for word in shlex.split(words) if word.startswith("--")}
            assert found
            assert found <= known, found


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_can_parse_the_script():
    (script,) = SCRIPTS
    done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_all_reduce_of_the_model_takes_the_time_that_was_measured_in_public():
    """Seconds of 32 GPUs for 64 KiB, 4 MiB and 1 GiB, from the table that the page links."""
    network = Network("public", 94e9, 10e-6, is_tree=True)
    for size, algorithm_bandwidth in ((2**16, 0.83e9), (2**22, 20.8e9), (2**30, 48.59e9)):
        measured = size / algorithm_bandwidth
        assert all_reduce_seconds(size, network, 32) == pytest.approx(measured, rel=0.3)


def test_one_process_exchanges_nothing_and_gains_nothing():
    for model in MODELS:
        for device, network in PLATFORMS:
            assert all_reduce_seconds(1e6, network, 1) == 0
            assert scale_model.speed_up(model, device, network, 128, 1) == 1


@pytest.mark.parametrize("count", [2, 8, 64])
def test_the_batch_for_an_efficiency_has_it_and_a_smaller_one_has_not(count):
    for model in MODELS:
        for device, network in PLATFORMS:
            batch = scale_model.batch_for(model, device, network, count, 0.5)
            batch = math.ceil(batch / count) * count  # so that every process has as many rows
            gain = scale_model.speed_up(model, device, network, batch, count)
            assert gain >= count / 2 * (1 - 1e-9)
            less = scale_model.speed_up(model, device, network, batch // 2, count)
            assert batch <= 2 * count or less < count / 2


@pytest.mark.slow
def test_the_models_have_the_parameters_and_operations_of_the_table():
    for model in MODELS:
        name, found = scale_model.measure(model).rsplit(": ", 1)
        parameters, flops = f"{model.parameters:,}", f"{model.flops / 1e6:.6f}"
        assert found.startswith(f"{parameters} parameters, {flops} million"), name
