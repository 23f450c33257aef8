"""The page on scale: its tables are those of the model, and its commands and script can be run."""

import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.benchmarks import scale_model
from tests.benchmarks.processes import PAGE
from tests.benchmarks.scale_model import MODELS, PLATFORMS, Network, all_reduce_seconds
from tests.benchmarks.two_nodes import free_port
from tests.conftest import TINY
from tests.processes import PATIENCE, wait_for
from tests.runs import losses, record
from tests.test_docs import blocks, options, read
from vaecli.run import names

needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
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


@needs_bash
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


# Commands of SLURM, as if the job had one machine without GPUs: srun runs what it is given, and
# what is queued again is a line in a file.
STUBS = {
    "srun": '#!/bin/bash\nexec "${@:2}"\n',
    "scontrol": '#!/bin/bash\n[ "$1" = show ] && echo 127.0.0.1 || echo "$@" >> queue\n',
    "torchrun": f'#!/bin/bash\nexec {sys.executable} -m torch.distributed.run "$@"\n',
}


@needs_bash
@pytest.mark.slow
def test_the_job_saves_when_its_time_is_over_and_goes_on_when_it_is_queued_again(digits, tmp_path):
    for name, text in STUBS.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    small = f"--data-dir {digits} {' '.join(TINY)} --validation 8"
    (script,) = SCRIPTS
    script = re.sub("--data icons.*--epochs 200", f"{small} --epochs 2000", script, flags=re.S)
    script = script.replace("29400", str(free_port()))
    (tmp_path / "job.sh").write_text(script)
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "SLURM_GPUS_ON_NODE": "2",
        "SLURM_JOB_ID": "17",
        "SLURM_JOB_NODELIST": "all",
        "SLURM_NNODES": "1",
    }
    run = tmp_path / "runs" / "icons"
    done = 0
    for _ in range(2):
        job = subprocess.Popen(["bash", "job.sh"], cwd=tmp_path, env=environment)
        wait_for(run / names.LOSSES)
        while len(losses(run)) <= done:
            time.sleep(0.1)
            assert job.poll() is None
        job.send_signal(signal.SIGUSR1)
        job.wait(PATIENCE)
        done = len(losses(run))  # the epochs before the signal came too
        assert record(run)["status"] == "interrupted"
    assert (tmp_path / "queue").read_text() == "requeue 17\n" * 2
    assert record(run)["resumes"] == 1
