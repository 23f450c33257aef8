"""What makes training quick changes no result, and nothing waits for the device."""

import platform
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import vaecli
from tests.conftest import bars
from vaecli.system import devices

CONFIG = vaecli.Config(
    latent_dim=2, network="mlp:width=16,depth=1", epochs=2, batch_size=32, test_images=8
)
TRAIN, TEST = bars(96), bars(32, seed=1)
WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero")


class Watch(TorchDispatchMode):
    """Counts the calls that would wait for an accelerator."""

    def __init__(self):
        super().__init__()
        self.waits = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        copied = name == "_to_copy" and (kwargs or {}).get("device") is not None
        if name in WAITING or copied:
            self.waits.append(name)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("objective", ["elbo", "iwae:samples=3", "beta-tc", "adversarial"])
def test_no_step_waits_for_the_device(objective):
    posterior = "dirac" if objective == "adversarial" else "gaussian"
    config = replace(CONFIG, objective=objective, posterior=posterior)
    events = vaecli.fit(vaecli.start(config, TRAIN), TRAIN, TEST)
    next(events)
    with Watch() as watch:
        second, third = next(events), next(events)
    assert (second.batch, third.batch, watch.waits) == (2, 3, [])
    with Watch() as watch:
        third.read()
    assert watch.waits  # reading is what waits


def test_threads_are_those_asked_for_and_recorded(cli, digits, tmp_path):
    from tests.commands.test_process import arguments

    threads = torch.get_num_threads()
    cli(*arguments(digits, tmp_path / "run", "-q", "--epochs", 1, "--threads", 2))
    assert vaecli.open(tmp_path / "run").record.threads == 2
    torch.set_num_threads(threads)


FAULTS = """
import resource
from vaecli.training.runtime import keep_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        kept = [bytearray(1 << 20) for _ in range(8)]
        del kept
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

given_back = faults()
keep_memory()
faults()
print(given_back, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the GNU C library only")
def test_memory_that_is_freed_is_kept():
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, check=True)
    given_back, kept = map(int, done.stdout.split())
    assert kept < 0.01 * given_back


def test_densities_are_not_computed_in_bf16():
    model, x = vaecli.start(CONFIG, TRAIN).model, TRAIN.pixels(slice(4))
    with torch.autocast("cpu", torch.bfloat16):
        draw = model.draw(x)
        assert model.likelihood.decoder(draw.z[0]).dtype == torch.bfloat16
        assert (draw.z.dtype, draw.log_px.dtype, draw.rate.dtype) == (torch.float32,) * 3


def test_bf16_trains_to_about_the_same_loss():
    losses = []
    for precision in ("float32", "bf16"):
        config = replace(CONFIG, precision=precision, epochs=20, lr=1e-2)
        *_, last = vaecli.fit(vaecli.start(config, TRAIN), TRAIN, TEST)
        losses.append(last.test["loss"])
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.05)


@pytest.mark.slow
def test_compiled_training_is_the_same_training():
    if not devices.can_compile():
        pytest.skip("no C++ compiler")
    found = []
    for compiled in (False, True):
        state = vaecli.start(replace(CONFIG, compile=compiled), TRAIN)
        list(vaecli.fit(state, TRAIN, TEST))
        found.append(state)
    for name, tensor in found[0].tensors().items():
        torch.testing.assert_close(found[1].tensors()[name], tensor, rtol=1e-3, atol=1e-4)


def test_without_a_compiler_training_goes_on_with_one_warning(cli, digits, tmp_path, monkeypatch):
    from tests.commands.test_process import arguments

    monkeypatch.setattr(devices, "can_compile", lambda: False)
    done = cli(*arguments(digits, tmp_path / "run", "-q", "--epochs", 1, "--compile"))
    assert done.status == 0
    assert done.err.count("no C++ compiler that works") == 1


@pytest.mark.parametrize("preset", ["aae", "vae-gan", "rae-gp"])
def test_what_torch_cannot_compile_trains_with_one_warning(cli, digits, tmp_path, preset):
    from tests.commands.test_process import arguments

    more = ("-q", "--epochs", 1, "--compile", "--preset", preset)
    done = cli(*arguments(digits, tmp_path / "run", *more))
    assert done.status == 0
    assert done.err.count("Warning: torch cannot compile") == 1
    assert len(done.err.splitlines()) == 1
