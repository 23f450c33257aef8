"""How well the map of a run keeps the classes apart, and how long it takes.

    python -m tests.benchmarks.latent_map [-r RUN]

Prints a line for all latents, for t-SNE and for the principal components: the share of test images
whose class is that of most of their five nearest neighbours there, the image itself left out, and
the seconds of the projection. RUN is a run directory, by default the newest; the one that counts is
`vaecli train --epochs 50`.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from vaecli.data.splits import load_split
from vaecli.evaluation.embeddings import embed
from vaecli.evaluation.projection import project_to_plane
from vaecli.terminal.inputs import read_run

NEIGHBOURS = 5


def neighbours_accuracy(points: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """The share of points whose nearest other points vote for their class; the lower wins a tie."""
    nearest = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(points).kneighbors()[1]
    votes = np.stack([np.bincount(row, minlength=labels.max() + 1) for row in labels[nearest]])
    return float((votes.argmax(1) == labels).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-r", "--run-dir", type=Path)
    run = read_run(parser.parse_args().run_dir)
    latents = embed(run.model(), load_split(run.config, "test"))
    share = neighbours_accuracy(latents.mean, latents.label)
    print(f"{latents.mean.shape[1]} latents: {100 * share:.1f} %")
    for method in ("tsne", "pca"):
        began = time.perf_counter()
        processor = time.process_time()
        points = project_to_plane(latents.mean, method).points
        seconds = time.perf_counter() - began
        processor = time.process_time() - processor
        share = neighbours_accuracy(points, latents.label)
        print(f"{method}: {100 * share:.1f} %, {seconds:.1f} s ({processor:.1f} s of processor)")


if __name__ == "__main__":
    main()
