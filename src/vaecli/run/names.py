"""Names of the files and folders in a run directory, and what they are."""

from typing import NamedTuple

CONFIG = "config.json"
RECORD = "run.json"
LOSSES = "losses.csv"
LOG = "train.log"
LOCK = ".lock"

CHECKPOINTS = "checkpoints"  # a folder
CHECKPOINT = f"{CHECKPOINTS}/last.safetensors"
BEST = f"{CHECKPOINTS}/best.safetensors"
EPOCH_CHECKPOINT = "checkpoints/epoch-{:04d}.safetensors"
EPOCH_CHECKPOINTS = "epoch-*.safetensors"  # in the folder of checkpoints

EPOCHS = "samples"  # a folder
EPOCH_SAMPLES = "samples/epoch-{:04d}.png"

DATA_PICTURE = "data.png"
SAMPLES = "samples.png"
REAL_AND_GENERATED = "real-and-generated.png"
RECONSTRUCTIONS = "reconstructions.png"
EMBEDDINGS = "embeddings.npz"
LOSS_PLOT = "loss.png"
EXPORT = "export"  # a folder
FOLDERS = (CHECKPOINTS, EPOCHS)


class File(NamedTuple):
    """A file of a run directory.

    Attributes:
        meaning: What it holds.
        when: Which runs have it; empty for every run that has ended.
    """

    meaning: str
    when: str = ""


# In the order in which a listing shows them.
FILES = {
    CONFIG: File("every option, defaults included; `train --config` reads it"),
    RECORD: File("status, command line, versions, device, threads, data fingerprint, times"),
    LOSSES: File(
        "a row per epoch: loss, distortion and rate in training, validation and test; seconds"
    ),
    LOG: File("the lines that the terminal showed"),
    CHECKPOINT: File("weights, optimizer, configuration and history; enough for `-r` on its own"),
    DATA_PICTURE: File("training images"),
    EPOCH_SAMPLES: File("samples after every epoch, always from the same latents"),
    SAMPLES: File("64 samples of the finished model"),
    REAL_AND_GENERATED: File("32 test images beside 32 samples"),
    RECONSTRUCTIONS: File("test images and their reconstructions"),
    LOSS_PLOT: File("the curves of losses.csv"),
    BEST: File("weights of the epoch with the lowest validation loss", "with --validation"),
    EPOCH_CHECKPOINT: File("a checkpoint of that epoch", "with --save-every"),
    EMBEDDINGS: File("latents of images", "after vaecli embed"),
    LOCK: File("process id and host of the process that trains", "while it is trained"),
}
ALL = {*FILES, *FOLDERS} - {EPOCH_SAMPLES, EPOCH_CHECKPOINT}
# What is in a run directory before its first checkpoint, beside the folders and the lock.
BEFORE_TRAINING = (LOG, LOSSES, DATA_PICTURE, CONFIG, RECORD)
# Further files that vaecli writes, as a regular expression.
PATTERN = (
    r"(samples|checkpoints)/epoch-\d{4,}\.(png|safetensors)|(.*/)?\.tmp-[0-9a-f]{8}"
    r"|export(/(encoder|decoder|scorer|sampler|classifier)\.(onnx|pt2))?"
    r"|export/(model\.safetensors|README\.md|samples\.png|loss\.png)"
)

# Prefixes of the tensors that evaluation reads; the best checkpoint holds no others.
WEIGHTS = ("model.", "objective.")
FITTED_PRIOR = "fitted_prior."  # prefix of the tensors that the second stage adds to a checkpoint
