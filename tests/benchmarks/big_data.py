"""Training on images that are larger than memory, against training on images in memory.

    python -m tests.benchmarks.big_data [--count 600000] [--steps 100] [--rounds 20]
        [--limit 2000000000] [--threads 1] [--folder DIR] [--network conv] [--likelihood bernoulli]

Makes a cache of random images, 64 x 64 in colour (7.4 GB for 600,000), unless DIR has it already,
and drops it from the memory of the system. Then two processes train the same convolutional model
in batches of 128, in turns of some steps: one on the cache, in a control group with `limit` bytes
of memory, which count what the system keeps of the file for it; the other without a limit, on
50,000 images in memory, in an order drawn by the same code. Prints the time per image of both in
every round, their ratio, and the memory of the process in the group. On a machine that is busy with
other work the CPU time says more; it leaves out waits for the disk.

The control group takes root on Linux (version 1 or 2 of control groups). Elsewhere: `ulimit -v`
limits the address space, which counts the whole file, though it is not in memory; `systemd-run
--user -p MemoryMax=2G` makes a group for a user.
"""

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SHAPE = (3, 64, 64)
BATCH = 128
IN_MEMORY = 50_000
AT_A_TIME = 1000  # images that are made
GROUPS = (  # folder, file of the limit, file of the most memory used
    ("/sys/fs/cgroup/memory/vaecli-test", "memory.limit_in_bytes", "memory.max_usage_in_bytes"),
    ("/sys/fs/cgroup/vaecli-test", "memory.max", "memory.peak"),
)
Child = subprocess.Popen[str]


def make(number: int) -> Path:
    """A cache of random images; its file."""
    import numpy as np
    import torch

    from vaecli.data.cache import PIXELS, Window, cache_key, make_cached

    def windows() -> Iterator[Window]:
        for start in range(0, number, AT_A_TIME):
            rows = range(start, min(start + AT_A_TIME, number))
            pixels = np.random.default_rng(start).integers(
                0, 256, (len(rows), *SHAPE), dtype=np.uint8
            )
            yield Window(torch.from_numpy(pixels), rows)

    key = cache_key([("random", str(number))])
    return make_cached(key, number, SHAPE, windows, {"source": "random pixels"}).folder / PIXELS


