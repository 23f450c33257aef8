"""Check what the README's five commands wrote after two epochs on the whole of MNIST.

    python tests/tools/check_outputs.py FOLDER

Needs only what vaecli itself needs; exits with a message at the first thing that is wrong.
"""

import csv
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import vaecli


def check(holds: bool, message: str) -> None:
    if not holds:
        sys.exit(f"FAILED: {message}")
    print(f"ok: {message}")


def main(folder: Path) -> None:
    check("site-packages" in str(Path(vaecli.__file__)), "vaecli comes from the installed wheel")
    run = folder / "runs" / "mnist-vae-1"
    record = json.loads((run / "run.json").read_text())
    check(record["status"] == "completed", "the run is completed")
    with (run / "losses.csv").open(newline="") as file:
        losses = [float(row["test_loss"]) for row in csv.DictReader(file)]
    check(len(losses) == 2, "losses.csv has a row for each epoch")
    check(losses[1] < losses[0] < 145, f"the test loss falls: {losses[0]:.1f}, {losses[1]:.1f}")
    check(losses[1] < 120, "after two epochs it is below 120 nats")
    for name, size in {
        folder / "grid.png": (714, 714),
        run / "data.png": (714, 714),
        run / "samples.png": (596, 56),  # drawn again by `sample -n 10`
        run / "samples" / "epoch-0002.png": (714, 714),
        run / "reconstructions.png": (876, 174),
        run / "real-and-generated.png": (729, 745),
        run / "loss.png": (1800, 625),
        folder / "latent.png": (1260, 1050),
    }.items():
        with Image.open(name) as picture:
            found, spread = picture.size, np.asarray(picture.convert("L")).std()
        check(found == size, f"{name} is {size[0]} x {size[1]}: {found}")
        check(spread > 10, f"{name} is not blank")
    model = vaecli.open(run).model()
    check(tuple(model.sample(3).shape) == (3, 1, 28, 28), "the model samples from Python")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tests/tools/check_outputs.py FOLDER")
    main(Path(sys.argv[1]))
