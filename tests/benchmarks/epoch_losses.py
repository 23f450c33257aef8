"""The losses of one epoch of every preset, kept as text, so that two versions compare bit for bit.

    python -m tests.benchmarks.epoch_losses record FILE [--train-images N] [--test-images M]
    python -m tests.benchmarks.epoch_losses compare FILE FILE

`record` trains every preset of the vaecli that Python imports for one epoch (seed 0, one thread)
with `python -m vaecli train`, in a folder that is deleted afterwards, and writes FILE: JSON with
the row of losses.csv of each preset, without its two columns of seconds. `--only NAME ...` records
some presets only. Set PYTHONPATH to the src folder of another checkout to record that one.

`compare` prints every preset and column whose text differs, and exits with 1 if there is one.
Presets and columns that have an older name (`tests/renamed.py`) are compared under the newer one.

Two files compare only if one machine wrote both, with the same version of torch.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests import renamed

# Of presets that `tests/renamed.py` has a table for, where it is not called as the preset is.
OBJECTIVE_OF = {"factor-vae": "factor"}
SECONDS = ("train_seconds", "test_seconds")
# Run in a process of its own, so that both commands read the same installation.
DESCRIBE = """
import importlib, json, torch, vaecli

for module in ("vaecli.config.presets", "vaecli.presets"):
    try:
        presets = list(importlib.import_module(module).PRESETS)
        break
    except ModuleNotFoundError:
        continue
about = {"vaecli": vaecli.__version__, "torch": torch.__version__}
about["cpu"] = torch.backends.cpu.get_cpu_capability()
print(json.dumps(about | {"presets": presets, "source": vaecli.__file__}))
"""
Row = dict[str, str]


def environment() -> dict[str, str]:
    """The variables of this process, one thread, and no option of vaecli among them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VAECLI_")}
    return kept | {"OMP_NUM_THREADS": "1"}


def describe() -> dict[str, object]:
    """Versions, presets and location of the vaecli that Python imports."""
    command = [sys.executable, "-c", DESCRIBE]
    done = subprocess.run(command, check=True, capture_output=True, env=environment())
    return json.loads(done.stdout)


def train(preset: str, options: list[str]) -> Row:
    """The row of losses.csv after one epoch, without seconds.

    Raises:
        subprocess.CalledProcessError: The training failed; its stderr was shown.
    """
    command = [sys.executable, "-m", "vaecli", "train", "--preset", preset, "--epochs", "1"]
    command += ["--threads", "1", "--seed", "0", "-q", *options]
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command += ["--run-dir", str(run)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment())
        with (run / "losses.csv").open(newline="", encoding="utf-8") as file:
            (row,) = csv.DictReader(file)
    return {column: text for column, text in row.items() if column not in SECONDS}


def record(file: Path, options: list[str], only: list[str] | None) -> int:
    """Write FILE anew after every preset; the exit status."""
    about = describe()
    every = about.pop("presets")
    presets = only or every
    print(f"recording {len(presets)} presets of {about.pop('source')}", flush=True)
    about["options"] = options
    rows: dict[str, Row] = {}
    failed = []
    start = time.monotonic()
    for number, preset in enumerate(presets, 1):
        try:
            rows[preset] = train(preset, options)
            result = f"test loss {rows[preset]['test_loss']}"
        except subprocess.CalledProcessError as error:
            failed.append(preset)
            result = f"FAILED with status {error.returncode}"
        file.write_text(json.dumps(about | {"presets": rows}, indent=1) + "\n", encoding="utf-8")
        minutes = (time.monotonic() - start) / 60
        print(f"{number}/{len(presets)} {preset}: {result} ({minutes:.1f} min)", flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return int(bool(failed))


def read(file: Path) -> dict[str, object]:
    """A file of `record` under the newest names."""
    content = json.loads(file.read_text(encoding="utf-8"))
    content["presets"] = {
        renamed.preset(name): renamed.row(row, OBJECTIVE_OF.get(name, name))
        for name, row in content["presets"].items()
    }
    return content


def differences(before: dict[str, Row], after: dict[str, Row]) -> list[str]:
    """One line for every preset that is missing and every column that differs."""
    lines = [f"{name}: only in the first file" for name in before if name not in after]
    lines += [f"{name}: only in the second file" for name in after if name not in before]
    for name, row in before.items():
        if name not in after:
            continue
        for column in dict.fromkeys([*row, *after[name]]):
            old = row.get(column, "(no such column)")
            new = after[name].get(column, "(no such column)")
            if old != new:
                lines.append(f"{name}: {column}: {old} -> {new}")
    return lines


def compare(first: Path, second: Path) -> int:
    """Print what differs; the exit status."""
    before = read(first)
    after = read(second)
    for key in ("torch", "cpu", "options"):
        if before[key] != after[key]:
            print(f"The files do not compare: {key} is {before[key]} and {after[key]}.")
            return 1
    lines = differences(before["presets"], after["presets"])
    print(*lines, sep="\n", end="\n" if lines else "")
    columns = sum(map(len, before["presets"].values()))
    print(f"{len(before['presets'])} presets, {columns} numbers; differences: {len(lines)}")
    return int(bool(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    recorder = commands.add_parser("record", help="train every preset and write FILE")
    recorder.add_argument("file", type=Path)
    recorder.add_argument("--train-images", type=int, help="[default: all]")
    recorder.add_argument("--test-images", type=int, help="[default: all]")
    recorder.add_argument("--only", nargs="*", metavar="PRESET")
    comparer = commands.add_parser("compare", help="print what differs between two files")
    comparer.add_argument("first", type=Path)
    comparer.add_argument("second", type=Path)
    chosen = parser.parse_args()
    if chosen.command == "compare":
        sys.exit(compare(chosen.first, chosen.second))
    options = []
    if chosen.train_images:
        options += ["--train-images", str(chosen.train_images)]
    if chosen.test_images:
        options += ["--test-images", str(chosen.test_images)]
    sys.exit(record(chosen.file, options, chosen.only))


if __name__ == "__main__":
    main()