def drop(path: Path) -> None:
    """Have the system forget what it keeps of a file, so that it is read from the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_speed(path: Path, size: int = 10**9) -> float:
    """Bytes in a second, of a file that is read from its beginning."""
    drop(path)
    began = time.perf_counter()
    with path.open("rb", buffering=0) as file:
        while file.tell() < size and file.read(2**22):
            pass
        speed = file.tell() / (time.perf_counter() - began)
    drop(path)
    return speed


def train(given: argparse.Namespace) -> None:
    """Train some steps for every line of stdin; print seconds and CPU seconds per image."""
    import torch

    import vaecli
    from vaecli.data.blocks import block_order
    from vaecli.data.cache import cache_key, open_cached
    from vaecli.data.images import Images

    number = given.count
    torch.set_num_threads(given.threads)
    torch.set_flush_denormal(True)
    if given.side == "cache":
        found = open_cached(cache_key([("random", str(number))]))
        assert found is not None
        labels = torch.zeros(number, dtype=torch.uint8)
        images = Images(found.mapped.pixels, labels, mapped=found.mapped)
    else:
        x = torch.randint(0, 256, (IN_MEMORY, *SHAPE), dtype=torch.uint8)
        images = Images(x, torch.zeros(IN_MEMORY, dtype=torch.uint8))
        Images.order = lambda self, generator: block_order(len(self), self.x.shape[1:], generator)
    test = Images(torch.zeros(1, *SHAPE, dtype=torch.uint8), torch.zeros(1, dtype=torch.uint8))
    config = vaecli.Config(
        network=given.network, likelihood=given.likelihood, batch_size=BATCH, epochs=10_000
    )
    events = vaecli.fit(vaecli.start(config, images), images, test)
    next(events)  # the first step takes longer
    print("ready", flush=True)
    for _ in sys.stdin:
        began, used = time.perf_counter(), time.process_time()
        done = 0
        while done < given.steps:
            done += not isinstance(next(events), vaecli.Epoch)
        times = (time.perf_counter() - began, time.process_time() - used)
        print(*(seconds / given.steps / BATCH for seconds in times), flush=True)


@contextmanager
def memory_group(limit: int) -> Iterator[tuple[Path, str]]:
    """A control group with that much memory, and the file of the most that it used."""
    folder, limit_file, most_file = next(
        (Path(folder), limit, most)
        for folder, limit, most in GROUPS
        if (Path(folder).parent / limit).exists() or (Path(folder).parent / "memory.stat").exists()
    )
    folder.mkdir()
    try:
        (folder / limit_file).write_text(str(limit))
        yield folder, most_file
    finally:
        for _ in range(100):
            try:
                folder.rmdir()
                break
            except OSError:  # the processes in it are still ending
                time.sleep(0.1)


def start(side: str, given: argparse.Namespace, group: Path | None = None) -> Child:
    """A process that trains, in the control group from its first breath."""
    command = [sys.executable, "-m", "tests.benchmarks.big_data", "--side", side]
    for name in ("count", "steps", "threads", "network", "likelihood"):
        command += [f"--{name}", str(getattr(given, name))]
    if group is not None:
        enter = f'echo $$ > {group}/cgroup.procs && exec "$@"'
        command = ["sh", "-c", enter, "sh", *command]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    )


def turn(child: Child) -> list[float]:
    """Seconds and CPU seconds per image of the next steps."""
    print("go", file=child.stdin, flush=True)
    return [float(number) for number in child.stdout.readline().split()]


def memory(child: Child) -> str:
    """The memory of a process, and what it has read from the disk."""
    status = Path(f"/proc/{child.pid}/status").read_text()
    io = Path(f"/proc/{child.pid}/io").read_text()
    figures = {name: int(kb) * 1024 for name, kb in re.findall(r"(\w+):\s+(\d+) kB", status)}
    read = int(re.search(r"\nread_bytes: (\d+)", io)[1])
    waits = int(re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)", status)[1])
    return (
        f"peak RSS {figures['VmHWM'] / 1e6:,.0f} MB (now {figures['RssAnon'] / 1e6:,.0f} MB of "
        f"its own and {figures['RssFile'] / 1e6:,.0f} MB of files), "
        f"{read / 1e6:,.0f} MB read from the disk, waited {waits:,} times"
    )


def compare(given: argparse.Namespace, group: Path, most_file: str) -> None:
    """Train both in turns, and print how they do."""
    children = [start("cache", given, group), start("memory", given)]
    try:
        for child in children:
            assert child.stdout.readline() == "ready\n"
        ratios = []
        for number in range(1, given.rounds + 1):
            if number % 2:  # each goes first in every other round
                cached, in_memory = turn(children[0]), turn(children[1])
            else:
                in_memory, cached = turn(children[1]), turn(children[0])
            ratios.append([ours / theirs for ours, theirs in zip(cached, in_memory, strict=True)])
            print(
                f"round {number}: cache {cached[0] * 1e6:.0f} us per image, memory "
                f"{in_memory[0] * 1e6:.0f}, ratio {ratios[-1][0]:.3f}; of CPU time "
                f"{cached[1] * 1e6:.0f}, {in_memory[1] * 1e6:.0f}, {ratios[-1][1]:.3f}",
                flush=True,
            )
        for name, found in zip(("time", "CPU time"), zip(*ratios, strict=True), strict=True):
            low, middle, high = statistics.quantiles(found, n=4)
            print(f"ratio of {name}: median {middle:.3f}, quartiles {low:.3f} and {high:.3f}")
        for name, child in zip(("cache", "memory"), children, strict=True):
            print(f"{name}: {memory(child)}")
        print(f"group: at most {int((group / most_file).read_text()) / 1e6:,.0f} MB", end="")
        if (failures := group / "memory.failcnt").exists():
            print(f", at its limit {int(failures.read_text()):,} times", end="")
        print()
    finally:
        for child in children:
            child.kill()
            child.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=600_000)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--limit", type=int, default=2_000_000_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--network", default="conv")
    parser.add_argument("--likelihood", default="bernoulli")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--side", choices=["cache", "memory"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.folder is not None:
        os.environ["VAECLI_CACHE"] = str(given.folder)
    if given.side is not None:
        train(given)
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the processes and the group go too
    flags = set(Path("/proc/cpuinfo").read_text().split())
    print("processor:", *(f for f in ("avx2", "avx512f", "avx512_bf16", "amx_tile") if f in flags))
    began = time.perf_counter()
    path = make(given.count)
    print(f"{path.stat().st_size / 1e6:,.0f} MB made in {time.perf_counter() - began:.0f} s")
    print(f"read in sequence: {read_speed(path) / 1e6:,.0f} MB/s", flush=True)
    with memory_group(given.limit) as (group, most_file):
        compare(given, group, most_file)


if __name__ == "__main__":
    main()
