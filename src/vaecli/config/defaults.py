"""Default values that are not fields of `Config`."""

RUNS = "runs"  # folder in which run directories are made


SAMPLES = 64  # images in a grid of samples


RECONSTRUCTIONS = 8  # images in a grid of reconstructions


SEED = 0  # default seed of sampling and evaluation
