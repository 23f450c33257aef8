"""Random streams named by their use."""

import ast
from pathlib import Path

import pytest
import torch

import vaecli
from vaecli.system.seeds import derive_seed, random_stream, seed_device, stream_generator

CPU = torch.device("cpu")


def test_streams_differ_in_every_part_of_their_name():
    keys = [
        (0, "noise", 1, 2),
        (0, "noise", 2, 1),
        (1, "noise", 1, 2),
        (0, "order", 1, 2),
        (2**32,),
    ]
    assert len({derive_seed(*key) for key in [*keys, (0,)]}) == len(keys) + 1
    assert derive_seed(0, "noise", 1, 2) == derive_seed(0, "noise", 1, 2)


def test_a_stream_is_the_same_on_every_machine():
    assert derive_seed(0, "weights") == 366731662


def test_random_stream_draws_from_its_stream_and_restores_the_generator():
    torch.manual_seed(1)
    wanted = torch.rand(2)
    torch.manual_seed(1)
    with random_stream(CPU, 0, "samples"):
        first = torch.rand(2)
    torch.testing.assert_close(torch.rand(2), wanted, rtol=0, atol=0)
    with random_stream(CPU, 0, "samples"):
        torch.testing.assert_close(torch.rand(2), first, rtol=0, atol=0)


def test_random_stream_restores_the_generator_after_an_error():
    state = torch.get_rng_state()
    try:
        with random_stream(CPU, 0, "samples"):
            raise KeyError
    except KeyError:
        pass
    assert torch.equal(torch.get_rng_state(), state)


def test_seed_device_and_stream_generator_give_the_same_stream():
    seed_device(CPU, 3, "order", 1)
    assert torch.equal(
        torch.randperm(50), torch.randperm(50, generator=stream_generator(3, "order", 1))
    )


class Accelerator:
    """Stands in for `torch.cuda` or `torch.mps` and records how its generator is set."""

    def __init__(self, takes_device):
        self.state, self.takes_device, self.seeds = "before", takes_device, []

    def get_rng_state(self, *device):
        assert bool(device) == self.takes_device
        return self.state

    def set_rng_state(self, state, *device):
        assert bool(device) == self.takes_device
        self.state = state

    def manual_seed(self, seed):
        self.seeds.append(seed)
        self.state = seed


@pytest.mark.parametrize("name", ["cuda:1", "mps"])
def test_random_stream_seeds_and_restores_an_accelerator(name, monkeypatch):
    module = Accelerator(takes_device=name != "mps")
    if name != "mps":
        module.manual_seed_all = module.manual_seed
    monkeypatch.setattr(torch, "get_device_module", lambda device: module)
    with random_stream(torch.device(name), 0, "samples"):
        assert module.state == derive_seed(0, "samples")
    assert module.state == "before"
    assert module.seeds == [derive_seed(0, "samples")]


def streams():
    """The streams of the package: `(module, name, what stands before the name)` of each call."""
    functions = {"derive_seed", "random_stream", "stream_generator", "seed_device"}
    root = Path(vaecli.__file__).parent
    found = []
    for path in sorted(root.rglob("*.py")):
        if path.name == "seeds.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            if node.func.id in functions:
                names = [a.value for a in node.args if isinstance(a, ast.Constant)]
                words = [name for name in names if isinstance(name, str)]
                assert len(words) == 1, f"{path}:{node.lineno}"
                position = next(a for a in node.args if isinstance(a, ast.Constant))
                before = node.args[: node.args.index(position)]
                found.append((path.name, words[0], [ast.unparse(a) for a in before]))
    return found


def test_every_use_of_random_numbers_has_a_name_of_its_own():
    """Two uses with one name would draw the same numbers, such as latents equal to noise."""
    modules = {}
    for module, name, _ in streams():
        modules.setdefault(name, set()).add(module)
    assert all(len(users) == 1 for users in modules.values()), modules
    assert {"weights", "order", "noise", "labels", "samples", "evaluation"} <= modules.keys()


def test_every_stream_of_training_and_of_results_depends_on_the_seed():
    # these need no choice of a seed
    fixed = {"embeddings", "reconstructions", "pictures", "prior contours"}
    for module, name, before in streams():
        seeded = any(word.endswith("seed") for word in before)
        assert seeded or name in fixed, (module, name)
