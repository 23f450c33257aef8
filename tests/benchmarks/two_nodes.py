"""A rehearsal of training on two machines: two agents of torchrun on this one.

    python -m tests.benchmarks.two_nodes [--per-node 1 2] [--images 12800] [--epochs 2]

Each agent has a folder of its own, and takes its part as one of two machines, with one and then two
processes each; gloo connects them through the loopback device. Trains, evaluates and embeds, and
compares with one process; the second folder must stay empty. Then trains again and kills the second
agent, alone and together with its process: the first must end and say so, and one process must be
able to go on from its checkpoint.
"""

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.runs import losses
from vaecli.run import names

PATIENCE = 500  # seconds
ALLOWED = 0.1  # nats
NODES = ("first", "second")


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def alone(folder: Path, *arguments: object) -> Outcome:
    """The command in one process."""
    words = [sys.executable, "-m", "vaecli", *map(str, arguments)]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
    return Outcome(done.returncode, done.stdout, done.stderr)


class Cluster:
    """Two agents that run one command together, each in its own folder.

    Args:
        folder: Gets a folder for each agent.
        per_node: Processes that each agent starts.
        arguments: Of vaecli.
    """

    def __init__(self, folder: Path, per_node: int, *arguments: object) -> None:
        together = ["--nnodes", 2, "--nproc-per-node", per_node, "--rdzv-backend", "static"]
        together += ["--master-addr", "127.0.0.1", "--master-port", free_port()]
        environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
        self.agents = []
        for rank, name in enumerate(NODES):
            (folder / name).mkdir(exist_ok=True)
            words = [sys.executable, "-m", "torch.distributed.run", *together, "--node-rank", rank]
            self.agents.append(
                subprocess.Popen(
                    [str(word) for word in (*words, "-m", "vaecli", *arguments)],
                    cwd=folder / name,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    start_new_session=True,
                )
            )

    def end(self) -> list[Outcome]:
        """What the agents have printed, in their order, when they have ended."""
        found = []
        try:
            for agent in self.agents:
                out, err = agent.communicate(timeout=PATIENCE)
                found.append(Outcome(agent.returncode, out, err))
        finally:
            for agent in self.agents:
                agent.kill()
        return found


def run_on_both(folder: Path, per_node: int, *arguments: object) -> str:
    """What the first agent prints on stdout; both must end well, and the second say nothing."""
    first, second = Cluster(folder, per_node, *arguments).end()
    assert first.status == second.status == 0, first.err + second.err
    assert second.out == ""
    assert not any((folder / NODES[1]).iterdir()), "the second machine has files"
    return first.out


def rehearse(folder: Path, per_node: int, options: Sequence[object]) -> list[str]:
    """Train, evaluate and embed on both, and compare; lines that say what was found."""
    folder.mkdir()
    train = ("train", "-q", "--threads", 1, "--run-dir", "run", *options)
    assert alone(folder, *train).status == 0
    assert run_on_both(folder, per_node, *train).strip() == "run"
    runs = [folder / "run", folder / NODES[0] / "run"]
    last = [float(losses(run)[-1]["test_loss"]) for run in runs]
    assert abs(last[0] - last[1]) < ALLOWED, last
    evaluate = ("evaluate", "-r", "run", "-n", 20, "--samples", 100)
    found = json.loads(run_on_both(folder, per_node, *evaluate))
    expected = json.loads(alone(folder / NODES[0], *evaluate).out)
    assert found.keys() == expected.keys()
    bounds = [result["negative_elbo"] for result in (expected, found)]
    assert abs(bounds[0] - bounds[1]) < 1e-4 * bounds[0], bounds
    for name in ("nll", "negative_bound", "standard_error"):
        assert found.get(name) == expected.get(name), name
    run_on_both(folder, per_node, "embed", "-r", "run", "-o", "two.npz")
    alone(folder / NODES[0], "embed", "-r", "run", "-o", "one.npz")
    two, one = ((folder / NODES[0] / f"{name}.npz").read_bytes() for name in ("two", "one"))
    assert two == one
    return [
        f"2 x {per_node} processes: test loss {last[1]:.4f}, of one process {last[0]:.4f}",
        f"2 x {per_node} processes: bound {bounds[1]:.4f}, of one process {bounds[0]:.4f}; the "
        "estimate by importance sampling and the embeddings are the same to the last bit",
    ]


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def lose_a_node(folder: Path, options: Sequence[object], lost: str) -> list[str]:
    """Kill the second agent in a training, and go on with one process; what was said.

    Args:
        folder: Gets the folders of the agents.
        options: Of the training.
        lost: "agent", or "machine" for the agent together with its process.
    """
    folder.mkdir()
    train = ("train", "-q", "--threads", 1, "--run-dir", "run", *options)
    cluster = Cluster(folder, 1, *train, "--epochs", 1000)
    run = folder / NODES[0] / "run"
    deadline = time.monotonic() + PATIENCE
    while not (run / names.LOSSES).exists() or not losses(run):
        assert time.monotonic() < deadline, "no epoch has ended"
        time.sleep(0.05)
    began = time.monotonic()
    pid = cluster.agents[1].pid
    for each in [pid, *(children(pid) if lost == "machine" else [])]:
        os.kill(each, signal.SIGKILL)
    first, _ = cluster.end()
    seconds = time.monotonic() - began
    assert first.status != 0
    said = [line for line in first.err.splitlines() if re.match("Error: |Stopped ", line)]
    assert len(said) == 1, first.err
    done = len(losses(run))
    resumed = alone(folder / NODES[0], "train", "-q", "--resume", "run", "--epochs", done + 1)
    assert resumed.status == 0, resumed.err
    assert len(losses(run)) == done + 1
    return [
        f"The second {lost} killed: the first ended after {seconds:.1f} s and said: {said[0]}",
        f"One process went on from its checkpoint to epoch {done + 1}.",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--per-node", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--images", type=int, default=12_800)
    parser.add_argument("--epochs", type=int, default=2)
    given = parser.parse_args()
    options = ("--train-images", given.images)
    with tempfile.TemporaryDirectory() as name:
        for per_node in given.per_node:
            folder = Path(name) / f"rehearsal-{per_node}"
            for line in rehearse(folder, per_node, (*options, "--epochs", given.epochs)):
                print(line)
        for lost in ("agent", "machine"):
            for line in lose_a_node(Path(name) / lost, options, lost):
                print(line)


if __name__ == "__main__":
    main()
