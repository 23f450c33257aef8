"""Plain constants that commands and runs share; it imports nothing."""

RUNS = "runs"  # the folder that run directories are made in


SAMPLES = 64  # images in a grid of samples


RECONSTRUCTIONS = 8  # images that are reconstructed


SEED = 0  # of what is drawn from a trained model
