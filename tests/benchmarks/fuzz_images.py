"""Damage valid image files at random, and read each: python -m tests.benchmarks.fuzz_images.

Every damaged file must be read or refused by a `VaecliError`, in less than 10 seconds, with less
than 200 MB of memory beyond what the process had before, and without a word on stderr. Files are
read in a child process, so that one that ends it is found and named. Linux only.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.images import damage, valid_files
from tests.many_images import valid_sets
from vaecli.data.readers.formats import list_images
from vaecli.system.errors import VaecliError

MAX_SECONDS = 10
MAX_BYTES = 200_000_000
STATUS = Path("/proc/self/status")


def make(seed: int, files: dict[str, bytes]) -> tuple[str, bytes]:
    """The name and content of the damaged file number `seed`."""
    dice = random.Random(seed)
    name = sorted(files)[seed % len(files)]
    return name, damage(files[name], dice)


def memory(key: str) -> int:
    """A value of this process's memory in bytes, such as VmRSS."""
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(lines[key].split()[0]) * 1024


def read(path: Path) -> str:
    """What becomes of a file: "read", or the kind of the error."""
    try:
        for item in list_images(path).items:
            if item.outline:
                item.outline()
            image = item.read()
            assert image.mode in ("L", "RGB")
            image.getpixel((0, 0))
    except VaecliError as error:
        outcome = type(error).__name__
        return f"FAILED in two lines: {error}" if "\n" in str(error) else outcome
    return "read"


def work(first: int, last: int) -> None:
    """Read the files with these numbers; one line of JSON for each on stdout."""
    files = valid_files() | valid_sets()
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, last):
            name, content = make(seed, files)
            print(json.dumps({"start": seed, "name": name}), flush=True)
            path = Path(folder, name)
            path.write_bytes(content)
            Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
            before = memory("VmRSS")
            started = time.perf_counter()
            try:
                outcome = read(path)
            except Exception as error:
                outcome = f"FAILED {error!r}"
            seconds = time.perf_counter() - started
            grown = memory("VmHWM") - before
            print(json.dumps({"outcome": outcome, "seconds": seconds, "bytes": grown}), flush=True)


def run(first: int, last: int, outcomes: Counter[str]) -> tuple[int, float, int, list[str]]:
    """Read files in a child until it ends; the next number, the worst values, and the failures."""
    command = [sys.executable, "-m", "tests.benchmarks.fuzz_images", "--work", f"{first}:{last}"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    slowest, largest, seed, name = 0.0, 0, first - 1, ""
    failures = []
    done = True
    for line in child.stdout:
        found = json.loads(line)
        done = "start" not in found
        if not done:
            seed, name = found["start"], found["name"]
            continue
        outcome = found["outcome"]
        outcomes[outcome.split()[0]] += 1
        slowest = max(slowest, found["seconds"])
        largest = max(largest, found["bytes"])
        if outcome.startswith("FAILED"):
            failures.append(f"{seed} {name}: {outcome}")
        if found["seconds"] > MAX_SECONDS or found["bytes"] > MAX_BYTES:
            failures.append(f"{seed} {name}: {found}")
    errors = child.stderr.read()
    status = child.wait()
    if errors:
        failures.append(f"stderr until {seed} {name}: {errors[:300]}")
    if not done:
        failures.append(f"{seed} {name}: the process ended with status {status}")
    return seed + 1, slowest, largest, failures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(*map(int, options.work.split(":")))
        return
    outcomes: Counter[str] = Counter()
    slowest, largest, next_seed = 0.0, 0, options.first
    last = options.first + options.count
    failures = []
    while next_seed < last:
        next_seed, seconds, size, failed = run(next_seed, last, outcomes)
        slowest, largest = max(slowest, seconds), max(largest, size)
        failures += failed
    print(*failures, sep="\n")
    print(f"{options.count:,} files: {dict(outcomes)}, {len(failures)} failures")
    print(f"slowest {slowest:.2f} s, largest growth {largest / 1e6:.0f} MB")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
