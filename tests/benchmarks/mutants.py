"""Break the code in one place at a time, and count how often the quick suite notices.

    python -m tests.benchmarks.mutants [--list FILE] [--log FILE] [--workers 2] [--only TEXT]

A mutant is one replaced piece of text in one module; the list stands in mutants.json, as
`{"file": "run/lock.py", "old": ..., "new": ..., "why": ...}`. First each mutant meets the tests of
the changed module and those of its room, then each that is left meets the whole quick suite, up
to the first failure. A mutant whose tests all pass has survived. Prints a line for each mutant and
the share killed; --log keeps the results, and a second call with the same log goes on where the
first one stopped.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

PROJECT = Path(__file__).parents[2]
PACKAGE = "src/vaecli"
LONGEST = 1800  # seconds for the whole quick suite; a mutant that hangs it is killed
NOT_COPIED = (".git", "runs", ".hypothesis", ".*_cache", "__pycache__")

Mutant = dict[str, str]


def near_tests(file: str) -> Iterator[list[str]]:
    """Arguments of pytest for a changed module: its own tests, then those of its room."""
    path = Path(file)
    tests = PROJECT / "tests"
    for folder, name in ((path.parent, path.stem), (path.parent.parent, path.parent.name)):
        if (tests / folder / f"test_{name}.py").exists():
            yield [f"tests/{folder}/test_{name}.py"]
    if (tests / path.parts[0]).is_dir():
        yield [f"tests/{path.parts[0]}"]


def run_tests(project: Path, arguments: list[str]) -> str | None:
    """The first failure of the tests; None if all pass."""
    environment = os.environ | {
        "PYTHONPATH": str(project / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", *arguments]
    try:
        done = subprocess.run(
            command, cwd=project, env=environment, capture_output=True, timeout=LONGEST
        )
    except subprocess.TimeoutExpired:
        return "timeout"
    if done.returncode == 0:
        return None
    lines = done.stdout.decode(errors="replace").splitlines()
    reasons = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return reasons[0] if reasons else f"pytest ended with status {done.returncode}"


@contextmanager
def broken(project: Path, mutant: Mutant) -> Iterator[None]:
    """The project with one mutant in it; afterwards as it was."""
    path = project / PACKAGE / mutant["file"]
    source = path.read_text()
    path.write_text(source.replace(mutant["old"], mutant["new"]))
    try:
        yield
    finally:
        path.write_text(source)


def try_mutant(project: Path, mutant: Mutant, everything: bool) -> str | None:
    """The test that notices a mutant, among all or only those near to it; None if none does."""
    with broken(project, mutant):
        for arguments in [[]] if everything else near_tests(mutant["file"]):
            if failure := run_tests(project, arguments):
                return failure
    return None


def identity(mutant: Mutant) -> tuple[str, str, str]:
    return mutant["file"], mutant["old"], mutant["new"]


def check_list(mutants: list[Mutant]) -> None:
    """Exit unless every text to replace occurs exactly once in its module."""
    for mutant in mutants:
        count = (PROJECT / PACKAGE / mutant["file"]).read_text().count(mutant["old"])
        if count != 1 or mutant["old"] == mutant["new"]:
            sys.exit(f"{mutant['file']}: {mutant['old']!r} occurs {count} times")


def try_all(
    mutants: list[Mutant], workers: int, everything: bool
) -> Iterator[tuple[Mutant, str | None, float]]:
    """Every mutant with the test that notices it and the seconds that it took."""
    projects: Queue[Path] = Queue()

    def work(mutant: Mutant) -> tuple[Mutant, str | None, float]:
        project = projects.get()
        began = time.monotonic()
        try:
            failure = try_mutant(project, mutant, everything)
            return mutant, failure, time.monotonic() - began
        finally:
            projects.put(project)

    with tempfile.TemporaryDirectory() as root, ThreadPoolExecutor(workers) as pool:
        for number in range(workers):
            project = Path(root) / str(number)
            shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns(*NOT_COPIED))
            projects.put(project)
        for done in as_completed([pool.submit(work, mutant) for mutant in mutants]):
            yield done.result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", type=Path, default=Path(__file__).with_name("mutants.json"))
    parser.add_argument("--log", type=Path, help="file of results, one JSON object a line")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", default="", help="only files whose path has this text")
    chosen = parser.parse_args()
    mutants = [m for m in json.loads(chosen.list.read_text()) if chosen.only in m["file"]]
    check_list(mutants)
    results: list[dict[str, Any]] = []
    if chosen.log and chosen.log.exists():
        results = [json.loads(line) for line in chosen.log.read_text().splitlines()]
    if failure := run_tests(PROJECT, []):
        sys.exit(f"the tests fail without a mutant: {failure}")
    known = {identity(result) for result in results}
    left = [mutant for mutant in mutants if identity(mutant) not in known]
    for everything in (False, True):
        tried = list(left)
        for mutant, failure, seconds in try_all(tried, chosen.workers, everything):
            if failure is None and not everything:
                continue
            left.remove(mutant)
            results.append({**mutant, "failure": failure})
            if chosen.log:
                with chosen.log.open("a") as file:
                    file.write(json.dumps(results[-1]) + "\n")
            print(f"{mutant['file']:32} {seconds:5.0f} s  {failure or 'SURVIVED'}", flush=True)
    survivors = [result for result in results if result["failure"] is None]
    for mutant in survivors:
        print(f"\nsurvived in {mutant['file']}:\n- {mutant['old']}\n+ {mutant['new']}")
    killed = len(results) - len(survivors)
    print(f"\n{killed} of {len(results)} killed: {killed / len(results):.1%}")


if __name__ == "__main__":
    main()
